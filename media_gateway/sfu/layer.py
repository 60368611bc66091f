"""One quality of a published source: an incoming stream made into a continuous one.

Whatever happens on the publisher's side (pause, another SSRC, a reconnect), a layer counts its packets
without a hole of our making and its clock goes on. All subscribers of a layer share the same templates;
what differs for each (numbers, keys) is written when they are sent.
"""

import random
import time
from typing import TYPE_CHECKING, Protocol

from .burst import HEADER_SIZE, Record, runs, template
from .cache import PacketCache
from .dependency import locate_number

if TYPE_CHECKING:
    from .codecs import Codec
    from .downtrack import DownTrack
    from .source import Source

KEYFRAME_INTERVAL = 0.5
"""Seconds between two key frame requests to one layer, at least."""
KEYFRAME_BACKOFF = 4.0
"""Longest pause between requests that bring nothing."""
CACHE_AGE = 3.0
CACHE_PACKETS = {"audio": 128, "video": 1024}
BREAK = 0.35
"""Seconds by which a layer may be behind the others before it counts as left out by the sender."""
GRACE = 1.5
"""Seconds that a sender has to begin with a layer that it is asked for."""
TRUSTED_AFTER = 1.0
"""Seconds for which a layer that was left out must come again before anybody is given it."""
HEADER_BITS = 288.0
"""What a packet has besides its payload on the wire: RTP with our extensions, and the tag of SRTP."""
PEAK_KEPT = 0.95
"""Share of the highest bit rate that is remembered each second."""
CATCH_UP = 0.5
"""Seconds since a key frame within which a newcomer gets it and all that followed, in place of a new one."""
FRESH = 0.25
"""Seconds since a key frame within which none is asked for in advance."""
FLOWING_WITHIN = 1.0
"""Seconds since the last packet within which a layer counts as being sent."""


class Uplink(Protocol):
    """The publishing stream behind a layer."""

    def request_keyframe(self) -> bool:
        """Send a PLI; False when there is no way to."""
        ...


