"""One source on its way to one subscriber: which layer, with what numbers, and what is sent again."""

import secrets
import time
from typing import TYPE_CHECKING

from . import rtcp
from .burst import OwnHeader, Picture, Run, header_size, padding, retransmission, runs
from .layer import Layer
from .rtp import sequence_delta, timestamp_delta
from .source import Source
from .udp import renumbered

if TYPE_CHECKING:
    from .sender import Sender

RESEND_GAP = 0.025
"""Seconds within which the same packet is not sent again to the same subscriber, or `RESEND_TRIP` of the time
that it takes to be asked for again: what waits in a queue on the way is not lost."""
RESEND_TRIP = 0.8
RESEND_RATE = 400
"""Resends a second to one subscriber's track, at most: repairing must not make congestion worse."""
MAX_STRETCHES = 8


class Snapshot:
    """A subscriber's offsets to its layer as they were at one time (`udp.Offsets`)."""

    __slots__ = ("clock_shift", "header", "picture_shift", "rewrites", "shift", "tl0_shift")

    def __init__(self, down: "DownTrack") -> None:
        self.shift = down.shift
        self.clock_shift = down.clock_shift
        self.picture_shift = down.picture_shift
        self.tl0_shift = down.tl0_shift
        self.header = down.header
        self.rewrites = down.rewrites


class Stretch(Snapshot):
    """Numbers `start` and up came from `layer` with these offsets: the way back from a NACK to the cache."""

    __slots__ = ("layer", "start")

    def __init__(self, down: "DownTrack", layer: Layer, start: int) -> None:
        super().__init__(down)
        self.layer = layer
        self.start = start


class Held(Snapshot):
    """A subscriber whose packets had to wait: they go out with the numbers of then."""

    __slots__ = ("down", "floor", "sender")

    def __init__(self, down: "DownTrack") -> None:
        super().__init__(down)
        self.down = down
        self.sender = down.sender
        self.floor = 0

    def hold(self, run: Run, now: float) -> bool:
        return False  # it has waited


