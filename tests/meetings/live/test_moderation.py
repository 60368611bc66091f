"""What hosts may do, and that nobody else can, whatever they send."""

from __future__ import annotations

from typing import Any

import pytest

from accounts.models import AuditEntry
from meetings.live.models import Attendance, Participant, Session
from tests.meetings.live.conftest import Cast
from tests.meetings.live.tabs import FakeWorker, Refusal, Tab, db

pytestmark = pytest.mark.django_db(transaction=True)


def snapshot() -> list[Any]:
    """Everything that moderation could change."""
    people = Participant.objects.order_by("pk").values_list(
        "state", "role", "mic", "camera", "screen", "hand_at"
    )
    sessions = Session.objects.order_by("pk").values_list("pk", "ended_at")
    return [
        list(people),
        list(sessions),
        AuditEntry.objects.count(),
        Attendance.objects.filter(left_at=None).count(),
    ]


HOST_MESSAGES: list[tuple[str, dict[str, Any], str]] = [
    ("lobby.admit", {"participant": "waiting"}, "lobby.admit"),
    ("lobby.refuse", {"participant": "waiting"}, "lobby.admit"),
    ("lobby.admit_all", {}, "lobby.admit"),
    ("participant.mute", {"participant": "Sam", "source": "mic"}, "participant.mute"),
    ("participant.mute", {"participant": "Helen", "source": "camera"}, "participant.mute"),
    ("participant.mute_all", {}, "participant.mute"),
    ("participant.remove", {"participant": "Sam"}, "participant.remove"),
    ("participant.remove", {"participant": "Helen"}, "participant.remove"),
    ("participant.promote", {"participant": "self", "role": "cohost"}, "participant.promote"),
    ("participant.lower_hand", {"participant": "Sam"}, "hand.lower"),
    ("recording.start", {}, "recording.control"),
    ("recording.stop", {}, "recording.control"),
    ("session.end", {}, "session.end"),
]


@pytest.mark.parametrize("who", ["Sam", "walk-in"])
async def test_people_who_are_not_host_are_refused_and_nothing_changes(
    cast: Cast, tab: Any, room: dict[str, Tab], worker: FakeWorker, who: str
) -> None:
    waiting = await tab("Uma", join={})
    await room["Sam"].ask("me.update", hand=True)
    await room["Helen"].settle()
    ids = {"waiting": waiting.me, "Sam": room["Sam"].me, "Helen": room["Helen"].me, "self": room[who].me}
    before, asked = await db(snapshot), len(worker.asked)
    for type, data, rule in HOST_MESSAGES:
        sent = {**data, "participant": ids[data["participant"]]} if "participant" in data else data
        with pytest.raises(Refusal) as refusal:
            await room[who].ask(type, **sent)
        error = refusal.value.error
        assert (error["code"], error["rule"]) == ("forbidden", rule), type
        assert error["who"] and error["message"]
    assert await db(snapshot) == before
    assert len(worker.asked) == asked
    assert not [frame for frame in await room["Sam"].settle() if frame["type"] == "you.muted"]


async def test_people_in_the_lobby_can_do_nothing_of_this(cast: Cast, tab: Any, room: dict[str, Tab]) -> None:
    waiting = await tab("Uma", join={})
    before = await db(snapshot)
    for type, data, _rule in HOST_MESSAGES:
        sent = {**data, "participant": waiting.me} if "participant" in data else data
        with pytest.raises(Refusal, match="not_joined"):
            await waiting.ask(type, **sent)
    assert await db(snapshot) == before


async def test_ids_of_another_session_are_not_found(cast: Cast, tab: Any, room: dict[str, Tab]) -> None:
    from tests.meetings.live.conftest import make_meeting

    other = await db(make_meeting, cast.cohost)
    elsewhere = await tab("Carl", code=other.code, join={})
    for type, data in (("participant.remove", {}), ("participant.mute", {"source": "mic"})):
        with pytest.raises(Refusal, match="not_found"):
            await elsewhere.ask(type, participant=room["Sam"].me, **data)
    assert (await db(Participant.objects.get, public_id=room["Sam"].me)).state == "in"


