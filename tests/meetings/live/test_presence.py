"""Networks that drop, tabs that reload, sessions that end: who is in, and what attendance says."""

from __future__ import annotations

import asyncio
import datetime as dt
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone

from meetings.live import joining, presence, services
from meetings.live.models import Attendance, Participant, Session
from meetings.live.signals import session_ended
from meetings.live.tasks import reap_participants
from meetings.permissions.actor import SYSTEM, Actor
from meetings.permissions.decide import Refused
from tests.meetings.live.conftest import Cast, make_user
from tests.meetings.live.tabs import FakeWorker, Refusal, Tab, db

pytestmark = pytest.mark.django_db(transaction=True)


def person(public_id: str) -> Participant:
    return Participant.objects.get(public_id=public_id)


def age(public_id: str, seconds: float) -> None:
    """As if they had last been heard of that long ago."""
    Participant.objects.filter(public_id=public_id).update(
        last_seen_at=timezone.now() - dt.timedelta(seconds=seconds)
    )


async def test_a_dropped_network_keeps_the_place_and_the_stay(
    cast: Cast, tab: Any, room: dict[str, Tab]
) -> None:
    sam = room["Sam"]
    await sam.drop()
    updated = await room["Helen"].event("participant.updated")
    assert updated["participant"]["id"] == sam.me and updated["participant"]["connected"] is False
    back = await tab("Sam")
    reply = await back.join(resume=sam.state["you"]["resume"])
    assert reply["status"] == "in" and reply["state"]["you"]["id"] == sam.me
    assert (await room["Helen"].event("participant.updated"))["participant"]["connected"] is True
    stays = await db(lambda: list(Attendance.objects.filter(participant__public_id=sam.me)))
    assert len(stays) == 1 and stays[0].left_at is None
    assert "participant.joined" not in {frame["type"] for frame in room["Helen"].events}


async def test_a_reload_faster_than_the_disconnect_takes_over_by_its_key(
    cast: Cast, tab: Any, room: dict[str, Tab]
) -> None:
    back = await tab("Sam")
    await back.join(resume=room["Sam"].state["you"]["resume"])
    assert await room["Sam"].close_code() == 4409
    assert (await db(person, room["Sam"].me)).channel


async def test_a_guest_whose_cookie_is_gone_comes_back_by_the_key(
    cast: Cast, tab: Any, room: dict[str, Tab]
) -> None:
    await room["walk-in"].drop()
    back = await tab("nobody")
    reply = await back.join(resume=room["walk-in"].state["you"]["resume"])
    assert reply["status"] == "in" and reply["state"]["you"]["id"] == room["walk-in"].me


@pytest.mark.parametrize("forged", ["x" * 32, "", "%", "' OR 1=1 --"])
async def test_a_forged_key_is_no_key(cast: Cast, tab: Any, room: dict[str, Tab], forged: str) -> None:
    thief = await tab("nobody")
    reply = await thief.join(name="Thief", resume=forged)
    assert reply["status"] == "lobby"
    assert reply["participant"]["id"] not in {other.me for other in room.values()}


@pytest.mark.parametrize("thief", ["Uma", "nobody", "Gina"])
async def test_the_key_of_someone_with_an_account_is_worth_nothing_to_others(
    cast: Cast, tab: Any, room: dict[str, Tab], thief: str
) -> None:
    """A tab left open on a shared computer, or a key read over someone's shoulder."""
    other = await tab(thief)
    reply = await other.join(name="Thief", resume=room["Helen"].state["you"]["resume"])
    assert reply["status"] == "lobby"
    assert (await room["Helen"].ask("ping", t=1))["t"] == 1
    assert (await db(person, room["Helen"].me)).name == "Helen"


async def test_a_key_of_another_meeting_is_no_key(cast: Cast, tab: Any, room: dict[str, Tab]) -> None:
    from tests.meetings.live.conftest import make_meeting

    other = await db(make_meeting, cast.cohost)
    guest = await tab("nobody", code=other.code)
    reply = await guest.join(name="Wanda", resume=room["walk-in"].state["you"]["resume"])
    assert reply["participant"]["id"] != room["walk-in"].me


