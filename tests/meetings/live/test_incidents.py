"""What the media server says of trouble is written down once, bounded, and closed when it is over."""

from __future__ import annotations

import asyncio
import datetime as dt
from importlib import import_module
from typing import Any

import pytest
from django.apps import apps
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from media_gateway.models import MediaNode
from media_gateway.signals import node_down
from meetings.live import incidents
from meetings.live.ending import end_session
from meetings.live.joining import go_out
from meetings.live.models import MediaIncident, Participant, Session
from meetings.live.moderation import mute_participant
from meetings.live.own_state import set_own_state
from meetings.permissions.actor import SYSTEM, Actor
from tests.media_gateway.control.worker_end import WorkerEnd, db
from tests.meetings.live.conftest import make_meeting, make_user

pytestmark = pytest.mark.django_db(transaction=True)


def person(session: Session, name: str) -> Participant:
    return Participant.objects.create(
        session=session, identity=f"guest:{name}", name=name, role="guest", state="in"
    )


@pytest.fixture
def session(transactional_db: None) -> Session:
    return Session.objects.create(meeting=make_meeting(make_user("Helen", "staff")), opened_at=timezone.now())


@pytest.fixture
def people(session: Session) -> dict[str, Participant]:
    return {name: person(session, name) for name in ("Ann", "Ben", "Cem")}


def trouble(publisher: str, subscriber: str | None, **changes: Any) -> dict[str, Any]:
    return {
        "peer": publisher,
        "subscriber": subscriber,
        "source": "camera",
        "hop": "downlink",
        "state": "silent",
        "action": "none",
        **changes,
    }


def note(session: Session, told: dict[str, Any]) -> MediaIncident | None:
    return incidents.note_trouble(str(session.room_id), told, node="media-a")


@pytest.mark.parametrize(
    "change",
    [
        {"source": "soul"},
        {"source": None},
        {"hop": "moon"},
        {"state": "odd"},
        {"action": "shout"},
        {"action": ["none"]},
        {"peer": "p000000000000"},
        {"peer": None},
        {"subscriber": "p000000000000"},
    ],
    ids=str,
)
def test_what_is_not_understood_is_not_written(
    session: Session, people: dict[str, Participant], change: dict[str, Any]
) -> None:
    told = trouble(people["Ann"].public_id, people["Ben"].public_id)
    assert note(session, {**told, **change}) is None
    assert not MediaIncident.objects.exists()


def test_people_of_another_session_are_unknown(session: Session, people: dict[str, Participant]) -> None:
    other = Session.objects.create(meeting=make_meeting(session.meeting.organizer))
    stranger = person(other, "Uma")
    assert note(session, trouble(stranger.public_id, people["Ben"].public_id)) is None
    assert note(session, trouble(people["Ann"].public_id, stranger.public_id)) is None
    assert incidents.note_trouble("no uuid", trouble("a", "b"), node="x") is None


def test_an_incident_collects_what_is_done_until_it_is_over(
    session: Session, people: dict[str, Participant]
) -> None:
    ann, ben = people["Ann"].public_id, people["Ben"].public_id
    first = note(session, trouble(ann, ben))
    assert first is not None
    for action in ("keyframe", "keyframe", "resubscribe"):
        note(session, trouble(ann, ben, action=action))
    note(session, trouble(ann, ben, hop="player", action="restart"))
    row = MediaIncident.objects.get()
    assert (row.publisher, row.subscriber, row.node) == (people["Ann"], people["Ben"], "media-a")
    assert (row.hop, row.actions) == ("player", ["keyframe", "resubscribe", "restart"])
    assert row.began_at == first.began_at and row.ended_at is None
    note(session, trouble(ann, ben, state="healed", action="none"))
    row.refresh_from_db()
    assert row.ended_at is not None and row.ended_at >= row.began_at
    assert note(session, trouble(ann, ben, state="healed")) is None
    again = note(session, trouble(ann, ben))
    assert again is not None and again.pk != row.pk


def test_each_receiver_and_source_is_a_case_of_its_own(
    session: Session, people: dict[str, Participant]
) -> None:
    ann, ben, cem = (people[name].public_id for name in ("Ann", "Ben", "Cem"))
    note(session, trouble(ann, ben))
    note(session, trouble(ann, cem))
    note(session, trouble(ann, ben, source="mic"))
    note(session, trouble(ann, ben, state="healed"))
    still = MediaIncident.objects.filter(ended_at=None).values_list("subscriber__name", "source")
    assert sorted(still) == [("Ben", "mic"), ("Cem", "camera")]


