"""Emptying workers: told to the worker whatever its link does, waited for, undone."""

from __future__ import annotations

import asyncio
import io
import threading
import time
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from accounts.models import AuditEntry
from media_gateway import draining, nodes
from media_gateway import worker as worker_program
from media_gateway.management.commands import media_drain
from media_gateway.models import MediaNode
from media_gateway.worker import Duty
from tests.media_gateway.control.worker_end import WorkerEnd, db

pytestmark = pytest.mark.django_db(transaction=True)


def make_node(name: str = "media-a", **fields: Any) -> MediaNode:
    return MediaNode.objects.create(
        **{"name": name, "kind": "media", "instance": "i1", "host": "alpha", "load": {"rooms": 0}, **fields}
    )


def drain(*arguments: str) -> str:
    out = io.StringIO()
    call_command("media_drain", *arguments, stdout=out)
    return out.getvalue()


def state(name: str = "media-a") -> str:
    return MediaNode.objects.values_list("state", flat=True).get(name=name)


# --- refusals -------------------------------------------------------------------------------------------


def test_a_worker_nobody_knows_is_named() -> None:
    make_node()
    with pytest.raises(CommandError, match="no worker or machine media-z; workers are: media-a"):
        drain("media-z")


def test_a_worker_that_is_gone_cannot_be_emptied() -> None:
    node = make_node(state="down")
    with pytest.raises(CommandError, match="media-a is gone"):
        drain("media-a")
    assert not draining.drain(node) and not draining.undrain(node)
    assert state() == "down" and not AuditEntry.objects.exists()


def test_undoing_goes_alone() -> None:
    make_node()
    for other in ("--wait", "--restart"):
        with pytest.raises(CommandError, match="--undo goes alone"):
            drain("media-a", "--undo", other)


def test_waiting_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(media_drain, "POLL_SECONDS", 0.01)
    make_node(load={"rooms": 2})
    with pytest.raises(CommandError, match=r"not empty after 0\.05 s: media-a"):
        drain("media-a", "--wait", "--timeout", "0.05")
    assert state() == "draining"


# --- the command ----------------------------------------------------------------------------------------


def test_it_is_drained_written_down_and_undone() -> None:
    make_node()
    assert drain("media-a") == "media-a takes no new rooms\n"
    assert drain("media-a") == "media-a takes no new rooms already\n"
    assert state() == "draining" and not nodes.alive("media").exists()
    assert drain("media-a", "--restart") == "media-a restarts when it is empty\n"
    assert drain("media-a", "--undo") == "media-a takes rooms again\n"
    assert state() == "up"
    rows = AuditEntry.objects.filter(verb="media_node.state").order_by("pk")
    assert [entry.changes["state"] for entry in rows] == [
        ["up", "draining"],
        ["draining", "restarting"],
        ["restarting", "up"],
    ]
    assert {entry.actor_label for entry in rows} == {"system"}


def test_a_machines_name_means_all_its_workers() -> None:
    make_node("media-a")
    make_node("media-b")
    make_node("media-c", host="beta")
    drain("alpha")
    assert [state(f"media-{letter}") for letter in "abc"] == ["draining", "draining", "up"]


