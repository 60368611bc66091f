"""The recorder feed (docs/protocol.md section 3): a room's decrypted packets to a recording worker."""

import json
import struct
import time
from typing import TYPE_CHECKING, Any

from .udp import UdpSocket

if TYPE_CHECKING:
    from .source import Source

HEAD = struct.Struct("!B8sIQ")
TRACK, RTP, STATE, SENDER_REPORT = 1, 2, 3, 4
ANNOUNCE_EVERY = 2.0
KEYFRAME_EVERY = 4.0
"""A recording seeks to key frames, and a damaged picture lasts until the next one."""


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
        source.feeds.append(self)
        self.announce(source)
        if source.blocked:
            self.state(source, {"paused": True})
        self.sender_report(source)
        source.request_keyframe(time.monotonic())

    def remove(self, source: "Source") -> None:
        """The source ended, or the recording did."""
        if self.sources.pop(source.number, None) is not None:
            source.feeds.remove(self)
            self.state(source, {"ended": True})

    def stop(self) -> None:
        for source in list(self.sources.values()):
            self.remove(source)

    def announce(self, source: "Source") -> None:
        codec = source.codec
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