@pytest.mark.parametrize("hop", ["device", "uplink"])
def test_what_does_not_reach_the_server_is_one_case_for_all(
    session: Session, people: dict[str, Participant], hop: str
) -> None:
    ann, ben, cem = (people[name].public_id for name in ("Ann", "Ben", "Cem"))
    for receiver in (ben, cem, None):
        note(session, trouble(ann, receiver, hop=hop))
    row = MediaIncident.objects.get()
    assert row.subscriber is None and row.hop == hop
    note(session, trouble(ann, cem, hop=hop, state="healed"))
    assert not MediaIncident.objects.filter(ended_at=None).exists()


def test_a_session_keeps_a_bounded_number(
    session: Session, people: dict[str, Participant], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(incidents, "MAX_PER_SESSION", 3)
    ann, ben = people["Ann"].public_id, people["Ben"].public_id
    for _ in range(5):
        note(session, trouble(ann, ben))
        note(session, trouble(ann, ben, state="healed"))
    assert MediaIncident.objects.count() == 3
    for number in range(50):
        note(session, trouble(ann, ben, action=("keyframe", "restart")[number % 2]))
    assert MediaIncident.objects.count() == 3


def test_actions_are_bounded(session: Session, people: dict[str, Participant]) -> None:
    ann, ben = people["Ann"].public_id, people["Ben"].public_id
    for number in range(50):
        note(session, trouble(ann, ben, action=("keyframe", "restart")[number % 2]))
    assert len(MediaIncident.objects.get().actions) == incidents.MAX_ACTIONS


def test_writing_costs_the_same_with_many_incidents(session: Session, people: dict[str, Participant]) -> None:
    ann, ben, cem = (people[name].public_id for name in ("Ann", "Ben", "Cem"))
    note(session, trouble(ann, cem))
    with CaptureQueriesContext(
        connection,
    ) as few:
        note(session, trouble(ann, ben))
    for _ in range(20):
        note(session, trouble(ann, ben, state="healed"))
        note(session, trouble(ann, ben))
    note(session, trouble(ann, ben, state="healed"))
    with CaptureQueriesContext(connection) as many:
        note(session, trouble(ann, ben))
    assert len(many) == len(few)


async def test_the_control_link_hands_it_over_once(session: Session, people: dict[str, Participant]) -> None:
    """Both ends are told the same; one row comes of it, and the link goes on meanwhile."""
    ann, ben, room = people["Ann"].public_id, people["Ben"].public_id, str(session.room_id)
    worker = WorkerEnd()
    await worker.introduce()
    for state in ("silent", "healed"):
        for receiver in (ann, ben):
            data = trouble(ann, ben, state=state, action="keyframe")
            frame = {"event": "trouble", "room": room, "peer": receiver, "generation": 1, "data": data}
            await worker.send(frame)
    for _ in range(300):
        row = await db(MediaIncident.objects.filter(ended_at__isnull=False).first)
        if row is not None:
            break
        await asyncio.sleep(0.01)
    assert row is not None and row.actions == ["keyframe"] and row.node == "media-a"
    assert await db(MediaIncident.objects.count) == 1
    await worker.hang_up(1001)


# --- ends that no worker tells of -------------------------------------------------------------------


@pytest.fixture
def opened(session: Session, people: dict[str, Participant]) -> dict[tuple[str, str | None, str], int]:
    """Cases that go on: (sender, who misses it, what) → row."""
    made = {}
    for sender, receiver, source, hop in (
        ("Ann", "Ben", "camera", "downlink"),
        ("Cem", "Ann", "mic", "player"),
        ("Ben", "Cem", "camera", "server"),
        ("Cem", None, "camera", "uplink"),
    ):
        told = trouble(
            people[sender].public_id,
            people[receiver].public_id if receiver else None,
            source=source,
            hop=hop,
        )
        row = note(session, told)
        assert row is not None
        made[sender, receiver, source] = row.pk
    return made


def ended(opened: dict[tuple[str, str | None, str], int]) -> dict[tuple[str, str | None, str], str]:
    """How those ended that are over."""
    rows = MediaIncident.objects.in_bulk(opened.values())
    for row in rows.values():
        assert (row.ended_at is None) == (row.end_reason == "")
        assert row.ended_at is None or row.ended_at >= row.began_at
    return {case: rows[pk].end_reason for case, pk in opened.items() if rows[pk].ended_at}


def test_what_heals_says_so(session: Session, people: dict[str, Participant], opened: dict) -> None:
    note(session, trouble(people["Ann"].public_id, people["Ben"].public_id, state="healed"))
    assert ended(opened) == {("Ann", "Ben", "camera"): "healed"}


@pytest.mark.parametrize("state", [Participant.State.LEFT, Participant.State.REMOVED])
def test_it_ends_with_whoever_sends_or_misses_it(
    session: Session, people: dict[str, Participant], opened: dict, state: Participant.State
) -> None:
    long_ago = timezone.now() - dt.timedelta(minutes=5)  # when they were last seen
    with transaction.atomic():
        go_out(people["Ann"], state, "lost", at=long_ago)
    assert ended(opened) == {("Ann", "Ben", "camera"): "left", ("Cem", "Ann", "mic"): "left"}


def test_it_ends_with_the_session(session: Session, opened: dict) -> None:
    end_session(session, actor=SYSTEM, reason="admin")
    assert ended(opened) == dict.fromkeys(opened, "session")


def test_it_ends_with_its_worker(session: Session, opened: dict) -> None:
    MediaIncident.objects.filter(pk=opened["Ben", "Cem", "camera"]).update(node="media-b")
    node = MediaNode.objects.create(name="media-a", kind="media", instance="i", host="h", channel="c")
    node_down.send(sender=MediaNode, node=node, instance="i")
    others = [case for case in opened if case != ("Ben", "Cem", "camera")]
    assert ended(opened) == dict.fromkeys(others, "worker")


def test_it_ends_when_it_is_switched_off(people: dict[str, Participant], opened: dict) -> None:
    set_own_state(actor=Actor(participant=people["Cem"]), camera=False)
    assert ended(opened) == {("Cem", None, "camera"): "off"}


def test_it_ends_when_a_host_switches_it_off(
    session: Session, people: dict[str, Participant], opened: dict
) -> None:
    Participant.objects.filter(pk=people["Ann"].pk).update(role="host")
    mute_participant(people["Cem"].public_id, "mic", actor=Actor(participant=people["Ann"]))
    assert ended(opened) == {("Cem", "Ann", "mic"): "off"}


def test_nothing_is_opened_that_would_never_be_closed(
    session: Session, people: dict[str, Participant]
) -> None:
    """What a worker told just before somebody went may be read just after."""
    ann, ben = people["Ann"], people["Ben"]
    with transaction.atomic():
        go_out(ben, Participant.State.LEFT, "left", at=timezone.now())
    assert note(session, trouble(ann.public_id, ben.public_id)) is None
    assert note(session, trouble(ben.public_id, ann.public_id)) is None
    end_session(session, actor=SYSTEM, reason="admin")
    Participant.objects.filter(pk=ben.pk).update(state="in")
    assert note(session, trouble(ann.public_id, ben.public_id)) is None
    assert not MediaIncident.objects.exists()


def test_the_migration_says_how_the_old_ones_ended(
    session: Session, people: dict[str, Participant], opened: dict
) -> None:
    """As rows were before the column: over for any reason, open in a session that is over, or open."""
    migration = import_module("meetings.migrations.0005_incident_ends")
    rows = MediaIncident.objects.all()
    healed, left_open, goes_on = ("Ann", "Ben", "camera"), ("Cem", "Ann", "mic"), ("Ben", "Cem", "camera")
    rows.filter(pk=opened[healed]).update(ended_at=timezone.now())
    over = Session.objects.create(meeting=make_meeting(session.meeting.organizer), ended_at=timezone.now())
    rows.filter(pk=opened[left_open]).update(session=over)
    with connection.schema_editor() as editor:
        migration.say_how_they_ended(apps, editor)
    assert ended(opened) == {healed: "healed", left_open: "session"}
    assert rows.get(pk=opened[goes_on]).ended_at is None
