"""Whoever is made co-host in the meeting's list while it runs is co-host at once."""

from __future__ import annotations

from typing import Any

import pytest

from accounts.models import AuditEntry, User
from meetings.invitations.models import Invitation
from meetings.live.models import Participant
from meetings.live.roles import follow_invitations
from meetings.permissions.actor import Actor
from meetings.permissions.decide import Refused
from meetings.scheduling.drafts import Attendee
from meetings.scheduling.services import change_meeting
from tests.meetings.live.conftest import Cast
from tests.meetings.live.tabs import FakeWorker, Tab, db

pytestmark = pytest.mark.django_db(transaction=True)


def attendee(user: User, *, cohost: bool = False) -> Attendee:
    return Attendee(email=user.email, name=user.name, user=user, cohost=cohost)


def invite(cast: Cast, *attendees: Attendee) -> None:
    change_meeting(cast.meeting, actor=Actor(user=cast.host), attendees=list(attendees))


def role_of(tab: Tab) -> str:
    return Participant.objects.values_list("role", flat=True).get(public_id=tab.me)


async def test_only_who_may_change_the_meeting_gives_roles(cast: Cast, room: dict[str, Tab]) -> None:
    rows = await db(lambda: list(Invitation.objects.filter(user=cast.student)))
    for row in rows:
        row.role = "cohost"
    for who in (cast.cohost, cast.student, cast.stranger):
        with pytest.raises(Refused):
            await db(follow_invitations, cast.meeting, rows, actor=Actor(user=who))
    assert await db(role_of, room["Sam"]) == "participant"


async def test_a_participant_becomes_cohost_and_back(
    cast: Cast, room: dict[str, Tab], worker: FakeWorker
) -> None:
    sam, helen = room["Sam"], room["Helen"]
    await sam.ask("media.connect")
    await db(invite, cast, attendee(cast.cohost, cohost=True), attendee(cast.student, cohost=True))
    told = await sam.event("you.updated")
    assert told["role"] == "cohost" and "lobby.admit" in told["capabilities"]
    assert (await helen.event("participant.updated"))["participant"]["role"] == "cohost"
    assert (await worker.wait_for("peer.permit"))["peer"] == sam.me
    assert (await sam.ask("participant.mute_all"))["muted"] == 1
    entry = await db(AuditEntry.objects.get, verb="participant.role")
    assert entry.changes == {"role": [None, "cohost"], "former": [None, "participant"]}
    await db(invite, cast, attendee(cast.cohost, cohost=True), attendee(cast.student))
    assert (await sam.event("you.updated"))["role"] == "participant"


async def test_other_changes_leave_a_promotion_in_the_room_alone(cast: Cast, room: dict[str, Tab]) -> None:
    await room["Helen"].ask("participant.promote", participant=room["Sam"].me, role="cohost")
    await db(change_meeting, cast.meeting, actor=Actor(user=cast.host), title="Another title")
    assert await db(role_of, room["Sam"]) == "cohost"


async def test_a_stranger_who_came_by_the_link_and_is_invited_now_is_no_guest_any_more(
    cast: Cast, tab: Any, worker: FakeWorker
) -> None:
    helen = await tab("Helen", join={})
    uma = await tab("Uma", join={})
    await helen.ask("lobby.admit", participant=uma.me)
    uma.state = (await uma.event("lobby.admitted"))["state"]
    assert await db(role_of, uma) == "guest"
    await db(invite, cast, attendee(cast.stranger))
    assert (await uma.event("you.updated"))["role"] == "participant"


async def test_a_new_cohost_does_not_wait_in_the_lobby(cast: Cast, tab: Any) -> None:
    helen = await tab("Helen", join={})
    sam = await tab("Sam", join={})
    await helen.event("lobby.waiting")
    await db(invite, cast, attendee(cast.student, cohost=True))
    state = (await sam.event("lobby.admitted"))["state"]
    assert state["you"]["role"] == "cohost"
    assert await helen.event("lobby.left") == {"id": sam.me}


async def test_hosts_stay_hosts_and_without_a_session_nothing_happens(cast: Cast, tab: Any) -> None:
    await db(invite, cast, attendee(cast.student, cohost=True))
    helen = await tab("Helen", join={})
    row = await db(Invitation.objects.get, user=cast.student)
    row.user_id = cast.host.pk
    assert await db(follow_invitations, cast.meeting, [row], actor=Actor(user=cast.host)) == 0
    assert await db(role_of, helen) == "host"
