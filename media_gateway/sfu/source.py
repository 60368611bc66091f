"""What one participant publishes: an incoming stream made into one continuous outgoing one.

Whatever happens on the publisher's side (pause, another SSRC, a reconnect), subscribers and recorders see
one SSRC whose sequence numbers have no hole of our making and whose timestamps go on. All subscribers of a
source therefore share the same plain packet; only the encryption differs.
"""

import random
import secrets
import time
from typing import TYPE_CHECKING, Protocol

from . import rtcp
from .cache import PacketCache
from .codecs import Codec
from .rtp import HEADER
from .udp import UdpSocket

if TYPE_CHECKING:
    from .recorder_feed import RecorderFeed
    from .subscriber import DownTrack
    from .transport import Transport

KEYFRAME_INTERVAL = 0.5
"""Seconds between two key frame requests to one source, at least."""
KEYFRAME_BACKOFF = 4.0
"""Longest pause between requests that bring nothing."""
CACHE_AGE = 3.0
CACHE_PACKETS = {"audio": 128, "video": 1024}


class Uplink(Protocol):
    """The publishing m-line behind a source."""

    def request_keyframe(self) -> bool:
        """Send a PLI; False when there is no way to."""
        ...


class Source:
    """One source of one participant, with its outgoing numbering, cache and receivers."""

    def __init__(
        self, number: int, peer: str, peer_name: str, name: str, codec: Codec, socket: UdpSocket
    ) -> None:
        self.number = number
        self.peer = peer
        self.peer_name = peer_name
        self.name = name
        self.codec = codec
        self.kind = codec.kind
        self.socket = socket
        self.ssrc = secrets.randbelow(0xFFFFFFFE) + 1
        self.rtx_ssrc = secrets.randbelow(0xFFFFFFFE) + 1 if codec.rtx_payload_type is not None else None
        self.cache = PacketCache(CACHE_PACKETS[self.kind], CACHE_AGE)
        self.uplink: Uplink | None = None
        self.exposed = False
        self.permitted = True
        self.paused = False
        # Numbering: outgoing = incoming + shift. Indices never wrap; they start high enough to stay positive.
        self.next_index = 0x10000 + random.randrange(0x8000)
        self.shift: int | None = None
        self.floor = 0
        self.clock_shift: int | None = None
        self.last_timestamp = random.randrange(1 << 32)
        self.last_at = 0.0
        self.gated = codec.starts_keyframe is not None
        self.last_request = 0.0
        self.request_wait = KEYFRAME_INTERVAL
        self.request_due = False
        self.keyframe_requests = 0
        self.packets = 0
        self.octets = 0
        self.sender_report: tuple[int, int] | None = None
        self.live: list[DownTrack] = []
        self.targets: list[Transport] = []
        self.waiting: list[DownTrack] = []
        self.feeds: list[RecorderFeed] = []
        self._second = (codec.payload_type, codec.payload_type | 0x80)

    @property
    def blocked(self) -> bool:
        """Nothing is forwarded now."""
        return self.paused or not self.permitted

    # -- incoming ------------------------------------------------------------

    def deliver(self, extended: int, timestamp: int, marker: int, payload: memoryview, now: float) -> None:
        """Forward one packet. `extended` is the publisher's unwrapped sequence number, `marker` 0 or 1."""
        if self.paused or not self.permitted:
            return
        starts_keyframe = self.codec.starts_keyframe
        if self.gated:
            assert starts_keyframe is not None
            if not starts_keyframe(payload):
                self.request_keyframe(now)
                return
            self.gated = False
        shift = self.shift
        if shift is None:
            shift = self.shift = self.next_index - extended
            self.floor = extended
        elif extended < self.floor:
            return
        if self.clock_shift is None:
            elapsed = int((now - self.last_at) * self.codec.clock_rate) if self.last_at else 0
            self.clock_shift = (self.last_timestamp + max(1, elapsed) - timestamp) & 0xFFFFFFFF
        index = extended + shift
        out_timestamp = (timestamp + self.clock_shift) & 0xFFFFFFFF
        packet = HEADER.pack(0x80, self._second[marker], index & 0xFFFF, out_timestamp, self.ssrc) + payload
        if index >= self.next_index:
            self.next_index = index + 1
            self.last_timestamp, self.last_at = out_timestamp, now
        self.cache.put(index, packet, now)
        if starts_keyframe is not None and (self.waiting or self.request_due) and starts_keyframe(payload):
            self.request_due = False
            self.request_wait = KEYFRAME_INTERVAL
            self._start_waiting(index)
        self.packets += 1
        self.octets += len(payload)
        if self.targets:
            self.socket.fan_out(packet, self.targets)
        if self.feeds and len(payload):
            for feed in self.feeds:
                feed.rtp(self, packet)

    def new_stream(self) -> None:
        """The publisher's next packets come with new numbers and a new clock (other SSRC or connection)."""
        self.shift = None
        self.clock_shift = None
        self.gated = self.codec.starts_keyframe is not None
        self.sender_report = None

    def set_blocked(self, *, paused: bool | None = None, permitted: bool | None = None) -> None:
        """Change what blocks the source.

        When the last block falls, it goes on with a key frame and no hole.
        """
        before = self.blocked
        if paused is not None:
            self.paused = paused
        if permitted is not None:
            self.permitted = permitted
        if before == self.blocked:
            return
        for feed in self.feeds:
            feed.state(self, {"paused": self.blocked})
        if not self.blocked:
            self.shift = None
            self.gated = self.codec.starts_keyframe is not None
            if self.gated:
                self.request_keyframe(time.monotonic())

    def take_sender_report(self, ntp: int, timestamp: int) -> None:
        """Pass the publisher's clock on: the NTP time as it is, the RTP timestamp in outgoing terms."""
        if self.clock_shift is None or self.blocked:
            return
        self.sender_report = (ntp, (timestamp + self.clock_shift) & 0xFFFFFFFF)
        for down in self.live:
            down.send_report()
        for feed in self.feeds:
            feed.sender_report(self)

    # -- receivers ------------------------------------------------------------

    def attach(self, down: "DownTrack") -> None:
        """Start forwarding to a subscriber.

        Audio at once, video with the next key frame, which is asked for.
        """
        if self.codec.starts_keyframe is None:
            self._make_live(down, self.next_index)
        else:
            self.waiting.append(down)
            self.request_keyframe(time.monotonic())

    def detach(self, down: "DownTrack") -> None:
        if down in self.live:
            self.live.remove(down)
            self.targets = [live.transport for live in self.live]
        if down in self.waiting:
            self.waiting.remove(down)

    def _start_waiting(self, index: int) -> None:
        waiting, self.waiting = self.waiting, []
        for down in waiting:
            self._make_live(down, index)

    def _make_live(self, down: "DownTrack", index: int) -> None:
        # Everybody in `live` gets every packet, so a subscriber's counts are differences to these.
        down.start(index, self.packets, self.octets)
        self.live.append(down)
        self.targets = [live.transport for live in self.live]
        down.send_report()

    # -- key frames ------------------------------------------------------------

    def request_keyframe(self, now: float) -> None:
        """Ask the publisher for a key frame now, or as soon as the last request is old enough."""
        if self.codec.starts_keyframe is None:
            return
        self.request_due = True
        if now - self.last_request >= KEYFRAME_INTERVAL:
            self.request_wait = KEYFRAME_INTERVAL
            self._request(now)

    def tick(self, now: float) -> None:
        """Requests put off, and repeated while somebody still waits (a PLI may be lost like any packet)."""
        due = (self.request_due or self.waiting) and not self.blocked
        if due and now - self.last_request >= self.request_wait:
            self._request(now)

    def _request(self, now: float) -> None:
        if self.blocked or self.uplink is None or not self.uplink.request_keyframe():
            return
        if now - self.last_request < 2 * self.request_wait:
            self.request_wait = min(KEYFRAME_BACKOFF, 2 * self.request_wait)
        self.last_request = now
        self.keyframe_requests += 1

    # -- end ------------------------------------------------------------

    def describe(self) -> dict[str, object]:
        """For `room.stats`."""
        return {
            "source": self.name,
            "codec": self.codec.name,
            "ssrc": self.ssrc,
            "packets": self.packets,
            "bytes": self.octets,
            "blocked": self.blocked,
            "subscribers": len(self.live),
            "waiting": len(self.waiting),
            "keyframe_requests": self.keyframe_requests,
        }

    def report_for(self, packets: int, octets: int) -> bytes | None:
        """A sender report with a CNAME, the counts being one subscriber's.

        None before the publisher sent one.
        """
        if self.sender_report is None:
            return None
        ntp, timestamp = self.sender_report
        report = rtcp.SenderReport(self.ssrc, ntp, timestamp, packets, octets)
        return report.pack() + rtcp.source_description(self.ssrc, self.peer)