async def test_hosts_see_who_waits_and_admit_them(cast: Cast, tab: Any, room: dict[str, Tab]) -> None:
    uma = await tab("Uma", join={})
    asked = await room["Helen"].event("lobby.waiting")
    assert asked["participant"]["id"] == uma.me and asked["participant"]["name"] == "Uma"
    assert await db(Attendance.objects.filter(participant__public_id=uma.me).count) == 0
    assert await room["Helen"].ask("lobby.admit", participant=uma.me) == {}
    state = (await uma.event("lobby.admitted"))["state"]
    assert state["you"]["id"] == uma.me and len(state["participants"]) == 4 and state["lobby"] == []
    assert (await room["Sam"].event("participant.joined"))["participant"]["name"] == "Uma"
    assert (await room["Helen"].event("lobby.left"))["id"] == uma.me
    # Those who may not admit hear nothing of the lobby.
    heard = {frame["type"] for frame in await room["Sam"].settle()}
    assert not heard & {"lobby.waiting", "lobby.left"}
    assert await db(Attendance.objects.filter(participant__public_id=uma.me, left_at=None).count) == 1
    with pytest.raises(Refusal, match="not_found"):
        await room["Helen"].ask("lobby.admit", participant=uma.me)


async def test_who_is_refused_goes_and_cannot_ask_again(cast: Cast, tab: Any, room: dict[str, Tab]) -> None:
    again = await tab("walk-in 2", join={"name": "Willi"})
    await room["Helen"].ask("lobby.refuse", participant=again.me)
    assert await again.event("lobby.refused") == {}
    assert await again.close_code() == 4403
    back = await tab("walk-in 2")
    with pytest.raises(Refusal, match="refused"):
        await back.join(name="Other name", resume=again.resume)
    assert await back.close_code() == 4403
    assert (await db(Participant.objects.get, public_id=again.me)).state == "refused"


async def test_admit_all(cast: Cast, tab: Any, room: dict[str, Tab]) -> None:
    waiting = [await tab("Uma", join={}), await tab("Gina", join={})]
    assert await room["Helen"].ask("lobby.admit_all") == {"admitted": 2}
    for person in waiting:
        await person.event("lobby.admitted")
    assert await room["Helen"].ask("lobby.admit_all") == {"admitted": 0}


async def test_mute_reaches_the_person_the_room_and_the_media(
    cast: Cast, room: dict[str, Tab], worker: FakeWorker
) -> None:
    await room["Sam"].ask("media.connect")
    worker.asked.clear()
    await room["Helen"].ask("participant.mute", participant=room["Sam"].me, source="mic")
    assert await room["Sam"].event("you.muted") == {"source": "mic", "by": "Helen"}
    updated = await room["walk-in"].event("participant.updated")
    assert updated["participant"]["id"] == room["Sam"].me and updated["participant"]["mic"] is False
    paused = await worker.wait_for("peer.pause")
    assert paused["peer"] == room["Sam"].me and paused["data"] == {"sources": ["mic"], "paused": True}
    assert (await db(Participant.objects.get, public_id=room["Sam"].me)).mic is False
    # They may speak again when they want to.
    await room["Sam"].ask("me.update", mic=True)
    resumed = await worker.wait_for("peer.pause", 2)
    assert resumed["data"] == {"sources": ["mic"], "paused": False}


async def test_mute_all_spares_the_actor_and_the_host(cast: Cast, tab: Any, room: dict[str, Tab]) -> None:
    carl = await tab("Carl", join={})
    assert await carl.ask("participant.mute_all") == {"muted": 2}
    mics = dict(await db(lambda: list(Participant.objects.values_list("name", "mic"))))
    assert mics == {"Helen": True, "Carl": True, "Sam": False, "Wanda": False}


async def test_a_cohost_cannot_act_on_the_host(cast: Cast, tab: Any, room: dict[str, Tab]) -> None:
    carl = await tab("Carl", join={})
    before = await db(snapshot)
    for type, data in (
        ("participant.remove", {}),
        ("participant.mute", {"source": "mic"}),
        ("participant.promote", {"role": "participant"}),
    ):
        with pytest.raises(Refusal, match="forbidden"):
            await carl.ask(type, participant=room["Helen"].me, **data)
    assert await db(snapshot) == before


async def test_the_host_neither_removes_nor_demotes_himself(cast: Cast, room: dict[str, Tab]) -> None:
    me = room["Helen"].me
    for type, data in (("participant.remove", {}), ("participant.promote", {"role": "participant"})):
        with pytest.raises(Refusal, match="conflict"):
            await room["Helen"].ask(type, participant=me, **data)
    assert (await db(Participant.objects.get, public_id=me)).role == "host"


