"""A room that outgrows its worker goes on on others: who is served where, and that all still meet."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import User
from media_gateway.models import MediaNode
from meetings.live import media, placement, spread
from meetings.live.errors import RoomError
from meetings.live.models import Participant, Session
from tests.media_gateway.sfu.aiortc_peers import AiortcPeer
from tests.meetings.live.conftest import Cast, make_meeting, make_user
from tests.meetings.live.real_media import Worker, open_tabs, publish_both, until
from tests.meetings.live.test_placement import at_once, make_node

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(90)]


@pytest.fixture
def session(transactional_db: None, settings: Any) -> Session:
    settings.MEDIA_SPREAD_AT, settings.MEDIA_MAX_PEERS_PER_ROOM = 2, 3
    host: User = make_user("Helen", "staff")
    return Session.objects.create(meeting=make_meeting(host), opened_at=timezone.now())


def someone(session: Session, name: str) -> Participant:
    return Participant.objects.create(
        session=session, identity=f"guest:{name}", name=name, role="participant", state="in"
    )


def seat(session: Session, name: str) -> spread.Seat:
    return spread.seat_participant(someone(session, name))


def test_the_next_are_served_by_another_worker_and_the_first_there_joins_it_to_the_rest(
    session: Session,
) -> None:
    for name in ("a", "b", "c"):
        make_node(name)
    seats = [seat(session, str(number)) for number in range(6)]
    assert [taken.node for taken in seats] == ["a", "a", "b", "b", "c", "c"]
    assert [taken.moved for taken in seats] == [True] + [False] * 5
    assert [taken.others for taken in seats] == [(), (), ("a",), (), ("a", "b"), ()]
    session.refresh_from_db()
    assert spread.workers_of(session) == ["a", "b", "c"]


def test_when_no_other_worker_is_there_it_stays_until_the_room_is_full(session: Session) -> None:
    make_node("a")
    make_node("gone", state="down")
    assert [seat(session, str(number)).node for number in range(3)] == ["a"] * 3
    with pytest.raises(RoomError, match="media_unavailable"):
        seat(session, "one too many")


def test_whoever_is_served_stays_there_and_a_dead_worker_is_left(session: Session) -> None:
    for name in ("a", "b"):
        make_node(name)
    for number in range(3):
        seat(session, str(number))
    third = Participant.objects.get(name="2")
    assert third.node == "b"
    Participant.objects.filter(name="0").update(state="left")
    assert spread.seat_participant(third).node == "b", "though there is room at the first again"
    MediaNode.objects.filter(name="b").update(state="down")
    third.refresh_from_db()
    assert spread.seat_participant(third).node == "a"


def test_many_at_once_are_never_more_than_a_worker_is_to_serve(session: Session) -> None:
    for name in ("a", "b", "c", "d"):
        make_node(name)
    placement.place_session(session.pk)
    people = [someone(session, str(number)) for number in range(8)]

    jobs = [lambda person=person: spread.seat_participant(person).node for person in people]  # type: ignore[misc]
    assert Counter(at_once(jobs)) == {"a": 2, "b": 2, "c": 2, "d": 2}


def test_rights_and_ends_go_to_the_worker_that_serves(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b"):
        make_node(name)
    for number in range(3):
        seat(session, str(number))
    told: list[tuple[str, str, str | None]] = []
    monkeypatch.setattr(
        "media_gateway.client.tell",
        lambda node, op, room=None, peer=None, data=None: told.append((node, op, peer)),
    )
    session.refresh_from_db()
    first, third = Participant.objects.get(name="0"), Participant.objects.get(name="2")
    media.tell_permit(first)
    media.tell_permit(third)
    media.tell(session, "room.close")
    assert told == [
        ("a", "peer.permit", first.public_id),
        ("b", "peer.permit", third.public_id),
        ("a", "room.close", None),
        ("b", "room.close", None),
    ]
    told.clear()
    media.reproject("b", "b-1")
    assert {peer for _, _, peer in told} == {third.public_id}
    assert placement.rooms_on("b", "b-1") == [str(session.room_id)]


def test_seats_take_the_same_number_of_queries_however_many_are_there(
    session: Session, settings: Any
) -> None:
    settings.MEDIA_SPREAD_AT = settings.MEDIA_MAX_PEERS_PER_ROOM = 50
    make_node("a")
    counts = []
    for number in range(20):
        person = someone(session, str(number))
        with CaptureQueriesContext(
            connection,
        ) as queries:
            spread.seat_participant(person)
        counts.append(len(queries))
    assert len(set(counts[1:])) == 1, counts


@pytest.fixture
async def workers(cast: Cast, settings: Any):  # type: ignore[no-untyped-def]
    settings.MEDIA_SPREAD_AT = 1
    made = [await Worker("media-a").start(), await Worker("media-b").start()]
    yield made
    for worker in made:
        await worker.stop()


async def test_people_on_two_workers_see_and_hear_each_other(cast: Cast, workers: list[Worker]) -> None:
    helen, carl = await open_tabs(cast, "Helen", "Carl")
    first, second = AiortcPeer(helen, helen.me), AiortcPeer(carl, carl.me)
    try:
        await first.join()
        await second.join()
        nodes = await sync_to_async(lambda: dict(Participant.objects.values_list("public_id", "node")))()
        assert nodes[helen.me] != nodes[carl.me], "two workers"
        await publish_both(first, second)
        heard = await until(
            lambda: [
                one for one in carl.seen("speaker.changed") if {helen.me, carl.me} <= set(one["participants"])
            ],
            "both are known to speak",
        )
        assert heard

        # A lost relay is made anew.
        rooms = [worker.gateway._rooms[str(helen.state["session"]["id"])] for worker in workers]
        taker = next(room for room in rooms if carl.me in room.peers)
        for relay in list(taker.relays.incoming):
            taker.relays.close_in(relay)
            taker.relays._tell("relay.lost", relay)
        count = len(second.frames[f"{helen.me} camera"])
        await until(lambda: len(second.frames[f"{helen.me} camera"]) > count + 5, "the picture again", 20)

        # The worker that serves Carl dies: he is served by the other.
        lost = next(worker for worker in workers if carl.me in worker.gateway._rooms[taker.id].peers)
        await lost.end.hang_up(1001)
        reset = await until(lambda: carl.seen("media.reset"), "Carl is told")
        assert reset[0]["reason"] == "node_down"
        await asyncio.sleep(0)
    finally:
        await first.close()
        await second.close()
        for tab in (helen, carl):
            await tab.leave()
