"""Approve, reopen, tick off."""

from __future__ import annotations

import pytest
from django.urls import reverse

from accounts.models import AuditEntry
from meetings.minutes import services
from meetings.minutes.models import Minutes
from tests.meetings.minutes import world


def post(client, name, row, **data):
    return client.post(reverse(f"meetings:{name}", args=[row.pk]), data)


def test_approving_closes_the_minutes(minutes, held):
    assert post(world.browser(held.jonas), "minutes_approve", minutes, version="1").status_code == 302
    minutes.refresh_from_db()
    assert (minutes.state, minutes.approved_by) == ("approved", held.jonas)
    assert minutes.approved_at is not None
    assert AuditEntry.objects.get(verb="minutes.approve").actor == held.jonas


def test_a_cohost_without_account_may_approve(minutes, held):
    link = world.invite(held.meeting, "co@elsewhere.example", role="cohost")
    post(world.browser(link=link), "minutes_approve", minutes, version="1")
    minutes.refresh_from_db()
    assert (minutes.state, minutes.approved_by) == ("approved", None)


@pytest.mark.parametrize("version", ["0", "2", "", "x", "99999999999999999999"])
def test_only_the_version_that_was_read_is_approved(minutes, held, version):
    assert post(world.browser(held.mei), "minutes_approve", minutes, version=version).status_code == 302
    minutes.refresh_from_db()
    assert minutes.state == "draft"


def test_approving_twice_is_once(minutes, held):
    for _ in range(2):
        services.approve_minutes(minutes, actor=world.by(held.mei), version=1)
    assert AuditEntry.objects.filter(verb="minutes.approve").count() == 1


def test_the_organiser_opens_them_again(minutes, held):
    services.approve_minutes(minutes, actor=world.by(held.mei), version=1)
    response = post(world.browser(held.mei), "minutes_reopen", minutes)
    assert response["Location"] == f"/minutes/{minutes.pk}/edit/"
    minutes.refresh_from_db()
    assert (minutes.state, minutes.approved_by, minutes.approved_at) == ("draft", None, None)
    # What was approved is not approved again by an old page.
    assert minutes.version == 2


def test_the_owner_ticks_and_unticks_also_in_approved_minutes(minutes, held):
    services.approve_minutes(minutes, actor=world.by(held.mei), version=1)
    item = minutes.actions.get(owner=held.sara)
    client = world.browser(held.sara)
    assert post(client, "action_toggle", item, done="1")["Location"] == "/actions/"
    item.refresh_from_db()
    assert item.done_at is not None
    post(client, "action_toggle", item, done="1")
    assert AuditEntry.objects.filter(verb="action.done").count() == 1
    post(client, "action_toggle", item, done="0")
    item.refresh_from_db()
    assert item.done_at is None
    assert AuditEntry.objects.filter(verb="action.open").count() == 1


def test_hosts_tick_for_guests(minutes, held):
    item = minutes.actions.get(owner=None)
    post(world.browser(held.jonas), "action_toggle", item, done="1")
    item.refresh_from_db()
    assert item.done_at is not None


@pytest.mark.parametrize(
    ("target", "lands"),
    [
        ("/minutes/", "/minutes/"),
        ("https://evil.example/", "/actions/"),
        ("//evil.example/", "/actions/"),
        ("javascript:alert(1)", "/actions/"),
    ],
)
def test_after_ticking_one_lands_on_this_site(minutes, held, target, lands):
    item = minutes.actions.get(owner=held.sara)
    assert post(world.browser(held.sara), "action_toggle", item, done="1", next=target)["Location"] == lands


def test_minutes_of_nothing_are_not_found(held):
    assert world.browser(held.mei).get("/minutes/4711/").status_code == 404
    assert world.browser(held.mei).post("/actions/4711/toggle/").status_code == 404
    assert not Minutes.objects.exists()
