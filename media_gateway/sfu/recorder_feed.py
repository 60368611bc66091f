"""The recorder feed (docs/protocol.md section 3): a room's decrypted packets to a recording worker."""

import json
import struct
import time
from typing import TYPE_CHECKING, Any

from .burst import Record, header_size
from .rtp import HEADER, timestamp_delta
from .udp import UdpSocket

if TYPE_CHECKING:
    from .layer import Layer
    from .source import Source

HEAD = struct.Struct("!B8sIQ")
TRACK, RTP, STATE, SENDER_REPORT = 1, 2, 3, 4
ANNOUNCE_EVERY = 2.0
KEYFRAME_EVERY = 4.0
"""A recording seeks to key frames, and a damaged picture lasts until the next one."""


SILENT = 1.0
"""Seconds after which a layer that stopped is replaced by a lesser one."""


class Tap:
    """What recordings get of one source: its best layer, as one stream whatever layers come and go."""

    def __init__(self, source: "Source") -> None:
        self.source = source
        self.feeds: list[RecorderFeed] = []
        self.layer: Layer | None = None
        self._shift = 0
        self._floor = 0
        self._clock_shift = 0
        self._next = 0x10000
        self._last_timestamp: int | None = None
        self._last_at = 0.0

    def take(self, layer: "Layer", record: Record, starts: bool, now: float) -> None:
        """A packet of any layer; `starts` says that it begins a key frame."""
        current = self.layer
        if layer is not current:
            fresh = current is not None and now - self._last_at < SILENT
            if fresh and current is not None and layer.pixels <= current.pixels:
                return
            if not starts and layer.codec.starts_keyframe is not None:
                if not fresh:
                    layer.request_keyframe(now)
                return
            self._move(layer, record)
        index, timestamp, packet, _ = record
        if index < self._floor:
            return
        number = index + self._shift
        timestamp = (timestamp + self._clock_shift) & 0xFFFFFFFF
        if number >= self._next:
            self._next, self._last_timestamp, self._last_at = number + 1, timestamp, now
        head = HEADER.pack(0x80, packet[1], number & 0xFFFF, timestamp, self.source.ssrc)
        datagram = head + packet[header_size(packet) :]
        for feed in self.feeds:
            feed.rtp(self.source, datagram)

    def _move(self, layer: "Layer", record: Record) -> None:
        self.layer = layer
        self._floor = record[0]
        self._shift = self._next - record[0]
        self._clock_shift = 0
        if self._last_timestamp is not None:
            ahead = timestamp_delta(record[1], self._last_timestamp)
            if ahead <= 0:
                self._clock_shift = 1 - ahead

    def state(self, state: dict[str, bool]) -> None:
        for feed in self.feeds:
            feed.state(self.source, state)

    def sender_report(self) -> None:
        for feed in self.feeds:
            feed.sender_report(self.source)


class RecorderFeed:
    """One recording of one room. Losing a datagram costs little: tracks are announced again and again."""

    def __init__(
        self, recording: str, token: bytes, socket: UdpSocket, destination: Any, instance: str
    ) -> None:
        assert len(token) == 8
        self.recording = recording
        self.token = token
        self.instance = instance
        self._socket = socket
        self._destination = destination
        self._announced = 0.0
        self._keyframes = 0.0
        self.sources: dict[int, Source] = {}
        self.packets = 0

    def add(self, source: "Source") -> None:
        """Record a source from now on."""
        if source.number in self.sources:
            return
        self.sources[source.number] = source
        if source.tap is None:
            source.tap = Tap(source)
        source.tap.feeds.append(self)
        self.announce(source)
        if source.blocked:
            self.state(source, {"paused": True})
        self.sender_report(source)
        for layer in source.layers:
            layer.request_keyframe(time.monotonic())

    def remove(self, source: "Source") -> None:
        """The source ended, or the recording did."""
        if self.sources.pop(source.number, None) is not None:
            self.state(source, {"ended": True})
            if source.tap is not None:
                source.tap.feeds.remove(self)
                if not source.tap.feeds:
                    source.tap = None

    def stop(self) -> None:
        for source in list(self.sources.values()):
            self.remove(source)

    def announce(self, source: "Source") -> None:
        codec = source.codec.plain or source.codec
        self._send_json(
            TRACK,
            source,
            {
                "instance": self.instance,
                "peer": source.peer,
                "name": source.peer_name,
                "source": source.name,
                "kind": source.kind,
                "codec": codec.name,
                "clock_rate": codec.clock_rate,
                "channels": codec.channels,
                "fmtp": codec.fmtp,
            },
        )

    def rtp(self, source: "Source", packet: bytes) -> None:
        self.packets += 1
        self._socket.send(
            self._destination, HEAD.pack(RTP, self.token, source.number, time.time_ns()) + packet
        )

    def state(self, source: "Source", state: dict[str, bool]) -> None:
        self._send_json(STATE, source, state)

    def sender_report(self, source: "Source") -> None:
        if source.sender_report is not None:
            self._send(SENDER_REPORT, source, struct.pack("!QI", *source.sender_report))

    def tick(self, now: float) -> None:
        """Repeat announcements and ask for key frames when due."""
        if now - self._announced >= ANNOUNCE_EVERY:
            self._announced = now
            for source in self.sources.values():
                self.announce(source)
        if now - self._keyframes >= KEYFRAME_EVERY:
            self._keyframes = now
            for source in self.sources.values():
                if not source.blocked:
                    source.request_keyframe(now)

    def _send_json(self, kind: int, source: "Source", body: dict[str, Any]) -> None:
        self._send(kind, source, json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode())

    def _send(self, kind: int, source: "Source", body: bytes) -> None:
        self._socket.send(
            self._destination, HEAD.pack(kind, self.token, source.number, time.time_ns()) + body
        )