async def test_who_does_not_come_back_is_let_go_by_the_process_itself(
    cast: Cast, tab: Any, room: dict[str, Tab], worker: FakeWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    await room["Sam"].ask("media.connect")
    monkeypatch.setattr(joining, "LOST_AFTER", 0.2)
    await room["Sam"].drop()
    left = await asyncio.wait_for(room["Helen"].event("participant.left"), 5)
    assert left == {"id": room["Sam"].me, "reason": "lost"}
    assert (await worker.wait_for("peer.remove"))["peer"] == room["Sam"].me
    sam = await db(person, room["Sam"].me)
    stay = await db(Attendance.objects.get, participant=sam)
    assert sam.state == "left" and stay.left_at is not None and stay.left_at == sam.last_seen_at


async def test_coming_back_later_opens_a_second_stay_without_a_second_permission(
    cast: Cast, tab: Any, room: dict[str, Tab]
) -> None:
    await room["walk-in"].ask("leave")
    assert await room["walk-in"].close_code() == 1000
    assert (await room["Helen"].event("participant.left"))["reason"] == "left"
    back = await tab("walk-in")
    assert (await back.join(name="Renamed"))["status"] == "in"
    assert back.me == room["walk-in"].me
    names = {other["name"] for other in back.state["participants"]}
    assert "Wanda" in names and "Renamed" not in names
    stays = await db(
        lambda: list(Attendance.objects.filter(participant__public_id=back.me).order_by("joined_at"))
    )
    assert len(stays) == 2 and stays[0].left_at is not None and stays[0].left_at <= stays[1].joined_at
    assert stays[1].left_at is None


async def test_the_reaper_lets_go_of_people_whose_web_process_died(cast: Cast, room: dict[str, Tab]) -> None:
    """The row still names a channel that nobody reads."""
    await db(age, room["Sam"].me, 60)
    assert (await db(reap_participants))["participants"] == 0
    await db(age, room["Sam"].me, 76)
    seen = (await db(person, room["Sam"].me)).last_seen_at
    assert (await db(reap_participants))["participants"] == 1
    sam = await db(person, room["Sam"].me)
    assert sam.state == "left" and sam.channel == ""
    stay = await db(Attendance.objects.get, participant=sam)
    assert stay.left_at == max(seen, stay.joined_at)
    assert (await db(reap_participants))["participants"] == 0


async def test_a_waiting_person_who_closes_the_tab_leaves_the_lobby(
    cast: Cast, tab: Any, room: dict[str, Tab]
) -> None:
    uma = await tab("Uma", join={})
    await room["Helen"].event("lobby.waiting")
    await uma.drop()
    assert (await room["Helen"].event("lobby.left"))["id"] == uma.me
    again = await tab("Helen")
    state = (await again.join(takeover=True))["state"]
    assert state["lobby"] == []
    back = await tab("Uma")
    assert (await back.join())["participant"]["id"] == uma.me
    assert (await again.event("lobby.waiting"))["participant"]["id"] == uma.me
    await db(age, uma.me, 76)
    await db(reap_participants)
    assert (await db(person, uma.me)).state == "left"


async def test_pings_are_a_sign_of_life(
    cast: Cast, room: dict[str, Tab], monkeypatch: pytest.MonkeyPatch
) -> None:
    from meetings.live import connection

    await db(age, room["Sam"].me, 70)
    monkeypatch.setattr(connection, "TOUCH_EVERY", 0.0)
    await room["Sam"].ask("ping", t=1)
    await asyncio.sleep(0.01)
    assert (await db(reap_participants))["participants"] == 0
    assert (await db(person, room["Sam"].me)).last_seen_at > timezone.now() - dt.timedelta(seconds=10)


# --- the end --------------------------------------------------------------------------------------------


async def test_the_host_ends_the_session_for_all(
    cast: Cast, tab: Any, room: dict[str, Tab], worker: FakeWorker
) -> None:
    ended: list[Session] = []

    def listen(session: Session, **kwargs: Any) -> None:
        ended.append(session)

    session_ended.connect(listen)
    try:
        uma = await tab("Uma", join={})
        await room["Sam"].ask("media.connect")
        await room["Sam"].drop()
        assert await room["Helen"].ask("session.end") == {}
        url = reverse("meetings:room_left", args=[cast.meeting.code])
        for person_tab in (room["Helen"], room["walk-in"], uma):
            assert await person_tab.event("session.ended") == {"reason": "host", "url": url}
            assert await person_tab.close_code() == 4410
    finally:
        session_ended.disconnect(listen)
    session = await db(Session.objects.get)
    assert session.ended_at is not None and session.end_reason == "host"
    assert [one.pk for one in ended] == [session.pk]
    await worker.wait_for("room.close")
    assert await db(Attendance.objects.filter(left_at=None).count) == 0
    sam = await db(person, room["Sam"].me)
    stay = await db(Attendance.objects.get, participant=sam)
    assert stay.left_at == sam.last_seen_at and stay.left_at < session.ended_at
    states = set(await db(lambda: list(Participant.objects.values_list("state", flat=True))))
    assert states == {"left"}


async def test_a_key_of_an_ended_session_says_so_and_starts_nothing(
    cast: Cast, tab: Any, room: dict[str, Tab]
) -> None:
    await room["Helen"].ask("session.end")
    back = await tab("Helen")
    with pytest.raises(Refusal, match="ended"):
        await back.join(resume=room["Helen"].state["you"]["resume"])
    assert await back.close_code() == 4410
    assert await db(Session.objects.filter(ended_at=None).count) == 0
    fresh = await tab("Helen")
    assert (await fresh.join())["status"] == "in"
    assert await db(Session.objects.count) == 2


async def test_after_the_end_others_wait_for_the_host_again(
    cast: Cast, tab: Any, room: dict[str, Tab]
) -> None:
    await room["Helen"].ask("session.end")
    sam = await tab("Sam")
    assert (await sam.join())["status"] == "lobby"
    assert await db(presence.live_session_of, cast.meeting) is None


async def test_ending_needs_the_right_also_outside_the_room(
    cast: Cast, tab: Any, room: dict[str, Tab]
) -> None:
    session = await db(Session.objects.get)
    for actor in (
        Actor(),
        Actor(user=cast.student),
        Actor(user=cast.stranger),
        Actor(invitation=cast.guest_invitation),
    ):
        with pytest.raises(Refused):
            await db(services.end_session, session, actor=actor)
    assert (await db(Session.objects.get)).ended_at is None
    admin = await db(make_user, "Ada", "admin")
    assert await db(services.end_session, session, actor=Actor(user=admin), reason="admin")
    assert await room["Sam"].close_code() == 4410
    assert not await db(services.end_session, session, actor=SYSTEM)


async def test_a_deserted_session_ends_after_ten_minutes(cast: Cast, tab: Any, room: dict[str, Tab]) -> None:
    for one in room.values():
        await one.ask("leave")
    assert (await db(reap_participants))["sessions"] == 0
    earlier = timezone.now() - dt.timedelta(minutes=11)

    def turn_back() -> None:
        Session.objects.update(started_at=earlier)
        Attendance.objects.update(joined_at=earlier, left_at=earlier)
        Participant.objects.update(last_seen_at=earlier)

    await db(turn_back)
    assert (await db(reap_participants))["sessions"] == 1
    session = await db(Session.objects.get)
    assert session.ended_at is not None and session.end_reason == "empty"


async def test_a_session_nobody_entered_leaves_no_trace(cast: Cast, tab: Any) -> None:
    heard: list[Any] = []

    def listen(**kwargs: Any) -> None:
        heard.append(kwargs)

    session_ended.connect(listen)
    try:
        sam = await tab("Sam", join={})
        await sam.ask("leave")
        await db(Session.objects.update, started_at=timezone.now() - dt.timedelta(minutes=11))
        await db(Participant.objects.update, last_seen_at=timezone.now() - dt.timedelta(minutes=11))
        assert (await db(reap_participants))["sessions"] == 1
    finally:
        session_ended.disconnect(listen)
    assert await db(Session.objects.count) == 0 and heard == []


async def test_joining_at_once_from_many_tabs_makes_one_session_and_one_participant_each(
    cast: Cast, tab: Any
) -> None:
    tabs = [
        await tab(who)
        for who in ("Helen", "Carl", "Sam", "Gina", "Uma", "walk-in", "walk-in 2", "Helen", "Carl")
    ]
    results = await asyncio.gather(*(one.join(name="Guest") for one in tabs), return_exceptions=True)
    refused = [result for result in results if isinstance(result, Refusal)]
    assert [refusal.code for refusal in refused] == ["already_joined"] * 2
    assert await db(Session.objects.count) == 1
    assert await db(Participant.objects.count) == 7
    assert await db(Attendance.objects.filter(left_at=None).count) == 2


async def test_who_was_taken_for_gone_but_lives_is_sent_round_to_join_again(
    cast: Cast, tab: Any, room: dict[str, Tab]
) -> None:
    await db(age, room["Sam"].me, 76)
    await db(reap_participants)
    assert await room["Sam"].close_code() == 4500
    back = await tab("Sam")
    assert (await back.join(resume=room["Sam"].state["you"]["resume"]))["status"] == "in"


async def test_coming_back_does_not_wind_back_the_media_generation(
    cast: Cast, tab: Any, room: dict[str, Tab], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The old connection may connect its media in the very moment the new one joins."""
    real = joining._welcome_back

    def meanwhile(visitor: Any, participant: Participant, *args: Any, **kwargs: Any) -> None:
        Participant.objects.filter(pk=participant.pk).update(generation=7)
        real(visitor, participant, *args, **kwargs)

    monkeypatch.setattr(joining, "_welcome_back", meanwhile)
    back = await tab("Sam")
    await back.join(takeover=True)
    assert (await db(person, room["Sam"].me)).generation == 7
