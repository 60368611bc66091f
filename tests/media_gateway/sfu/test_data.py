"""The data channel of one peer: real SCTP against aiortc's own client end."""

import asyncio
import json
import os
import random
from typing import Any

import pytest
from aiortc import RTCDataChannel, RTCDataChannelParameters
from aiortc.rtcsctptransport import DataChunk, RTCSctpCapabilities, RTCSctpTransport, serialize_packet

from media_gateway.sfu.data import (
    BURST,
    BYTES_AT_ONCE,
    MAX_DISORDER,
    MAX_MESSAGE,
    BadMessage,
    DataLink,
    parse,
)

from .support import until


class ClientDtls:
    """The client's DTLS: hands its SCTP packets straight to the link under test, unless they are lost."""

    state = "connected"
    _role = "client"

    def __init__(self) -> None:
        self.link: DataLink | None = None
        self.early: list[bytes] = []
        self.lose = 0.0
        self.now = 100.0
        self.random = random.Random(5)

    async def _send_data(self, data: bytes) -> None:
        if self.random.random() < self.lose:
            return
        if self.link is None:
            self.early.append(data)
        else:
            self.link.feed(data, self.now)

    def _register_data_receiver(self, receiver: object) -> None: ...
    def _unregister_data_receiver(self, receiver: object) -> None: ...


class Ends:
    """A browser's end and ours, joined."""

    def __init__(self) -> None:
        self.dtls = ClientDtls()
        self.client = RTCSctpTransport(self.dtls)  # type: ignore[arg-type]
        self.got: list[tuple[str, Any]] = []
        self.heard: list[str] = []
        self.queue: asyncio.Queue[bytes] = asyncio.Queue()
        self.link = DataLink(5000, self.queue.put_nowait, lambda topic, body: self.got.append((topic, body)))
        self.dtls.link = self.link
        self.pump: asyncio.Task[None] | None = None

    async def _pump(self) -> None:
        while True:
            await self.client._handle_data(await self.queue.get())

    async def open(self, label: str = "plenum") -> RTCDataChannel:
        await self.client.start(RTCSctpCapabilities(maxMessageSize=65536), 5000)
        self.pump = asyncio.ensure_future(self._pump())
        return self.channel(label)

    def channel(self, label: str = "plenum") -> RTCDataChannel:
        parameters = RTCDataChannelParameters(label=label, ordered=False, maxRetransmits=0)
        channel = RTCDataChannel(self.client, parameters)
        channel.on("message", self.heard.append)
        return channel

    async def close(self) -> None:
        if self.pump is not None:
            self.pump.cancel()
        await self.client.stop()
        self.link.close()


@pytest.fixture
async def ends():  # type: ignore[no-untyped-def]
    made = Ends()
    yield made
    await made.close()


async def test_messages_go_both_ways(ends: Ends) -> None:
    channel = await ends.open()
    assert not ends.link.send("{}"), "not before the channel is open"
    await until(lambda: ends.link.open and channel.readyState == "open")
    channel.send(json.dumps({"topic": "cursor", "body": {"x": 0.5}}))
    await until(lambda: ends.got)
    assert ends.got == [("cursor", {"x": 0.5})]
    assert ends.link.send('{"from": "ann", "topic": "reaction", "body": "clap"}')
    await until(lambda: ends.heard)
    assert json.loads(ends.heard[0])["from"] == "ann"


async def test_bad_messages_and_too_many_are_dropped_and_counted(ends: Ends) -> None:
    channel = await ends.open()
    await until(lambda: ends.link.open and channel.readyState == "open")
    bad = ["", "x", "[]", "{}", '{"topic": "admin"}', '{"topic": ["cursor"]}', "[" * 500, "é" * MAX_MESSAGE]
    for text in bad:
        channel.send(text)
    channel.send(b"\x00\x01")
    await until(lambda: ends.link.refused == len(bad) + 1)
    assert ends.got == []
    ends.dtls.now += 10
    for number in range(300):
        channel.send(json.dumps({"topic": "stroke", "body": number}))
    await until(lambda: ends.link.refused + len(ends.got) == 300 + len(bad) + 1)
    assert len(ends.got) == BURST
    ends.dtls.now += 1
    channel.send('{"topic": "stroke"}')
    await until(lambda: len(ends.got) == BURST + 1)


async def test_a_lossy_line_loses_messages_and_nothing_else(ends: Ends) -> None:
    channel = await ends.open()
    await until(lambda: ends.link.open and channel.readyState == "open")
    ends.dtls.lose = 0.3
    for number in range(80):
        ends.dtls.now += 0.1
        channel.send(json.dumps({"topic": "stroke", "body": number}))
        await asyncio.sleep(0.001)
    ends.dtls.lose = 0.0
    await until(lambda: len(ends.got) > 30)
    bodies = [body for _, body in ends.got]
    assert len(bodies) == len(set(bodies)), "none arrives twice"


