"""Guessing passwords: a few tries a minute, then nothing for a while; others are not locked out with it."""

from __future__ import annotations

import pytest
from axes.models import AccessAttempt
from django.urls import reverse

from accounts.network import client_ip, login_name
from accounts.services import trust_address
from tests.meetings.minutes import world


@pytest.fixture
def guarded(settings, db):
    settings.AXES_ENABLED = True
    settings.AXES_FAILURE_LIMIT = 3
    user = world.person("Sara", email="sara@example.org")
    trust_address(user)
    return user


def attempt(client, email="sara@example.org", password="wrong", ip="192.0.2.1", url=None):
    url = url or reverse("account_login")
    field = "username" if url.startswith("/admin/") else "login"
    return client.post(url, {field: email, "password": password}, REMOTE_ADDR=ip)


def test_after_too_many_failures_the_right_password_is_refused_too(client, guarded):
    for _ in range(3):
        attempt(client)
    response = attempt(client, password="correct horse battery")
    assert response.status_code == 429
    page = response.content.decode()
    assert "Too many attempts" in page and "15 min" in page and reverse("account_reset_password") in page
    assert "_auth_user_id" not in client.session


@pytest.mark.parametrize("email", ["SARA@example.org", " sara@example.org "])
def test_writing_the_address_differently_gives_no_new_tries(client, guarded, email):
    for _ in range(3):
        attempt(client)
    assert attempt(client, email=email, password="correct horse battery").status_code == 429


def test_the_administration_counts_the_same_tries(client, guarded):
    guarded.role = "admin"
    guarded.save()
    for _ in range(2):
        attempt(client)
    attempt(client, url="/admin/login/")
    assert AccessAttempt.objects.get(username="sara@example.org").failures_since_start == 3
    assert attempt(client, url="/admin/login/", password="correct horse battery").status_code == 429


def test_others_and_other_places_are_not_locked_out(client, guarded):
    other = world.person("Jonas", email="jonas@example.org")
    trust_address(other)
    for _ in range(4):
        attempt(client)
    assert attempt(client, email=other.email, password="correct horse battery").status_code == 302
    client.logout()
    assert attempt(client, password="correct horse battery", ip="192.0.2.2").status_code == 302


def test_a_success_forgets_the_failures(client, guarded):
    for _ in range(2):
        attempt(client)
    assert attempt(client, password="correct horse battery").status_code == 302
    client.logout()
    for _ in range(2):
        attempt(client)
    assert attempt(client, password="correct horse battery").status_code == 302


def test_tries_are_limited_in_a_minute_too(client, guarded, settings):
    settings.AXES_ENABLED = False
    settings.ACCOUNT_RATE_LIMITS = {"login_failed": "10/m/ip,2/5m/key"}
    for _ in range(2):
        attempt(client)
    page = attempt(client, password="correct horse battery").content.decode()
    assert "_auth_user_id" not in client.session
    assert "Too many failed login attempts" in page


def test_the_counted_name_comes_from_credentials_or_form(rf):
    request = rf.post("/", {"login": "Form@Example.org"})
    assert login_name(request) == "form@example.org"
    assert login_name(request, {"email": "A@b.c", "password": "x"}) == "a@b.c"
    assert login_name(request, {"login": None, "email": "A@b.c"}) == "a@b.c"
    assert login_name(rf.post("/", {"username": "Admin@x.y"}), {}) == "admin@x.y"
    assert login_name(rf.post("/")) == ""


def test_the_address_behind_a_proxy_is_believed_only_where_one_is_declared(rf, settings):
    request = rf.get("/", headers={"X-Forwarded-For": "6.6.6.6, 192.0.2.9"}, REMOTE_ADDR="10.0.0.1")
    settings.ENV = settings.ENV | {"TRUST_PROXY": False}
    assert client_ip(request) == "10.0.0.1"
    settings.ENV = settings.ENV | {"TRUST_PROXY": True}
    assert client_ip(request) == "192.0.2.9"
    assert client_ip(rf.get("/", REMOTE_ADDR="10.0.0.1")) == "10.0.0.1"
    # What a proxy may write and no database takes as an address.
    for text in ("unknown", "192.0.2.9:4711", "fe80::1%eth0"):
        request = rf.get("/", headers={"X-Forwarded-For": text}, REMOTE_ADDR="10.0.0.1")
        assert client_ip(request) in (None, "fe80::1")
