"""Messages by data channel between real peer connections of one room, and to those without one."""

import asyncio
import json
from typing import Any

import pytest
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription

from media_gateway.sfu.allowance import Allowance
from media_gateway.sfu.errors import GatewayError

from .support import ALL, Harness, until

TOPICS = ["cursor", "stroke", "reaction"]


class Talker:
    """A participant whose publishing connection carries a data channel."""

    def __init__(self, harness: Harness, name: str) -> None:
        self.harness, self.name = harness, name
        # With max-bundle aiortc closes the one transport when its data channel is bundled.
        self.pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.channel = self.pc.createDataChannel("plenum", ordered=False, maxRetransmits=0)
        self.heard: list[dict[str, Any]] = []
        self.channel.on("message", lambda text: self.heard.append(json.loads(text)))

    async def join(self, topics: list[str] | None = None, *, audio: bool = True) -> None:
        data = {"publish": ALL, "topics": TOPICS if topics is None else topics}
        await self.harness.call("peer.add", self.name, generation=1, name=self.name, **data)
        if audio:
            self.pc.addTransceiver("audio", direction="sendonly")
        await self.pc.setLocalDescription(await self.pc.createOffer())
        reply = await self.harness.call(
            "peer.publish",
            self.name,
            generation=1,
            sdp=self.pc.localDescription.sdp,
            tracks=[{"mid": "0", "source": "mic"}] if audio else [],
        )
        await self.pc.setRemoteDescription(RTCSessionDescription(reply["sdp"], "answer"))
        await until(lambda: self.channel.readyState == "open", what=f"{self.name}'s channel opens")

    def say(self, topic: str, body: Any) -> None:
        self.channel.send(json.dumps({"topic": topic, "body": body}))


@pytest.fixture
async def room():  # type: ignore[no-untyped-def]
    async with Harness() as harness:
        talkers: list[Talker] = []

        def make(name: str) -> Talker:
            talkers.append(Talker(harness, name))
            return talkers[-1]

        yield harness, make
        for talker in talkers:
            await talker.pc.close()


async def test_a_message_reaches_everybody_else_with_its_sender(room: Any) -> None:
    harness, make = room
    ann, bob, eve = make("ann"), make("bob"), make("eve")
    await ann.join()
    await bob.join(audio=False)
    await eve.join()
    ann.say("cursor", {"x": 0.25, "y": 1})
    await until(lambda: bob.heard and eve.heard)
    assert bob.heard == eve.heard == [{"from": "ann", "topic": "cursor", "body": {"x": 0.25, "y": 1}}]
    assert ann.heard == [] and harness.named("data") == []


async def test_who_has_no_channel_is_named_to_the_web_tier(room: Any) -> None:
    harness, make = room
    ann, bob = make("ann"), make("bob")
    await ann.join()
    await bob.join()
    await harness.join("raw")
    ann.say("reaction", "clap")
    event = (await until(lambda: harness.named("data", "ann")))[0]
    assert event["data"] == {"topic": "reaction", "body": "clap", "missed": ["raw"]}
    reply = await harness.call("room.data", **{"from": "raw", "topic": "stroke", "body": [1, 2]})
    assert reply == {"missed": []}
    await until(lambda: len(ann.heard) == 1 and len(bob.heard) == 2)
    assert ann.heard[0]["from"] == "raw"


async def test_what_a_role_may_not_say_is_not_passed_on(room: Any) -> None:
    harness, make = room
    ann, bob = make("ann"), make("bob")
    await ann.join(["reaction"])
    await bob.join()
    ann.say("cursor", 1)
    ann.say("reaction", 2)
    await until(lambda: bob.heard)
    assert [message["body"] for message in bob.heard] == [2]
    await harness.call("peer.permit", "ann", publish=ALL, topics=[])
    ann.say("reaction", 3)
    await asyncio.sleep(0.3)
    await harness.call("peer.permit", "ann", publish=ALL, topics=TOPICS)
    ann.say("cursor", 4)
    await until(lambda: len(bob.heard) == 2)
    assert bob.heard[-1]["body"] == 4


async def test_bad_requests_are_refused(room: Any) -> None:
    harness, make = room
    await make("ann").join()
    for data in ({}, {"from": "a", "topic": "x"}, {"from": 5, "topic": "stroke"}):
        with pytest.raises(GatewayError, match="bad_request"):
            await harness.call("room.data", **data)
    with pytest.raises(GatewayError, match="bad_request"):
        await harness.call("peer.permit", "ann", publish=[], topics=["admin"])


async def test_a_room_has_one_rate_for_all_ways(room: Any) -> None:
    """By data channels, from the web tier, from other workers: what anybody gets of it is bounded."""
    harness, make = room
    ann, bob = make("ann"), make("bob")
    await ann.join()
    await bob.join()
    here = harness.gateway._rooms["room"]
    # Never refilled, so that the test does not depend on how long it takes.
    here.allowance = Allowance(0.0, 4.0)
    ann.say("cursor", 1)
    await until(lambda: len(bob.heard) == 1)
    await harness.call("room.data", **{"from": "raw", "topic": "cursor", "body": 2})
    here.relays._said("far", "cursor", 3)
    ann.say("cursor", 4)
    await until(lambda: len(bob.heard) == 4)
    ann.say("cursor", 5)
    here.relays._said("far", "cursor", 6)
    with pytest.raises(GatewayError, match="rate_limited"):
        await harness.call("room.data", **{"from": "raw", "topic": "cursor", "body": 7})
    await until(lambda: here.refused == 3)
    assert [message["body"] for message in bob.heard] == [1, 2, 3, 4]
    assert (await harness.call("room.stats"))["data_refused"] == 3
    here.allowance = Allowance(0.0, 1.0)
    ann.say("cursor", 8)
    await until(lambda: bob.heard[-1]["body"] == 8)


async def test_the_rate_is_what_the_worker_was_told() -> None:
    async with Harness(data_rate=7.0) as harness:
        await harness.join("ann")
        allowance = harness.gateway._rooms["room"].allowance
        assert (allowance.rate, allowance.burst) == (7.0, 14.0)
