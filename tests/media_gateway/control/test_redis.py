"""The control link and the room over a real Redis, as in production."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from channels.layers import get_channel_layer

from media_gateway import client
from media_gateway.control import consumer
from tests.media_gateway.control.worker_end import WorkerEnd, db

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.redis]


@pytest_asyncio.fixture
async def redis_layer(redis_server: str, settings: Any) -> AsyncIterator[Any]:
    config = {"hosts": [redis_server], "capacity": 100, "expiry": 30}
    settings.CHANNEL_LAYERS = {
        "default": {"BACKEND": "channels_redis.core.RedisChannelLayer", "CONFIG": config}
    }
    layer = get_channel_layer()
    assert type(layer).__module__ == "channels_redis.core"
    yield layer
    await layer.flush()
    await layer.close_pools()


async def test_many_requests_at_once_find_their_own_answers(redis_layer: Any) -> None:
    worker = WorkerEnd()
    await worker.introduce()

    async def serve() -> None:
        for _ in range(25):
            request = await worker.frame()
            await worker.send({"re": request["id"], "ok": True, "data": {"for": request["peer"]}})

    serving = asyncio.create_task(serve())
    asked = [client.request("media-a", "peer.add", room="r1", peer=f"p{n}") for n in range(24)]
    asked.append(db(client.sync_request, "media-a", "peer.add", room="r1", peer="p24"))
    replies = await asyncio.gather(*asked)
    assert [reply["for"] for reply in replies] == [f"p{n}" for n in range(25)]
    await serving
    await worker.hang_up(1001)


async def test_a_request_in_vain_leaves_the_layer_usable(redis_layer: Any) -> None:
    worker = WorkerEnd()
    await worker.introduce()
    for _ in range(3):
        with pytest.raises(client.GatewayError, match="timeout"):
            await client.request("media-a", "room.stats", room="r1", timeout=0.1)
        await worker.frame()
    serving = asyncio.create_task(worker.answer({"fine": True}))
    assert await client.request("media-a", "room.stats", room="r1") == {"fine": True}
    await serving
    await worker.hang_up(1001)


async def test_events_pass_from_one_process_to_another(redis_layer: Any) -> None:
    listener = await redis_layer.new_channel()
    await redis_layer.group_add(consumer.room_group("r1"), listener)
    worker = WorkerEnd()
    await worker.introduce()
    await worker.send({"event": "speaker", "room": "r1", "peer": None, "data": {"peers": ["p1"]}})
    async with asyncio.timeout(5):
        assert (await redis_layer.receive(listener))["data"] == {"peers": ["p1"]}
    await worker.hang_up(1001)


async def test_an_event_the_layer_cannot_carry_costs_only_itself(redis_layer: Any) -> None:
    listener = await redis_layer.new_channel()
    await redis_layer.group_add(consumer.room_group("r1"), listener)
    worker = WorkerEnd()
    await worker.introduce()
    for number in (10**30, 7):
        data = {"topic": "cursor", "body": number, "missed": ["p2"]}
        await worker.send({"event": "data", "room": "r1", "peer": "p1", "data": data})
    async with asyncio.timeout(5):
        assert (await redis_layer.receive(listener))["data"]["body"] == 7
    await worker.hang_up(1001)
