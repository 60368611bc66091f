"""Creating an account, confirming the address, signing in, choosing a new password."""

from __future__ import annotations

import re

import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from django.core.mail.backends.base import BaseEmailBackend
from django.urls import reverse

from accounts.models import User
from tests.meetings.minutes import world

FORM = {
    "name": "Sara Yilmaz",
    "email": "Sara@Example.org",
    "password1": "a long enough one",
    "password2": "a long enough one",
    "language": "zh-hans",
    "time_zone": "asia/shanghai",
}
PASSWORD = FORM["password1"]


@pytest.fixture(autouse=True)
def _mailbox(settings):
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"


def sign_up(client, **changes):
    return client.post(reverse("account_signup"), FORM | changes)


def link_in(message):
    return re.search(r"https?://\S+", message.body).group(0).rstrip(".")


# --- refusals ------------------------------------------------------------------------------------------


def test_closed_means_closed(client, db, settings):
    settings.SIGNUP_OPEN = False
    page = client.get(reverse("account_signup"))
    assert page.status_code == 200 and "password1" not in page.content.decode()
    sign_up(client)
    assert not User.objects.exists() and not mail.outbox


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": ""},
        {"name": "x" * 81},
        {"name": "Sara\u202eevil"},
        {"name": "a\x07b"},
        {"email": "nobody"},
        {"password1": "short", "password2": "short"},
        {"password1": "1234567890", "password2": "1234567890"},
        {"password2": "another one altogether"},
        {"language": "xx"},
        {"time_zone": "Mars/Olympus"},
    ],
)
def test_faulty_forms_make_no_account(client, db, wrong):
    assert sign_up(client, **wrong).status_code == 200
    assert not User.objects.exists() and not mail.outbox


def test_the_form_cannot_make_a_teacher_or_an_administrator(client, db):
    sign_up(client, role="admin", is_staff="on", is_superuser="on")
    user = User.objects.get()
    assert (user.role, user.is_staff, user.is_superuser, user.may_book) == ("student", False, False, False)


def test_nobody_signs_in_before_the_address_is_confirmed(client, db):
    sign_up(client)
    client.post(reverse("account_login"), {"login": FORM["email"], "password": PASSWORD})
    assert "_auth_user_id" not in client.session


def test_opening_the_link_alone_confirms_nothing(client, db):
    # Mail programs open links to look at them.
    sign_up(client)
    assert client.get(link_in(mail.outbox[0])).status_code == 200
    assert not EmailAddress.objects.get().verified


def test_a_taken_address_is_not_told(client, db):
    world.person("Sara", email="sara@example.org", role="student")
    fresh = sign_up(client, email="new@example.org")
    taken = sign_up(client)
    assert (fresh.status_code, fresh["Location"]) == (taken.status_code, taken["Location"])
    assert User.objects.count() == 2
    assert "already" in mail.outbox[-1].body


# --- the way in ----------------------------------------------------------------------------------------


def test_from_sign_up_to_signed_in(client, db, settings):
    settings.PUBLIC_URL = "https://meet.example.org"
    response = sign_up(client)
    assert response.status_code == 302
    user = User.objects.get()
    assert (user.email, user.name, user.language, user.time_zone) == (
        "sara@example.org",
        "Sara Yilmaz",
        "zh-hans",
        "Asia/Shanghai",
    )
    [message] = mail.outbox
    assert message.to == ["sara@example.org"]
    link = link_in(message)
    # Links lead to the public address, whatever host the browser asked.
    assert link.startswith("https://meet.example.org/accounts/confirm-email/")
    assert message.alternatives and link in message.alternatives[0].content
    client.post(link.removeprefix("https://meet.example.org"))
    assert EmailAddress.objects.get().verified
    client.logout()
    client.post(reverse("account_login"), {"login": "SARA@example.org", "password": PASSWORD})
    assert client.session["_auth_user_id"] == str(user.pk)


def test_a_forgotten_password(client, db, settings):
    settings.PUBLIC_URL = "https://meet.example.org"
    user = world.person("Sara", email="sara@example.org", role="student")
    client.post(reverse("account_reset_password"), {"email": "sara@example.org"})
    link = link_in(mail.outbox[0])
    assert link.startswith("https://meet.example.org/accounts/password/reset/key/")
    form = client.get(link.removeprefix("https://meet.example.org"), follow=True)
    words = {"password1": "something quite new", "password2": "something quite new"}
    client.post(form.request["PATH_INFO"], words)
    user.refresh_from_db()
    assert user.check_password("something quite new")
    # A link works once.
    again = client.get(link.removeprefix("https://meet.example.org"), follow=True)
    assert 'name="password1"' not in again.content.decode()


def test_a_reset_for_an_unknown_address_tells_nothing(client, db):
    known = world.person("Sara", email="sara@example.org")
    answers = [
        client.post(reverse("account_reset_password"), {"email": email})
        for email in (known.email, "nobody@example.org")
    ]
    assert [answer.status_code for answer in answers] == [302, 302]
    assert answers[0]["Location"] == answers[1]["Location"]


def test_the_form_offers_zone_and_language(client, db):
    page = client.get(reverse("account_signup"), headers={"accept-language": "zh-hans"}).content.decode()
    assert "data-browser-zone" in page
    assert '<option value="Europe/Berlin">' in page
    assert '<option value="zh-hans" selected>' in page


def test_a_new_address_takes_the_place_of_the_old_once_confirmed(client, db):
    user = world.person("Sara", email="sara@example.org")
    EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)
    client.force_login(user)
    client.post(reverse("account_email"), {"email": "new@example.org", "action_add": ""})
    user.refresh_from_db()
    assert user.email == "sara@example.org"
    message = next(message for message in mail.outbox if message.to == ["new@example.org"])
    path = "/" + link_in(message).split("/", 3)[3]
    client.post(path)
    user.refresh_from_db()
    assert user.email == "new@example.org"
    assert [row.email for row in EmailAddress.objects.all()] == ["new@example.org"]


class BrokenServer(BaseEmailBackend):
    def send_messages(self, email_messages):
        raise ConnectionRefusedError("no mail server")


def test_a_mail_server_that_is_down_is_told_and_the_account_stays(client, db, settings, caplog):
    settings.EMAIL_BACKEND = f"{__name__}.BrokenServer"
    page = client.post(reverse("account_signup"), FORM, follow=True)
    assert page.status_code == 200 and "could not be sent right now" in page.content.decode()
    assert User.objects.filter(email="sara@example.org").exists()
    assert "could not be sent" in caplog.text
    # Signing in later sends the mail anew.
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    client.post(reverse("account_login"), {"login": FORM["email"], "password": PASSWORD})
    assert [message.to for message in mail.outbox] == [["sara@example.org"]]
