"""Who may not read, write, approve or reopen minutes, or tick actions: refused, and nothing has changed."""

from __future__ import annotations

import pytest
from django.urls import reverse

from accounts.models import AuditEntry
from meetings.live.models import Participant
from meetings.minutes import services
from meetings.minutes.models import ActionItem, Minutes
from meetings.permissions.decide import Refused
from tests.meetings.minutes import world

PAGES = ("minutes_detail", "minutes_edit")
POSTS = ("minutes_edit", "minutes_approve", "minutes_reopen")


def address(name, row):
    return reverse(f"meetings:{name}", args=[row.pk])


def stored(row):
    row = Minutes.objects.get(pk=row.pk)
    return row.state, row.summary, row.version, row.actions.filter(done_at=None).count()


@pytest.mark.parametrize("name", PAGES)
def test_a_stranger_is_refused(minutes, held, name):
    assert world.browser(held.tom).get(address(name, minutes)).status_code == 403


@pytest.mark.parametrize("name", PAGES)
def test_nobody_signed_in_is_led_to_sign_in_and_back(minutes, name):
    response = world.browser().get(address(name, minutes))
    assert response.status_code == 302
    assert response["Location"] == f"/accounts/login/?next={address(name, minutes)}"


@pytest.mark.parametrize("name", POSTS)
def test_nobody_signed_in_posts_in_vain(minutes, name):
    before = stored(minutes)
    assert world.browser().post(address(name, minutes), {"version": "1"}).status_code == 403
    assert stored(minutes) == before


@pytest.mark.parametrize("name", POSTS)
@pytest.mark.parametrize("who", ["sara", "tom"])
def test_only_hosts_write(minutes, held, name, who):
    before, entries = stored(minutes), AuditEntry.objects.count()
    client = world.browser(getattr(held, who))
    assert client.post(address(name, minutes), {"version": "1", "summary": "mine now"}).status_code == 403
    assert stored(minutes) == before
    assert AuditEntry.objects.count() == entries


def test_a_guest_reads_but_does_not_write(minutes, held):
    client = world.browser(link=held.ada)
    assert client.get(address("minutes_detail", minutes)).status_code == 200
    assert client.get(address("minutes_edit", minutes)).status_code == 302
    assert client.post(address("minutes_approve", minutes), {"version": "1"}).status_code == 403
    assert stored(minutes)[0] == "draft"


def test_a_link_of_another_meeting_opens_nothing(minutes, held):
    other = world.invite(world.meeting_of(held.tom, "Elsewhere"), "ada@elsewhere.example")
    assert world.browser(link=other).get(address("minutes_detail", minutes)).status_code == 302


def test_a_revoked_or_renewed_link_opens_nothing_any_more(minutes, held):
    client = world.browser(link=held.ada)
    held.ada.nonce = "another"
    held.ada.save()
    assert client.get(address("minutes_detail", minutes)).status_code == 302


def test_who_was_removed_without_invitation_reads_nothing(minutes, held):
    world.came(held.session, held.tom, role="guest", state=Participant.State.REMOVED)
    assert world.browser(held.tom).get(address("minutes_detail", minutes)).status_code == 403


def test_a_cohost_cannot_reopen(minutes, held):
    services.approve_minutes(minutes, actor=world.by(held.mei), version=1)
    assert world.browser(held.jonas).post(address("minutes_reopen", minutes)).status_code == 403
    assert stored(minutes)[0] == "approved"


def test_approved_minutes_are_not_written(minutes, held):
    services.approve_minutes(minutes, actor=world.by(held.mei), version=1)
    before = stored(minutes)
    with pytest.raises(services.MinutesLocked):
        services.save_minutes(minutes, actor=world.by(held.mei), version=1, summary="late")
    assert stored(minutes) == before


@pytest.mark.parametrize("who", ["tom", "stranger"])
def test_only_the_owner_or_a_host_ticks(minutes, held, who):
    item = minutes.actions.get(text="Book the hall")
    client = world.browser(held.tom if who == "tom" else None)
    response = client.post(reverse("meetings:action_toggle", args=[item.pk]), {"done": "1"})
    assert response.status_code == 403
    item.refresh_from_db()
    assert item.done_at is None


def test_the_refusal_says_who_can(minutes, held):
    item = ActionItem.objects.get(text="Ask the author")
    with pytest.raises(Refused) as refused:
        services.tick_action(item, actor=world.by(held.sara), done=True)
    assert refused.value.decision.rule == "action.tick"
    assert "host" in refused.value.decision.who


@pytest.mark.parametrize("name", ["minutes_list", "action_list"])
def test_lists_are_for_people_with_an_account(db, name):
    response = world.browser().get(reverse(f"meetings:{name}"))
    assert response.status_code == 302 and response["Location"].startswith("/accounts/login/")


@pytest.mark.parametrize("name", [*POSTS, "action_toggle"])
def test_posts_need_the_csrf_token(minutes, held, name):
    from django.test import Client

    client = Client(enforce_csrf_checks=True)
    client.force_login(held.mei)
    row = minutes.actions.first() if name == "action_toggle" else minutes
    assert client.post(address(name, row), {"version": "1", "done": "1"}).status_code == 403
    assert stored(minutes) == ("draft", "Waves were explained.", 1, 2)
