"""Placing rooms: one worker a room and even loads, also when many decide in the same moment."""

from __future__ import annotations

import datetime as dt
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import User
from media_gateway import nodes
from media_gateway.models import MediaNode
from meetings.live.errors import RoomError
from meetings.live.models import Session
from meetings.live.placement import place_session, release_rooms, unplace_session
from tests.meetings.live.conftest import make_meeting, make_user

pytestmark = pytest.mark.django_db(transaction=True)


def make_node(name: str, **fields: Any) -> MediaNode:
    values = {
        "kind": "media",
        "instance": f"{name}-1",
        "host": "test",
        "channel": f"specific.{name}",
        "capacity": 100,
    }
    return MediaNode.objects.create(name=name, **{**values, **fields})


@pytest.fixture
def host(transactional_db: None) -> User:
    return make_user("Helen", "staff")


def make_session(host: User) -> Session:
    return Session.objects.create(meeting=make_meeting(host), opened_at=timezone.now())


def at_once(jobs: list[Callable[[], Any]]) -> list[Any]:
    """Run all jobs in threads that start in the same moment; results or exceptions."""
    gate = threading.Barrier(len(jobs))

    def run(job: Callable[[], Any]) -> Any:
        try:
            gate.wait()
            return job()
        except RoomError as error:
            return error
        finally:
            connection.close()

    with ThreadPoolExecutor(len(jobs)) as pool:
        return list(pool.map(run, jobs))


def test_many_who_connect_at_once_get_one_worker(host: User) -> None:
    for name in ("a", "b", "c"):
        make_node(name)
    session = make_session(host)
    results = at_once([lambda: place_session(session.pk) for _ in range(8)])
    assert len({(placement.node, placement.instance) for placement in results}) == 1
    assert [placement.moved for placement in results].count(True) == 1
    session.refresh_from_db()
    assert session.node == results[0].node


def test_rooms_placed_at_once_are_spread_evenly(host: User) -> None:
    for name in ("a", "b"):
        make_node(name)
    sessions = [make_session(host) for _ in range(8)]
    at_once([lambda session=session: place_session(session.pk) for session in sessions])  # type: ignore[misc]
    assert Counter(Session.objects.values_list("node", flat=True)) == {"a": 4, "b": 4}


def test_the_least_loaded_is_taken_by_rooms_then_by_people(host: User) -> None:
    make_node("a", load={"peers": 1})
    make_node("b", load={"peers": 50})
    assert place_session(make_session(host).pk).node == "a"
    assert place_session(make_session(host).pk).node == "b"
    assert place_session(make_session(host).pk).node == "a"


@pytest.mark.parametrize(
    "fields",
    [
        {"state": "down"},
        {"state": "draining"},
        {"state": "restarting"},
        {"channel": ""},
        {"kind": "recorder"},
        {"heartbeat_at": timezone.now() - dt.timedelta(days=1)},
    ],
)
def test_workers_that_cannot_serve_are_not_chosen(host: User, fields: dict[str, Any]) -> None:
    make_node("a", **fields)
    session = make_session(host)
    with pytest.raises(RoomError, match="media_unavailable"):
        place_session(session.pk)
    session.refresh_from_db()
    assert session.node == ""


def test_an_ended_session_is_not_placed(host: User) -> None:
    make_node("a")
    session = make_session(host)
    Session.objects.filter(pk=session.pk).update(ended_at=timezone.now())
    with pytest.raises(RoomError, match="ended"):
        place_session(session.pk)


@pytest.mark.parametrize("fields", [{"channel": ""}, {"state": "draining"}])
def test_a_room_stays_through_a_blip_and_while_draining(host: User, fields: dict[str, Any]) -> None:
    make_node("a")
    session = make_session(host)
    place_session(session.pk)
    make_node("b")
    MediaNode.objects.filter(name="a").update(**fields)
    placement = place_session(session.pk)
    assert (placement.node, placement.moved) == ("a", False)


def test_a_dead_instance_loses_only_its_own_rooms(host: User) -> None:
    make_node("a")
    first, second = make_session(host), make_session(host)
    place_session(first.pk)
    MediaNode.objects.filter(name="a").update(instance="a-2")
    place_session(second.pk)
    assert [session.pk for session in release_rooms("a", "a-1")] == [first.pk]
    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.node, second.node, second.node_instance) == ("", "a", "a-2")


def test_a_placement_is_taken_back_only_while_it_stands(host: User) -> None:
    make_node("a")
    session = make_session(host)
    placement = place_session(session.pk)
    Session.objects.filter(pk=session.pk).update(node_instance="a-2")
    unplace_session(session.pk, placement)
    session.refresh_from_db()
    assert session.node == "a"