def test_waiting_ends_when_a_heartbeat_after_the_order_tells_of_no_rooms(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(media_drain, "POLL_SECONDS", 0.01)
    make_node(load={"rooms": 0})

    def live() -> None:
        while state() != "draining":
            time.sleep(0.01)
        for load in ({"rooms": 1, "draining": True}, {"rooms": 0, "draining": True}):
            time.sleep(0.1)
            MediaNode.objects.update(load=load)

    worker = threading.Thread(target=live)
    worker.start()
    said = drain("media-a", "--wait", "--timeout", "20").splitlines()
    worker.join()
    assert said == [
        "media-a takes no new rooms",
        "media-a has 0 rooms",
        "media-a has 1 rooms",
        "media-a is empty",
    ]


def test_waiting_for_a_restart_ends_with_the_new_instance(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(media_drain, "POLL_SECONDS", 0.01)
    make_node(load={"rooms": 0, "draining": True})

    def live() -> None:
        while state() != "restarting":
            time.sleep(0.01)
        time.sleep(0.1)
        nodes.mark_down("media-a", "i1")
        time.sleep(0.1)
        nodes.register(nodes.Hello("media", "media-a", "i2", "alpha", 5), "specific.x")

    worker = threading.Thread(target=live)
    worker.start()
    said = drain("media-a", "--restart", "--wait", "--timeout", "20")
    worker.join()
    assert said.endswith("media-a has started anew\n") and state() == "up"


# --- the worker hears of it -----------------------------------------------------------------------------


async def test_a_linked_worker_is_told_at_once() -> None:
    worker = WorkerEnd()
    await worker.introduce()
    node = await db(MediaNode.objects.get)
    await db(draining.drain, node, restart=True)
    asked = await worker.answer()
    assert (asked["op"], asked["room"], asked["data"]) == ("node.drain", None, {"restart": True})
    await db(draining.undrain, node)
    assert (await worker.answer())["op"] == "node.undrain"
    await worker.hang_up(1001)


@pytest.mark.parametrize(
    ("row", "hello", "after", "told"),
    [
        ("draining", "up", "draining", ("node.drain", {"restart": False})),
        ("restarting", "draining", "restarting", ("node.drain", {"restart": True})),
        ("up", "draining", "up", ("node.undrain", {})),
        ("down", "restarting", "restarting", None),
        ("draining", "draining", "draining", None),
    ],
)
async def test_a_worker_that_dials_in_again_is_brought_up_to_date(
    row: str, hello: str, after: str, told: tuple[str, Any] | None
) -> None:
    await db(make_node, instance="i1", state=row)
    worker = WorkerEnd("media-a", "i1")
    assert await worker.dial()
    await worker.send(worker.hello(state=hello))
    if told is not None:
        asked = await worker.frame()
        assert (asked["op"], asked["data"]) == told
    else:
        await worker.send({"heartbeat": {"rooms": 7}})
        while (await db(MediaNode.objects.get)).load != {"rooms": 7}:
            await asyncio.sleep(0.01)
    assert await db(state) == after
    await worker.hang_up(1001)


async def test_a_new_instance_takes_rooms_whatever_the_old_one_was_told() -> None:
    await db(make_node, instance="i0", state="restarting")
    worker = WorkerEnd("media-a", "i1")
    await worker.introduce()
    assert await db(state) == "up"
    await worker.hang_up(1001)


# --- what the worker does -------------------------------------------------------------------------------


class Service:
    def __init__(self) -> None:
        self.open = ["r1"]

    async def handle(
        self, op: str, room: str | None, peer: str | None, data: dict[str, Any]
    ) -> dict[str, Any]:
        return {"op": op, "room": room}

    def rooms(self) -> list[str]:
        return self.open

    def load(self) -> dict[str, Any]:
        return {"rooms": len(self.open)}


async def test_it_finishes_when_told_to_restart_and_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_program, "EMPTY_SECONDS", 0.05)
    monkeypatch.setattr(worker_program, "EMPTY_CHECK", 0.01)
    service = Service()
    duty = Duty(service.handle, service.rooms, service.load, max_peers=9)
    finished = asyncio.create_task(duty.finished())
    assert await duty.handle("room.stats", "r1", None, {}) == {"op": "room.stats", "room": "r1"}
    load = duty.load()
    assert load.pop("cpu") >= 0 and load == {"rooms": 1, "max_peers": 9, "draining": False}

    async def stays() -> bool:
        await asyncio.sleep(0.2)
        return not finished.done()

    service.open = []
    assert await stays(), "an empty worker goes on"
    await duty.handle("node.drain", None, None, {})
    assert duty.state() == "draining" and duty.load()["draining"] is True
    assert await stays(), "one that is only drained goes on"
    service.open = ["r2"]
    await duty.handle("node.drain", None, None, {"restart": True})
    assert await stays(), "a room is still there"
    await duty.handle("node.undrain", None, None, {})
    service.open = []
    assert await stays(), "it was called off"
    await duty.handle("node.drain", None, None, {"restart": True})
    await asyncio.wait_for(finished, 5)


async def test_somebody_who_comes_back_in_time_is_not_sent_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_program, "EMPTY_SECONDS", 0.3)
    monkeypatch.setattr(worker_program, "EMPTY_CHECK", 0.01)
    service = Service()
    duty = Duty(service.handle, service.rooms, service.load)
    finished = asyncio.create_task(duty.finished())
    await duty.handle("node.drain", None, None, {"restart": True})
    service.open = []
    await asyncio.sleep(0.1)
    service.open = ["r1"]
    await asyncio.sleep(0.5)
    assert not finished.done()
    service.open = []
    await asyncio.wait_for(finished, 5)
