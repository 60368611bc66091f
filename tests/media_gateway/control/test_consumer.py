"""The web end of the control link: who gets in, what is relayed, and what a lost link means."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from channels.layers import get_channel_layer
from django.conf import settings

from media_gateway import client, nodes
from media_gateway.control import consumer
from media_gateway.control.auth import sign
from media_gateway.models import MediaNode
from tests.media_gateway.control.worker_end import WorkerEnd, db

pytestmark = pytest.mark.django_db(transaction=True)
Heard = list[tuple[str, str, str]]


def row(name: str = "media-a") -> MediaNode:
    return MediaNode.objects.get(name=name)


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Plenum nonsense",
        sign("x" * 40, "media-a", "i1"),
        sign(settings.MEDIA_SECRET, "media-a", "i1", time.time() - 61),
    ],
    ids=["none", "malformed", "other secret", "old"],
)
async def test_strangers_do_not_even_connect(header: str) -> None:
    assert not await WorkerEnd(header=header).dial()
    assert await db(MediaNode.objects.count) == 0


async def test_a_signature_for_another_worker_is_refused_at_hello(heard: Heard) -> None:
    thief = WorkerEnd("media-b", "i1", header=sign(settings.MEDIA_SECRET, "media-a", "i1"))
    assert await thief.dial()
    await thief.send(thief.hello())
    assert await thief.close_code() == 4403
    assert await db(MediaNode.objects.count) == 0 and heard == []


async def test_nothing_counts_before_the_hello() -> None:
    layer = get_channel_layer()
    listener = await layer.new_channel()
    await layer.group_add("gw.room.r1", listener)
    worker = WorkerEnd()
    assert await worker.dial()
    await worker.send({"event": "speaker", "room": "r1", "data": {"peers": []}})
    assert await worker.close_code() == 4400
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await layer.receive(listener)


async def test_a_link_without_hello_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consumer, "HELLO_TIMEOUT", 0.1)
    worker = WorkerEnd()
    assert await worker.dial()
    assert await worker.close_code() == 4408


@pytest.mark.parametrize(
    "frame",
    [
        "{",
        "[" * 50_000,
        "[]",
        "{}",
        {"hello": {"protocol": 2}},
        {"heartbeat": 3},
        {"event": 5, "room": "r"},
        {"event": "speaker"},
        {"event": "speaker", "room": "no spaces or/slashes"},
        {"event": "speaker", "room": "r" * 90},
        {"event": "peer.state", "room": "r", "peer": {}},
        {"event": "speaker", "room": "r", "data": ["p1"]},
        {"re": "1"},
        {"re": 1},
        {"re": 1, "ok": False, "error": "no"},
        "x" * (1024 * 1024 + 1),
    ],
    ids=range(16),
)
async def test_malformed_frames_close_the_link(frame: Any) -> None:
    worker = WorkerEnd()
    await worker.introduce()
    await worker.send(frame)
    assert await worker.close_code() == 4400


@pytest.mark.parametrize(
    "fields",
    [
        {"protocol": 2},
        {"kind": "toaster"},
        {"capacity": -1},
        {"capacity": "10"},
        {"rooms": "r"},
        {"rooms": [1]},
        {"node": "a b"},
        {"instance": ""},
        {"instance": "i" * 41},
    ],
    ids=str,
)
async def test_a_hello_that_is_none_is_refused(fields: dict[str, Any]) -> None:
    worker = WorkerEnd()
    assert await worker.dial()
    await worker.send(worker.hello(**fields))
    assert await worker.close_code() == 4400
    assert await db(MediaNode.objects.count) == 0


async def test_a_worker_is_registered_and_its_heartbeats_are_kept(heard: Heard) -> None:
    worker = WorkerEnd()
    await worker.introduce()
    node = await db(row)
    assert (node.kind, node.instance, node.host, node.capacity) == ("media", "i1", "here", 10)
    assert heard == [("up", "media-a", "i1")]
    await worker.send({"heartbeat": {"rooms": 2, "peers": 7}})
    for _ in range(100):
        if (await db(row)).load:
            break
        await asyncio.sleep(0.01)
    later = await db(row)
    assert later.load == {"rooms": 2, "peers": 7} and later.heartbeat_at >= node.heartbeat_at
    await worker.hang_up(1001)


async def test_requests_go_out_and_answers_come_back_to_who_asked() -> None:
    worker = WorkerEnd()
    await worker.introduce()

    async def serve() -> list[dict[str, Any]]:
        requests = [await worker.frame(), await worker.frame()]
        for request in reversed(requests):  # answered in another order than asked
            await worker.send({"re": request["id"], "ok": True, "data": {"for": request["peer"]}})
        return requests

    serving = asyncio.create_task(serve())
    first, second = await asyncio.gather(
        client.request("media-a", "peer.add", room="r1", peer="p1", data={"generation": 1}),
        client.request("media-a", "peer.add", room="r1", peer="p2"),
    )
    assert (first, second) == ({"for": "p1"}, {"for": "p2"})
    request = (await serving)[0]
    assert set(request) == {"id", "op", "room", "peer", "data"} and request["op"] == "peer.add"


async def test_a_refusal_is_raised_with_its_code() -> None:
    worker = WorkerEnd()
    await worker.introduce()
    serving = asyncio.create_task(worker.answer(error="overloaded"))
    with pytest.raises(client.GatewayError) as refusal:
        await client.request("media-a", "peer.add", room="r1", peer="p1")
    assert (refusal.value.code, refusal.value.message) == ("overloaded", "no")
    await serving


async def test_events_are_acknowledged_once_they_are_passed_on() -> None:
    worker = WorkerEnd()
    await worker.introduce()
    for number in (1, 2, 3):
        await worker.send({"event": "speaker", "room": "r1", "n": number, "data": {"peers": []}})
    for _ in range(300):
        request = asyncio.create_task(client.request("media-a", "room.stats", room="r1"))
        await worker.answer()
        await request
        if worker.acknowledged[-1:] == [3]:
            break
        await asyncio.sleep(0.01)
    assert worker.acknowledged == sorted(set(worker.acknowledged)) and worker.acknowledged[-1] == 3


async def test_who_waits_for_a_link_that_breaks_hears_so_at_once() -> None:
    worker = WorkerEnd()
    await worker.introduce()
    asking = asyncio.create_task(client.request("media-a", "room.stats", room="r1", timeout=5))
    await worker.frame()
    started = time.monotonic()
    await worker.hang_up()
    with pytest.raises(client.GatewayError, match="unavailable"):
        await asking
    assert time.monotonic() - started < 2


async def test_answers_to_nobody_and_late_ones_are_dropped() -> None:
    worker = WorkerEnd()
    await worker.introduce()
    await worker.send({"re": 99, "ok": True, "data": {}})
    with pytest.raises(client.GatewayError, match="timeout"):
        await client.request("media-a", "room.stats", room="r1", timeout=0.05)
    late = await worker.frame()
    await worker.send({"re": late["id"], "ok": True, "data": {}})
    serving = asyncio.create_task(worker.answer({"fine": True}))
    assert await client.request("media-a", "room.stats", room="r1") == {"fine": True}
    await serving


async def test_events_go_to_the_groups_of_their_room_and_peer() -> None:
    layer = get_channel_layer()
    room_listener, peer_listener = await layer.new_channel(), await layer.new_channel()
    await layer.group_add(consumer.room_group("r1"), room_listener)
    await layer.group_add(consumer.peer_group("r1", "p1"), peer_listener)
    worker = WorkerEnd()
    await worker.introduce()
    await worker.send(
        {"event": "speaker", "room": "r1", "peer": None, "generation": None, "data": {"peers": ["p1"]}}
    )
    state = {"event": "peer.state", "room": "r1", "peer": "p1", "generation": 4, "data": {"pc": "publish"}}
    await worker.send(state)
    async with asyncio.timeout(3):
        assert (await layer.receive(room_listener))["data"] == {"peers": ["p1"]}
        assert await layer.receive(peer_listener) == {"type": "gateway.event", **state}


async def test_a_change_nobody_waits_for_that_fails_is_told_to_its_peer() -> None:
    layer = get_channel_layer()
    listener = await layer.new_channel()
    await layer.group_add(consumer.peer_group("r1", "p1"), listener)
    worker = WorkerEnd()
    await worker.introduce()
    for code in ("not_found", "internal"):
        assert await db(client.tell, "media-a", "peer.pause", room="r1", peer="p1", data={"paused": True})
        await worker.answer(error=code)
    async with asyncio.timeout(3):
        message = await layer.receive(listener)
    assert message["event"] == "request.failed" and message["data"] == {
        "op": "peer.pause",
        "code": "internal",
    }


async def test_telling_a_worker_without_link_says_no() -> None:
    assert await db(client.tell, "nobody", "room.close", room="r1") is False


# --- links that break -----------------------------------------------------------------------------------


async def test_a_blip_of_the_same_instance_is_no_death(heard: Heard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consumer, "LINK_GRACE", 0.3)
    worker = WorkerEnd()
    await worker.introduce()
    await worker.hang_up()
    again = WorkerEnd()
    await again.introduce()
    await asyncio.sleep(0.5)
    assert (await db(row)).state == "up"
    assert heard == [("up", "media-a", "i1"), ("up", "media-a", "i1")]


async def test_a_link_that_stays_away_is_a_death(heard: Heard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consumer, "LINK_GRACE", 0.1)
    worker = WorkerEnd()
    await worker.introduce()
    await worker.hang_up()
    assert (await db(row)).channel == ""
    await asyncio.sleep(0.4)
    assert (await db(row)).state == "down"
    assert heard[-1] == ("down", "media-a", "i1")


async def test_a_worker_that_says_goodbye_is_gone_at_once(heard: Heard) -> None:
    worker = WorkerEnd()
    await worker.introduce()
    await worker.hang_up(1001)
    async with asyncio.timeout(1):
        while heard[-1][0] != "down":
            await asyncio.sleep(0.01)
    # Coming back counts as up again.
    again = WorkerEnd(instance="i2")
    await again.introduce()
    assert heard[-1] == ("up", "media-a", "i2") and ("down", "media-a", "i2") not in heard


async def test_a_new_instance_declares_the_old_one_dead_without_waiting(heard: Heard) -> None:
    await WorkerEnd(instance="i1").introduce()
    started = time.monotonic()
    await WorkerEnd(instance="i2").introduce()
    assert heard == [("up", "media-a", "i1"), ("down", "media-a", "i1"), ("up", "media-a", "i2")]
    assert time.monotonic() - started < 1


async def test_a_second_link_of_the_same_worker_takes_over(heard: Heard) -> None:
    first = WorkerEnd()
    await first.introduce()
    former = (await db(row)).channel
    second = WorkerEnd()
    await second.dial()
    await second.send(second.hello())
    assert await first.close_code() == 4409
    await first.hang_up(4409)
    node = await db(row)
    assert node.channel and node.channel != former and node.state == "up"
    serving = asyncio.create_task(second.answer({"by": "second"}))
    assert await client.request("media-a", "room.stats", room="r1") == {"by": "second"}
    await serving


async def test_a_silent_link_is_closed(monkeypatch: pytest.MonkeyPatch, heard: Heard) -> None:
    monkeypatch.setattr(nodes, "HEARTBEAT_TIMEOUT", 0.3)
    monkeypatch.setattr(consumer, "LINK_GRACE", 0.1)
    worker = WorkerEnd()
    await worker.introduce()
    assert await worker.close_code() == 4408
    await worker.hang_up(4408)
    await asyncio.sleep(0.3)
    assert heard[-1][0] == "down"


async def test_a_worker_written_off_by_the_reaper_has_to_introduce_itself_anew() -> None:
    worker = WorkerEnd()
    await worker.introduce()
    assert await db(nodes.mark_down, "media-a", "i1")
    await worker.send({"heartbeat": {}})
    assert await worker.close_code() == 4409


async def test_rooms_nobody_claims_are_closed_at_hello(monkeypatch: pytest.MonkeyPatch) -> None:
    def claim(**kwargs: Any) -> list[str]:
        return ["r2"] if kwargs == {**kwargs, "node": "media-a", "instance": "i1"} else []

    nodes.signals.rooms_claimed.connect(claim)
    try:
        worker = WorkerEnd()
        await worker.introduce(rooms=["r1", "r2", "r3"])
        closed = [await worker.answer(), await worker.answer()]
    finally:
        nodes.signals.rooms_claimed.disconnect(claim)
    assert [(request["op"], request["room"]) for request in closed] == [
        ("room.close", "r1"),
        ("room.close", "r3"),
    ]


async def test_a_recorder_is_not_told_to_close_its_rooms() -> None:
    recorder = WorkerEnd("recorder")
    await recorder.introduce(kind="recorder", rooms=["some-recording"])
    serving = asyncio.create_task(recorder.answer({"tracks": 0}))
    assert await client.request("recorder", "recording.stop", data={"recording": "x"}) == {"tracks": 0}
    assert (await serving)["op"] == "recording.stop"


async def test_a_header_used_twice_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    header = sign(settings.MEDIA_SECRET, "media-z", "i7")
    for _ in range(2):
        worker = WorkerEnd("media-z", "i7", header=header)
        assert await worker.dial()
    assert "used before" in caplog.text