def test_going_down_is_announced_once_however_many_notice(host: User) -> None:
    make_node("a")
    heard: list[str] = []

    def listen(node: MediaNode, instance: str, **kwargs: Any) -> None:
        heard.append(instance)

    nodes.signals.node_down.connect(listen)
    try:
        results = at_once([lambda: nodes.mark_down("a", "a-1") for _ in range(6)])
    finally:
        nodes.signals.node_down.disconnect(listen)
    assert results.count(True) == 1 and heard == ["a-1"]


def test_a_full_worker_is_passed_over_while_another_has_room(host: User) -> None:
    make_node("a", capacity=1)
    make_node("b", capacity=5)
    nodes_of = [place_session(make_session(host).pk).node for _ in range(4)]
    assert nodes_of == ["a", "b", "b", "b"]


# --- load -----------------------------------------------------------------------------------------------


def test_what_workers_measured_decides_before_the_number_of_rooms(host: User) -> None:
    make_node("a", load={"rooms": 1, "packets_per_s": 40_000, "lag_ms": 1})
    make_node("b", load={"rooms": 3, "packets_per_s": 9_000, "lag_ms": 1})
    make_session_on("a", host)
    for _ in range(3):
        make_session_on("b", host)
    assert place_session(make_session(host).pk).node == "b"


def test_being_late_counts_as_load(host: User) -> None:
    make_node("a", load={"packets_per_s": 1_000, "lag_ms": 40})
    make_node("b", load={"packets_per_s": 12_000, "lag_ms": 0.5})
    assert place_session(make_session(host).pk).node == "b"


def test_small_differences_are_none_and_rooms_decide(host: User) -> None:
    make_node("a", load={"rooms": 2, "packets_per_s": 300})
    make_node("b", load={"rooms": 1, "packets_per_s": 900})
    for name in ("a", "a", "b"):
        make_session_on(name, host)
    assert place_session(make_session(host).pk).node == "b"


def test_rooms_not_yet_told_of_keep_a_crowd_from_one_worker(host: User) -> None:
    make_node("a", load={"packets_per_s": 0})
    make_node("b", load={"packets_per_s": 10_000})
    chosen = [place_session(make_session(host).pk).node for _ in range(6)]
    assert Counter(chosen) == {"a": 4, "b": 2}


FULL = [
    ({"capacity": 1}, {}),
    ({}, {"peers": 1000, "max_peers": 1000}),
    ({}, {"lag_ms": 150.0}),
    ({}, {"cpu": 0.95}),
]


def make_session_on(node: str, host: User) -> Session:
    session = make_session(host)
    Session.objects.filter(pk=session.pk).update(node=node, node_instance=f"{node}-1")
    return session


@pytest.mark.parametrize(("fields", "load"), FULL, ids=["rooms", "peers", "lag", "cpu"])
def test_a_worker_at_its_limit_takes_no_room_and_keeps_its_own(
    host: User, fields: dict[str, Any], load: dict[str, Any]
) -> None:
    make_node("a", load={"rooms": 1, **load}, **fields)
    running = make_session_on("a", host)
    session = make_session(host)
    with pytest.raises(RoomError) as refusal:
        place_session(session.pk)
    assert refusal.value.code == "media_unavailable"
    assert refusal.value.message == "The media server is full; try again in a minute."
    session.refresh_from_db()
    assert session.node == ""
    assert place_session(running.pk).moved is False
    make_node("b", load={"packets_per_s": 90_000})
    assert place_session(session.pk).node == "b"


def test_an_empty_worker_is_never_too_slow(host: User) -> None:
    make_node("a", load={"lag_ms": 900.0, "cpu": 1.2})
    assert place_session(make_session(host).pk).node == "a"


@pytest.mark.parametrize("load", [{}, {"lag_ms": None}, {"cpu": "high"}, {"peers": True}, []])
def test_figures_a_worker_does_not_tell_count_as_none(host: User, load: Any) -> None:
    make_node("a", load=load)
    make_session_on("a", host)
    assert place_session(make_session(host).pk).node == "a"


def test_placing_costs_the_same_with_many_workers(host: User) -> None:
    def cost() -> int:
        with CaptureQueriesContext(connection) as queries:
            place_session(make_session(host).pk)
        return len(queries)

    make_node("a")
    few = cost()
    for number in range(8):
        make_node(f"w{number}")
    assert cost() == few