async def test_who_is_removed_stays_out(
    cast: Cast, tab: Any, room: dict[str, Tab], worker: FakeWorker
) -> None:
    wanda = room["walk-in"]
    await wanda.ask("media.connect")
    await room["Helen"].ask("participant.remove", participant=wanda.me)
    assert await wanda.event("you.removed") == {"by": "Helen"}
    assert await wanda.close_code() == 4403
    assert await room["Sam"].event("participant.left") == {"id": wanda.me, "reason": "removed"}
    assert (await worker.wait_for("peer.remove"))["peer"] == wanda.me
    assert await db(Attendance.objects.filter(participant__public_id=wanda.me, left_at=None).count) == 0
    resume = wanda.state["you"]["resume"]
    for who, data in (
        ("walk-in", {"name": "Another"}),
        ("walk-in", {"name": "Wanda", "takeover": True}),
        ("nobody", {"name": "Wanda", "resume": resume}),
    ):
        back = await tab(who)
        with pytest.raises(Refusal, match="removed"):
            await back.join(**data)
        assert await back.close_code() == 4403
    participant = await db(Participant.objects.get, public_id=wanda.me)
    assert participant.state == "removed" and participant.channel == ""


@pytest.mark.parametrize("proof", ["account", "link"])
async def test_a_removed_person_cannot_change_between_account_and_link(
    cast: Cast, tab: Any, room: dict[str, Tab], proof: str
) -> None:
    from meetings.invitations.models import Invitation
    from tests.meetings.live.conftest import invitation_cookie

    await room["Helen"].ask("participant.remove", participant=room["Sam"].me)
    if proof == "link":
        own = await db(Invitation.objects.get, user=cast.student)
        cast.cookies["link"] = await db(invitation_cookie, own)
    back = await tab("Sam" if proof == "account" else "link")
    with pytest.raises(Refusal, match="removed"):
        await back.join()


async def test_promotion_gives_rights_at_once_and_takes_them_back(
    cast: Cast, tab: Any, room: dict[str, Tab]
) -> None:
    waiting = await tab("Uma", join={})
    reply = await room["Helen"].ask("participant.promote", participant=room["Sam"].me, role="cohost")
    assert reply["participant"]["role"] == "cohost"
    you = await room["Sam"].event("you.updated")
    assert you["role"] == "cohost" and "lobby.admit" in you["capabilities"]
    # The lobby as it is now comes with the right to see it.
    assert (await room["Sam"].event("lobby.waiting"))["participant"]["id"] == waiting.me
    assert await room["Sam"].ask("participant.mute_all") == {"muted": 1}
    await room["Helen"].ask("participant.promote", participant=room["Sam"].me, role="participant")
    await room["Sam"].event("you.updated")
    with pytest.raises(Refusal, match="forbidden"):
        await room["Sam"].ask("participant.mute_all")


async def test_hands_go_up_and_are_lowered_by_hosts(cast: Cast, room: dict[str, Tab]) -> None:
    raised = await room["Sam"].ask("me.update", hand=True)
    at = raised["participant"]["hand"]
    assert at
    assert (await room["Sam"].ask("me.update", hand=True))["participant"]["hand"] == at
    assert (await room["Helen"].event("participant.updated"))["participant"]["hand"] == at
    await room["Helen"].ask("participant.lower_hand", participant=room["Sam"].me)
    await room["Sam"].settle()
    assert room["Sam"].events[-1]["data"]["participant"]["hand"] is None


async def test_every_act_leaves_one_audit_row(cast: Cast, tab: Any, room: dict[str, Tab]) -> None:
    uma = await tab("Uma", join={})
    await db(AuditEntry.objects.all().delete)
    helen = room["Helen"]
    await helen.ask("lobby.admit", participant=uma.me)
    await helen.ask("participant.mute", participant=uma.me, source="camera")
    await helen.ask("participant.promote", participant=uma.me, role="cohost")
    await helen.ask("participant.remove", participant=uma.me)
    rows = await db(
        lambda: list(AuditEntry.objects.order_by("pk").values_list("verb", "actor_label", "target_label"))
    )
    assert rows == [
        ("lobby.admit", "Helen", "Uma"),
        ("participant.mute", "Helen", "Uma"),
        ("participant.promote", "Helen", "Uma"),
        ("participant.remove", "Helen", "Uma"),
    ]