class DownTrack:
    """What a subscriber gets of a source.

    Sequence numbers, timestamps and VP8 picture ids go on without a break whatever layer it comes from and
    however often it was paused. `layer` is what is sent now, `target` what is waited for.
    """

    def __init__(self, source: Source, sender: "Sender", mid: str) -> None:
        self.source = source
        self.sender = sender
        self.mid = mid
        self.attached = False
        self.rtx = False
        self.plain = False
        """the subscriber takes the source's plain codec only"""
        self.is_audio = source.kind == "audio"
        self.ssrc, self.rtx_ssrc = source.ssrc, source.rtx_ssrc
        self.rtx_payload_type = source.codec.rtx_payload_type
        self.header: OwnHeader | None = None
        """set where the subscriber knows the track by another SSRC or other numbers than the source's"""
        self.layer: Layer | None = None
        self.target: Layer | None = None
        # Offsets to the layer's own numbers.
        self.floor = 0
        self.shift = 0
        self.clock_shift = 0
        self.picture_shift = 0
        self.tl0_shift = 0
        self.rewrites = False
        # Where the last layer left off: the next number, and what was last sent.
        self.next_number = 0x10000 + secrets.randbelow(0x8000)
        self.last_timestamp: int | None = None
        self.last_picture: tuple[int, int] | None = None
        self.stretches: list[Stretch] = []
        self.switches = 0
        self.starved = 0
        self._base_packets = self._base_octets = 0
        self._sent_packets = self._sent_octets = 0
        self.rtx_sequence = secrets.randbelow(0x8000)
        self.resent: dict[int, float] = {}
        self.allowance = float(RESEND_RATE)
        self.allowance_at = 0.0
        self.nacked = 0
        self.resends = 0
        self.missed = 0
        self.wanted_from = 0
        """packets before this number are not sent again: pictures go on without them"""
        self.refreshing = False
        """the next key frame replaces what was missed before it"""
        self.fraction_lost = 0
        self.packets_lost = 0
        self.jitter = 0
        self.highest = 0
        self.round_trip: float | None = None
        self._reports: list[tuple[int, float]] = []

    @property
    def withheld(self) -> bool:
        """Whether its layer keeps packets from subscribers now: a voice that is not among the loudest."""
        return self.layer is not None and self.layer.withheld > 0

    # -- layers ------------------------------------------------------------

    def aim(self, layer: Layer | None) -> None:
        """Go to a layer with its next key frame; None pauses at once."""
        now = time.monotonic()
        if layer is None:
            self.leave()
            return
        if layer is self.layer:
            self._forget_target()
            return
        if layer is self.target:
            return
        self._forget_target()
        self.source.want(layer)
        if self.layer is None and self._catch_up(layer, now):
            return
        self.target = layer
        layer.waiting.append(self)
        layer.request_keyframe(now)
        if self.layer is None and not layer.flowing(now):
            # It may take a while to come: show something until then.
            stand_in = next((other for other in self.source.layers if other.flowing(now)), None)
            if stand_in is not None and not self._catch_up(stand_in, now):
                stand_in.waiting.append(self)
                stand_in.request_keyframe(now)

    def _catch_up(self, layer: Layer, now: float) -> bool:
        """Begin with a key frame that came just now, out of the cache, instead of waiting for the next."""
        records = layer.since_keyframe(now)
        if not records:
            return False
        index, timestamp, _, picture = records[0]
        if self.last_timestamp is not None and timestamp_delta(timestamp, self.last_timestamp) <= 0:
            return False  # it was sent that far already
        layer.send(now)
        self.enter(layer, index, timestamp, picture, now)
        self._base_packets -= len(records)
        self._base_octets -= sum(len(record[2]) - header_size(record[2]) for record in records)
        for run in runs(records):
            self.source.socket.fan_out(run, (self,), now)
        return True

    def _forget_target(self) -> None:
        self.target = None
        for layer in self.source.layers:
            if self in layer.waiting:
                layer.waiting.remove(self)

    def enter(self, layer: Layer, index: int, timestamp: int, picture: Picture | None, now: float) -> None:
        """Begin with the packet `index` of `layer`: for video the first one of a key frame."""
        if layer is self.layer:
            return
        old = self.layer
        if old is not None:
            old.send(now)
            self._step_out(old)
            self.switches += 1
        if self.refreshing or (old is not None and self._below(layer, old)):
            # The line is short of room: nothing from before the key frame shall take of it any more.
            self.refreshing = False
            self._give_again(self.sender.take_back(self))
            self.wanted_from = self.next_number
        if layer is self.target or self.target is None:
            self._forget_target()
        self.layer = layer
        self.floor = index
        self.shift = self.next_number - index
        self.clock_shift = self.picture_shift = self.tl0_shift = 0
        if self.last_timestamp is not None:
            ahead = timestamp_delta(timestamp, self.last_timestamp)
            if ahead <= 0:
                self.clock_shift = 1 - ahead
        if picture is not None and self.last_picture is not None:
            _, ident, _, tl0 = picture
            self.picture_shift = (self.last_picture[0] + 1 - ident) & 0xFFFF
            self.tl0_shift = (self.last_picture[1] + 1 - tl0) & 0xFF
        self.rewrites = bool(
            self.clock_shift or self.picture_shift or self.tl0_shift or self.header is not None
        )
        self.stretches.append(Stretch(self, layer, self.next_number))
        del self.stretches[:-MAX_STRETCHES]
        self._base_packets, self._base_octets = layer.packets, layer.octets
        # Lists that are being walked over are replaced, never changed.
        layer.live = [*layer.live, self]
        self.send_report()

    def _below(self, layer: Layer, other: Layer) -> bool:
        layers = self.source.layers
        return layer in layers and other in layers and layers.index(layer) < layers.index(other)

    def refresh(self, now: float) -> None:
        """The subscriber's line is back after an outage: go on with a key frame, and leave what it missed."""
        layer = self.layer
        if layer is None or self.is_audio:
            return
        layer.send(now)
        target = self.target or layer
        if self.layer is not None:  # sending may have starved it
            self._step_out(layer)
        self._give_again(self.sender.take_back(self))
        self.refreshing = True
        self.target = None
        self.aim(target)

    def _step_out(self, layer: Layer) -> None:
        """Leave a layer whose pending packets are sent, and remember where."""
        layer.live = [down for down in layer.live if down is not self]
        self.layer = None
        self.next_number = max(self.next_number, layer.next_index + self.shift)
        self.last_timestamp = (layer.last_timestamp + self.clock_shift) & 0xFFFFFFFF
        if layer.last_picture is not None:
            _, ident, _, tl0 = layer.last_picture
            self.last_picture = (ident + self.picture_shift) & 0xFFFF, (tl0 + self.tl0_shift) & 0xFF
        self._sent_packets += layer.packets - self._base_packets
        self._sent_octets += layer.octets - self._base_octets

    def leave(self) -> None:
        """Send nothing any more, until `enter`."""
        self._forget_target()
        if self.layer is not None:
            layer = self.layer
            layer.send(time.monotonic())
            if self.layer is not None:  # sending may have starved it
                self._step_out(layer)

    def skip(self, count: int) -> None:
        """`count` packets of the layer were kept from subscribers: go on without a hole."""
        self.shift -= count
        if self.layer is not None:
            self.stretches.append(Stretch(self, self.layer, self.layer.next_index - 1 + self.shift))
            del self.stretches[:-MAX_STRETCHES]

    def request_keyframe(self, now: float) -> None:
        """The subscriber lost its picture."""
        layer = self.layer or self.target
        if layer is not None:
            layer.request_keyframe(now)

    # -- pacing ------------------------------------------------------------

    def hold(self, run: Run, now: float) -> bool:
        """Whether the run had to wait in the paced queue. Sound never does."""
        sender = self.sender
        if not sender.paced or self.is_audio or sender.spend(run.total, now):
            return False
        sender.hold(Held(self), run)
        return True

    def starve(self, first: int) -> None:
        """Packets from the 16-bit number `first` on were thrown away unsent: go on with a key frame."""
        layer = self.layer
        if layer is None:
            return
        self.starved += 1
        self._step_out(layer)
        self._give_again(first)
        target, self.target = self.target or layer, None
        self.aim(target)

    def _give_again(self, first: int | None) -> None:
        """Numbers from the 16-bit one on were never sent: the subscriber shall see no hole to ask for."""
        if first is not None:
            self.next_number += sequence_delta(first, self.next_number & 0xFFFF)

    # -- reports ------------------------------------------------------------

    def send_report(self) -> None:
        """Pass the publisher's sender report on, with this subscriber's counts."""
        source = self.source
        packet = source.report_for(*self.counts(), ssrc=self.ssrc)
        if packet is not None and source.sender_report is not None:
            if self.clock_shift:
                stamp = int.from_bytes(packet[16:20], "big") + self.clock_shift & 0xFFFFFFFF
                packet = packet[:16] + stamp.to_bytes(4, "big") + packet[20:]
            self._reports.append((rtcp.ntp_middle(source.sender_report[0]), time.monotonic()))
            del self._reports[:-4]
            self.sender.transport.send_rtcp(packet)

    def counts(self) -> tuple[int, int]:
        """(packets, payload bytes) sent of this source so far, without resends."""
        packets, octets = self._sent_packets, self._sent_octets
        if self.layer is not None:
            packets += self.layer.packets - self._base_packets
            octets += self.layer.octets - self._base_octets
        return packets, octets

    def take_report(self, block: rtcp.ReportBlock, now: float) -> None:
        self.fraction_lost, self.packets_lost = block.fraction_lost, block.packets_lost
        self.jitter, self.highest = block.jitter, block.highest_sequence
        for middle, sent in self._reports:
            if middle == block.lsr:
                self.round_trip = max(0.0, now - sent - block.dlsr / 65536)

    # -- resends ------------------------------------------------------------

    def resend(self, sequences: list[int], now: float) -> None:
        """Answer a NACK out of the layers' caches, by RTX where the subscriber took it."""
        self.nacked += len(sequences)
        if self.refreshing:
            self.missed += len(sequences)
            return
        if not self.stretches:
            return
        top = self.layer.next_index + self.shift if self.layer is not None else self.next_number
        self.allowance = min(float(RESEND_RATE), self.allowance + (now - self.allowance_at) * RESEND_RATE)
        self.allowance_at = now
        sender = self.sender
        gap = max(RESEND_GAP, RESEND_TRIP * sender.estimator.lag)
        for sequence in sequences:
            number = top + sequence_delta(sequence, top & 0xFFFF)
            if number >= top or now - self.resent.get(number, 0.0) < gap:
                continue
            wanted = number >= self.wanted_from and self.allowance >= 1 and sender.affords_resend(now)
            packet = self._sent_before(number, now) if wanted else None
            if packet is None:
                self.missed += 1
                continue
            self.allowance -= 1
            self.resent[number] = now
            self.resends += 1
            self._send_again(packet, now)
        while len(self.resent) > 256:
            del self.resent[next(iter(self.resent))]

    def _sent_before(self, number: int, now: float) -> bytes | None:
        for stretch in reversed(self.stretches):
            if number >= stretch.start:
                record = stretch.layer.cache.get(number - stretch.shift, now)
                return None if record is None else renumbered(record, record[2], stretch)
        return None

    def _send_again(self, packet: bytes, now: float) -> None:
        sender, source = self.sender, self.source
        if self.rtx and self.rtx_ssrc is not None and self.rtx_payload_type is not None:
            self.rtx_sequence += 1
            packet = retransmission(packet, self.rtx_payload_type, self.rtx_sequence & 0xFFFF, self.rtx_ssrc)
        sender.credit -= len(packet)
        source.socket.send_packet(sender, packet, now)

    def probe(self, now: float) -> int:
        """Send something for a bandwidth probe: the last packet again as RTX, else padding; bytes sent."""
        if self.rtx_ssrc is None or self.rtx_payload_type is None:
            return 0
        layer = self.layer
        packet = None
        if layer is not None:
            packet = self._sent_before(layer.next_index - 1 + self.shift, now)
        if packet is not None:
            self._send_again(packet, now)
            return len(packet)
        self.rtx_sequence += 1
        empty = bytearray(padding(self.rtx_payload_type, self.rtx_sequence & 0xFFFF, self.rtx_ssrc))
        if self.header is not None:
            own = OwnHeader(self.rtx_ssrc, self.rtx_payload_type, self.header.number_id)
            own.write(memoryview(empty), 0)
        self.source.socket.send_packet(self.sender, bytes(empty), now)
        return len(empty)

    def describe(self) -> dict[str, object]:
        """For `room.stats`."""
        source, layer, target = self.source, self.layer, self.target
        return {
            "mid": self.mid,
            "peer": source.peer,
            "source": source.name,
            "live": layer is not None,
            "layer": None if layer is None else layer.rid,
            "target": None if target is None else target.rid,
            "packets": self.counts()[0],
            "switches": self.switches,
            "starved": self.starved,
            "nacked": self.nacked,
            "resent": self.resends,
            "missed": self.missed,
            "fraction_lost": round(self.fraction_lost / 256, 3),
            "packets_lost": self.packets_lost,
            "jitter": self.jitter,
            "round_trip_ms": None if self.round_trip is None else round(1000 * self.round_trip, 1),
        }