async def test_another_channel_is_not_listened_to(ends: Ends) -> None:
    channel = await ends.open("other")
    await until(lambda: channel.readyState == "open")
    channel.send('{"topic": "stroke"}')
    await asyncio.sleep(0.1)
    assert ends.got == [] and not ends.link.open


async def test_a_hostile_peer_ends_only_its_own_channel(ends: Ends) -> None:
    channel = await ends.open()
    await until(lambda: ends.link.open and channel.readyState == "open")
    generator = random.Random(7)
    seen: list[bytes] = []
    send_data = ends.dtls._send_data

    async def tapped(data: bytes) -> None:
        seen.append(data)
        await send_data(data)

    ends.dtls._send_data = tapped  # type: ignore[method-assign]
    channel.send('{"topic": "stroke"}')
    await until(lambda: seen)
    for number in range(3000):
        now = 200.0 + number / 100
        data = bytearray(generator.choice(seen))
        for _ in range(generator.randrange(1, 5)):
            data[generator.randrange(len(data))] = generator.randrange(256)
        ends.link.feed(bytes(data), now)
        ends.link.feed(os.urandom(generator.randrange(60)), now)
    ends.dtls.now = 300.0
    for number in range(10):
        ends.channel(f"more {number}")
    await until(lambda: not ends.link.open, what="too many channels end it")
    assert not ends.link.send("{}")
    ends.link.feed(seen[0], 301.0)


@pytest.mark.parametrize("kind", ["gaps", "pieces", "streams"])
async def test_a_peer_cannot_make_us_keep_things_without_end(ends: Ends, kind: str) -> None:
    """Chunks after gaps, first pieces whose rest never comes, ever new streams."""
    channel = await ends.open()
    await until(lambda: ends.link.open and channel.readyState == "open")
    now, sctp = 200.0, ends.link._sctp
    for number in range(3000):
        chunk = DataChunk(flags=2)  # begins a message and does not end it
        chunk.tsn = (ends.client._local_tsn + (2 if kind == "gaps" else 1) * number) & 0xFFFFFFFF
        chunk.stream_id = 100 + number if kind == "streams" else 100
        chunk.user_data = bytes(1000 if kind == "pieces" else 4)
        now += 0.01
        ends.link.feed(serialize_packet(5000, 5000, ends.client._remote_verification_tag, chunk), now)
        if not ends.link.open:
            break
    assert not ends.link.open and number < 1000
    assert len(sctp._sack_misordered) <= MAX_DISORDER + 1 and len(sctp._inbound_streams) <= MAX_DISORDER + 2


async def test_more_than_any_message_needs_is_lost(ends: Ends) -> None:
    channel = await ends.open()
    await until(lambda: ends.link.open and channel.readyState == "open")
    for _ in range(2 * BYTES_AT_ONCE // 1000):
        ends.link.feed(bytes(1000), 300.0)
    assert not ends.link._bytes.take(300.0, 1000)
    assert ends.link.open, "noise in between is nothing"


@pytest.mark.parametrize("text", ['{"topic": "cursor"}', '{"topic": "reaction", "body": {"a": [1, null]}}'])
def test_good_messages_are_read(text: str) -> None:
    assert parse(text)[0] in ("cursor", "reaction")


def test_the_longest_message_is_taken_and_one_more_byte_is_not() -> None:
    frame = '{"topic": "stroke", "body": "%s"}'
    assert parse(frame % ("a" * (MAX_MESSAGE - len(frame) + 2)))
    with pytest.raises(BadMessage):
        parse(frame % ("a" * (MAX_MESSAGE - len(frame) + 3)))


@pytest.mark.parametrize(
    "body",
    [
        "NaN",
        "Infinity",
        "1e999",
        "1" + "0" * 40,
        str(2**53),
        '"\\ud800"',
        '{"\\udfff": 1}',
        "[" * 9 + "]" * 9,
        '{"a":' * 9 + "1" + "}" * 9,
        "[" * 480 + "]" * 480,
    ],
)
def test_what_browsers_or_the_way_to_them_cannot_carry_is_no_message(body: str) -> None:
    with pytest.raises(BadMessage):
        parse(f'{{"topic": "cursor", "body": {body}}}')
    assert parse('{"topic": "cursor", "body": ' + "[" * 8 + "]" * 8 + "}")