class Layer:
    """One incoming stream with its numbering, cache, and the subscribers that get it now."""

    def __init__(self, source: "Source", rid: str, codec: "Codec | None" = None) -> None:
        """`codec` where it is another than the source's."""
        self.source = source
        self.codec = codec or source.codec
        self.recorded = self.codec.plain is None
        """whether recorders want it: of redundant audio they take the plain form"""
        self.rid = rid
        self.uplink: Uplink | None = None
        self.active = True
        """whether the publisher is asked to send it"""
        self.unwanted_since: float | None = None
        self.width = self.height = 0
        self.bitrate = 0.0
        self.cache = PacketCache(CACHE_PACKETS[source.kind], CACHE_AGE)
        # Numbering: outgoing = incoming + shift. Indices never wrap; they start high enough to stay positive.
        self.next_index = 0x10000 + random.randrange(0x8000)
        self.shift: int | None = None
        self.floor = 0
        self.clock_shift: int | None = None
        self.last_timestamp = 0
        self.last_raw = 0
        self.last_at = 0.0
        self.asked_at = time.monotonic()
        self.came_at = 0.0
        """when it began to come again after a break"""
        self.left = False
        self.last_picture: tuple[int, int, int, int] | None = None
        self.key_index, self.key_timestamp, self.key_at = 0, -1, float("-inf")
        """where the last key frame begins, and when that came"""
        self.gated = source.codec.starts_keyframe is not None
        self.withheld = 0
        self.last_request = 0.0
        self.request_wait = KEYFRAME_INTERVAL
        self.request_due = False
        self.keyframe_requests = 0
        self.packets = 0
        self.octets = 0
        self.offered = 0
        """payload bytes that came, forwarded or not"""
        self.offered_packets = 0
        self.offered_bitrate = 0.0
        self.peak = 0.0
        """bit/s it had at times, lately"""
        self.packet_rate = 0.0
        self.withdrawn = False
        """nothing of it is forwarded, because its publisher sends more than it may"""
        self._rates: list[float] = []
        self._octets_before = self._offered_before = self._packets_before = 0
        self.pending: list[Record] = []
        self.live: list[DownTrack] = []
        self.waiting: list[DownTrack] = []
        self._second = (self.codec.payload_type, self.codec.payload_type | 0x80)

    @property
    def pixels(self) -> int:
        return self.width * self.height

    def needs(self, extended: int) -> bool:
        """Whether the publisher's packet of that number comes after the last key frame."""
        return self.shift is not None and extended + self.shift > self.key_index

    @property
    def wire_rate(self) -> float:
        """bit/s with headers; 0 when nothing comes."""
        return self.bitrate + HEADER_BITS * self.packet_rate if self.bitrate else 0.0

    def flowing(self, now: float) -> bool:
        """Whether packets come."""
        return now - self.last_at < FLOWING_WITHIN

    def left_out(self, latest: float, now: float) -> bool:
        """Whether the sender cannot afford it: asked for, but not coming while others are (`latest`).

        Browsers drop their upper layers when bandwidth or processor do not suffice.
        """
        if latest - self.last_at > BREAK:
            self.left = self.active and now - self.asked_at > GRACE
        elif self.left and now - self.came_at > TRUSTED_AFTER:
            self.left = False
        return self.left

    # -- incoming ------------------------------------------------------------

    def deliver(
        self,
        extended: int,
        timestamp: int,
        marker: int,
        payload: bytes | memoryview,
        now: float,
        extension: bytes = b"",
        *,
        forward: bool = True,
    ) -> None:
        """Take one packet. `extended` is the publisher's unwrapped sequence number, `marker` 0 or 1.

        `extension`: one-byte header extension elements with the ids of our own offers. With `forward` false
        only recorders get it, and subscribers see no hole.
        """
        source = self.source
        self.offered += len(payload)
        self.offered_packets += 1
        if source.paused or not source.permitted or self.withdrawn:
            return
        codec = self.codec
        starts = codec.starts_keyframe is not None and codec.starts_keyframe(payload)
        if self.gated:
            if not starts:
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
            self.clock_shift = source.align(self, timestamp, now)
        index = extended + shift
        out_timestamp = (timestamp + self.clock_shift) & 0xFFFFFFFF
        packet = template(self._second[marker], out_timestamp, source.ssrc, extension, payload)
        picture = None
        if codec.locate_picture is not None:
            picture = codec.locate_picture(payload, HEADER_SIZE + (len(extension) + 3 & ~3))
        elif codec.described and extension:
            picture = locate_number(extension, HEADER_SIZE)
        if starts:
            self._keyframe(index, out_timestamp, picture, payload, now)
        if index >= self.next_index:
            if now - self.last_at > BREAK:
                self.came_at = now
            self.next_index = index + 1
            self.last_timestamp, self.last_raw, self.last_at = out_timestamp, timestamp, now
            if picture is not None:
                self.last_picture = picture
        record = (index, out_timestamp, packet, picture)
        self.cache.put(index, record, now)
        self.packets += 1
        self.octets += len(payload)
        if source.tap is not None and self.recorded and len(payload):
            source.tap.take(self, record, starts, now)
        if not forward:
            self.withheld += 1
        elif self.live:
            if self.withheld:
                self._skip_withheld()
            if not self.pending:
                source.outbox.append(self)
            self.pending.append(record)

    def _keyframe(
        self,
        index: int,
        timestamp: int,
        picture: tuple[int, int, int, int] | None,
        payload: bytes | memoryview,
        now: float,
    ) -> None:
        if timestamp != self.key_timestamp and index > self.key_index:
            self.key_index, self.key_timestamp, self.key_at = index, timestamp, now
        if self.codec.keyframe_size is not None:
            size = self.codec.keyframe_size(payload)
            if size is not None:
                self.width, self.height = size
        if not self.waiting and not self.request_due:
            return
        self.request_due = False
        self.request_wait = KEYFRAME_INTERVAL
        self.send(now)
        waiting, self.waiting = self.waiting, []
        for down in waiting:
            down.enter(self, index, timestamp, picture, now)

    def _skip_withheld(self) -> None:
        """Packets were kept from subscribers: their numbers go on as if these had never been."""
        for down in self.live:
            down.skip(self.withheld)
        self.withheld = 0

    def send(self, now: float) -> None:
        """Give what came since the last time to every subscriber of this layer."""
        records = self.pending
        if records:
            self.pending = []
            socket, live = self.source.socket, self.live
            for run in runs(records):
                socket.fan_out(run, live, now)

    def new_stream(self) -> None:
        """The publisher's next packets come with new numbers and a new clock (other SSRC or connection)."""
        self.shift = None
        self.clock_shift = None
        self.gated = self.codec.starts_keyframe is not None
        self.asked_at = time.monotonic()

    def resume(self) -> None:
        """After a pause: go on without a hole, with a key frame."""
        self.asked_at = time.monotonic()
        self.shift = None
        self.gated = self.codec.starts_keyframe is not None

    def set_withdrawn(self, withdrawn: bool) -> None:
        """Stop forwarding, or go on with a key frame."""
        if self.withdrawn and not withdrawn:
            self.resume()
        self.withdrawn = withdrawn

    # -- key frames ------------------------------------------------------------

    def since_keyframe(self, now: float) -> list[Record]:
        """The last key frame and all packets since, if it came just now and they are all here; else []."""
        if (
            now - self.key_at > CATCH_UP
            or self.gated
            or self.withheld
            or self.withdrawn
            or self.source.blocked
        ):
            return []
        found = [self.cache.get(index, now) for index in range(self.key_index, self.next_index)]
        records = [record for record in found if record is not None]
        return records if len(records) == len(found) else []

    def freshen(self, now: float) -> None:
        """Somebody will receive it in a moment: have a key frame by then."""
        if now - self.key_at > FRESH:
            self.request_keyframe(now)

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
        due = (self.request_due or self.waiting) and not self.source.blocked
        if due and now - self.last_request >= self.request_wait:
            self._request(now)

    def _request(self, now: float) -> None:
        if self.source.blocked or self.uplink is None or not self.uplink.request_keyframe():
            return
        if now - self.last_request < 2 * self.request_wait:
            self.request_wait = min(KEYFRAME_BACKOFF, 2 * self.request_wait)
        self.last_request = now
        self.keyframe_requests += 1

    # -- every second ------------------------------------------------------------

    def measure(self, span: float) -> None:
        """Bit rate over the last `span` seconds; the middle one of three, as key frames come in one."""
        rate = 8 * (self.octets - self._octets_before) / max(0.1, span)
        self.offered_bitrate = 8 * (self.offered - self._offered_before) / max(0.1, span)
        self._octets_before, self._offered_before = self.octets, self.offered
        self._rates = [*self._rates[-2:], rate]
        self.bitrate = sorted(self._rates)[len(self._rates) // 2]
        if self.bitrate < 1000:
            self.bitrate = 0.0
            self._rates.clear()
        self.packet_rate = (self.packets - self._packets_before) / max(0.1, span)
        self._packets_before = self.packets
        self.peak = max(self.wire_rate, PEAK_KEPT * self.peak)

    def describe(self) -> dict[str, object]:
        """For `room.stats`."""
        return {
            "rid": self.rid,
            "active": self.active,
            "flowing": self.flowing(time.monotonic()),
            "width": self.width,
            "height": self.height,
            "bitrate": round(self.bitrate),
            "withdrawn": self.withdrawn,
            "packets": self.packets,
            "bytes": self.octets,
            "subscribers": len(self.live),
            "waiting": len(self.waiting),
            "keyframe_requests": self.keyframe_requests,
        }
