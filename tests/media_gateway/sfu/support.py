"""What the tests of the media server share: a gateway with its events, raw peers, made-up media."""

import asyncio
import gc
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from media_gateway.sfu import rtp, sdp
from media_gateway.sfu.burst import retransmission
from media_gateway.sfu.client import EXTENSIONS, MediaClient, OutTrack
from media_gateway.sfu.gateway import Gateway, GatewayConfig
from media_gateway.sfu.identity import Identity

ALL = ["mic", "camera", "screen", "screen_audio"]
KEY_FRAME = b"\x10\x00\x9d\x01\x2a" + bytes(20)
DELTA_FRAME = b"\x10\x01" + bytes(20)

# Making a key pair costs milliseconds; all raw peers of a test run may share one.
IDENTITY = Identity()


async def until(condition: Callable[[], Any], timeout: float = 5.0, what: str = "") -> Any:
    """Wait for a condition, polling; AssertionError after `timeout` seconds. The condition's value."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout} s: {what or condition}")
        await asyncio.sleep(0.01)


class Harness:
    """A started gateway on loopback; offers that come as events are answered by the raw peers themselves."""

    def __init__(self, **config: Any) -> None:
        config.setdefault("host", "127.0.0.1")
        self.events: list[dict[str, Any]] = []
        self.gateway = Gateway(GatewayConfig(**config), self._event)
        self.peers: dict[str, RawPeer] = {}
        self.listeners: list[Callable[[dict[str, Any]], None]] = []

    def _event(self, event: dict[str, Any]) -> None:
        self.events.append(event)
        for listener in self.listeners:
            listener(event)

    def named(self, name: str, peer: str | None = None) -> list[dict[str, Any]]:
        return [e for e in self.events if e["event"] == name and (peer is None or e["peer"] == peer)]

    async def call(self, op: str, peer: str | None = None, **data: Any) -> dict[str, Any]:
        return await self.gateway.handle(op, "room", peer, data)

    async def join(self, name: str, **options: Any) -> "RawPeer":
        peer = RawPeer(self, name, **options)
        self.peers[name] = peer
        await peer.join()
        return peer

    async def __aenter__(self) -> "Harness":
        await self.gateway.start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        for peer in self.peers.values():
            peer.close()
        await self.gateway.stop()


class RawPeer:
    """A participant made of two `MediaClient`s: what it receives is kept by (peer, source)."""

    make_client: Callable[[Identity], MediaClient] = MediaClient

    def __init__(self, harness: Harness, name: str, generation: int = 1) -> None:
        self.harness = harness
        self.name = name
        self.generation = generation
        self.publisher: MediaClient | None = None
        self.subscriber = self.make_client(IDENTITY)
        self.subscriber.on_rtp = self._rtp
        self.subscriber.on_rtcp = self._rtcp
        self.names: dict[int, str] = {}
        self.repairs: dict[int, int] = {}
        self.received: dict[str, list[rtp.Parsed]] = {}
        self.payloads: dict[str, list[bytes]] = {}
        self.rtcp: list[bytes] = []
        self.offers: list[str] = []
        self.refuse: frozenset[str] = frozenset()
        self._tasks: set[asyncio.Task[None]] = set()
        harness.listeners.append(self._event)

    async def call(self, op: str, **data: Any) -> dict[str, Any]:
        return await self.harness.call(op, self.name, **data)

    async def join(self, allowed: list[str] | None = None) -> None:
        publish = ALL if allowed is None else allowed
        reply = await self.call("peer.add", generation=self.generation, name=self.name, publish=publish)
        await self.take_offer(reply["subscribe"])
        await asyncio.wait_for(self.subscriber.connected.wait(), 5)

    def _event(self, event: dict[str, Any]) -> None:
        mine = event["peer"] == self.name and event["generation"] == self.generation
        if mine and event["event"] == "subscribe.offer":
            task = asyncio.ensure_future(self.take_offer(event["data"]))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def take_offer(self, offer: dict[str, Any]) -> None:
        self.offers.append(offer["sdp"])
        self._learn(offer["sdp"])
        answer = self.subscriber.answer(offer["sdp"], refuse=self.refuse)
        await self.call("peer.answer", generation=self.generation, version=offer["version"], sdp=answer)

    def _learn(self, text: str) -> None:
        msids = {}
        for section in text.split("\r\nm=")[1:]:
            lines = dict(line[2:].partition(":")[::2] for line in section.split("\r\n") if line[:2] == "a=")
            if "msid" in lines:
                msids[lines["mid"]] = lines["msid"]
        for parsed in sdp.parse(text).media:
            for ssrc, repair in parsed.repairs.items():
                self.repairs[repair] = ssrc
            for ssrc in parsed.ssrcs:
                if ssrc not in self.repairs and parsed.mid in msids:
                    self.names[ssrc] = msids[parsed.mid]

    def _rtp(self, packet: bytes) -> None:
        parsed = rtp.parse(packet)
        name = self.names.get(parsed.ssrc)
        if name is None:
            name = "rtx " + self.names.get(self.repairs.get(parsed.ssrc, 0), "?")
        self.received.setdefault(name, []).append(parsed)
        self.payloads.setdefault(name, []).append(packet[parsed.start : parsed.end])

    def _rtcp(self, packet: bytes) -> None:
        self.rtcp.append(packet)

    def got(self, name: str) -> list[bytes]:
        return self.payloads.get(name, [])

    async def publish(self, *sources: str, name_ssrcs: bool = True) -> MediaClient:
        client = self.publisher
        if client is None:
            client = self.publisher = self.make_client(IDENTITY)
        for source in sources:
            client.add_track(source)
        await self.negotiate(name_ssrcs=name_ssrcs)
        await asyncio.wait_for(client.connected.wait(), 5)
        return client

    async def negotiate(self, *, name_ssrcs: bool = True) -> None:
        assert self.publisher is not None
        reply = await self.call(
            "peer.publish",
            generation=self.generation,
            sdp=self.publisher.offer(name_ssrcs=name_ssrcs),
            tracks=self.publisher.published(),
        )
        self.publisher.connect(reply["sdp"])

    def close(self, *, goodbye: bool = True) -> None:
        if self._event in self.harness.listeners:
            self.harness.listeners.remove(self._event)
        self.subscriber.close(goodbye=goodbye)
        if self.publisher is not None:
            self.publisher.close(goodbye=goodbye)


class Sender:
    """Makes packets of one track: running sequence numbers and a clock, and a browser's header extensions."""

    def __init__(self, client: MediaClient, track: OutTrack, sequence: int = 100) -> None:
        self.client = client
        self.track = track
        self.sequence = sequence
        self.timestamp = 1000
        self.rtx_sequence = 0
        self.sent: dict[int, bytes] = {}

    def packet(self, payload: bytes, *, marker: bool = False, level: int | None = None) -> bytes:
        number = self.client.transport_number
        extension = bytes((EXTENSIONS[rtp.TRANSPORT_CC_URI] << 4 | 1,)) + number.to_bytes(2, "big")
        extension += bytes((EXTENSIONS[rtp.MID_URI] << 4, ord(self.track.mid)))
        if level is not None:
            extension += bytes((EXTENSIONS[rtp.AUDIO_LEVEL_URI] << 4, level))
        extension += bytes(-len(extension) % 4)
        head = rtp.HEADER.pack(
            0x90,
            (0x80 if marker else 0) | self.track.codec.payload_type,
            self.sequence & 0xFFFF,
            self.timestamp & 0xFFFFFFFF,
            self.track.ssrc,
        )
        head += rtp.EXTENSION_HEAD.pack(rtp.ONE_BYTE_PROFILE, len(extension) // 4)
        self.sent[self.sequence & 0xFFFF] = payload
        self.sequence += 1
        self.client.transport_number = (number + 1) & 0xFFFF
        return head + extension + payload

    def send(self, payload: bytes, **options: Any) -> None:
        self.client.send_rtp(self.packet(payload, **options))

    def frame(self, key: bool, tag: int) -> bytes:
        """One video frame of one packet, recognisable by its tag."""
        payload = (KEY_FRAME if key else DELTA_FRAME) + tag.to_bytes(4, "big")
        self.send(payload, marker=True)
        self.timestamp += 3000
        return payload

    def repair(self, sequence: int) -> None:
        """Send a packet again by RTX, as answer to a NACK."""
        assert self.track.rtx_ssrc is not None and self.track.codec.rtx_payload_type is not None
        original = rtp.build(
            payload_type=self.track.codec.payload_type,
            sequence=sequence,
            timestamp=self.timestamp,
            ssrc=self.track.ssrc,
            payload=self.sent[sequence],
        )
        self.rtx_sequence += 1
        self.client.send_rtp(
            retransmission(
                original,
                payload_type=self.track.codec.rtx_payload_type,
                sequence=self.rtx_sequence & 0xFFFF,
                ssrc=self.track.rtx_ssrc,
            )
        )


@contextmanager
def counted(*kinds: type) -> Iterator[Callable[[], dict[str, int]]]:
    """Living instances of classes, by name."""

    def count() -> dict[str, int]:
        gc.collect()
        living = {kind.__name__: 0 for kind in kinds}
        for thing in gc.get_objects():
            if isinstance(thing, kinds):
                living[type(thing).__name__] += 1
        return living

    yield count
