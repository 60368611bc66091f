"""The connection on which one participant receives.

Our offers, the outgoing tracks, answers to its feedback.
"""

import secrets
import time
from collections.abc import Callable

from . import rtcp, sdp, sdp_write
from .codecs import SOURCES
from .dtls import DIGESTS
from .endpoint import Endpoint
from .errors import GatewayError
from .rtp import build_rtx, sequence_delta
from .sdp import bad_sdp
from .source import Source
from .transport import Transport
from .udp import Slot

RESEND_GAP = 0.025
"""Seconds within which the same packet is not sent again to the same subscriber."""
RESEND_RATE = 400
"""Resends a second to one subscriber's track, at most: repairing must not make congestion worse."""
OFFER_DELAY = 0.01
"""Seconds in which changes gather into one offer."""
OFFER_REPEAT = 10.0
"""Seconds after which an unanswered offer is sent again: the event may have been lost with a control link."""
MAX_LINES = 120


class DownTrack:
    """One source on its way to one subscriber."""

    def __init__(self, source: Source, transport: Transport, mid: str) -> None:
        self.source = source
        self.transport = transport
        self.mid = mid
        self.attached = False
        self.rtx = False
        self.start_index = 0
        self.base_packets = 0
        self.base_octets = 0
        self.rtx_sequence = secrets.randbelow(0x8000)
        self.resent: dict[int, float] = {}
        self.allowance = float(RESEND_RATE)
        self.allowance_at = 0.0
        self.nacked = 0
        self.resends = 0
        self.missed = 0
        self.fraction_lost = 0
        self.packets_lost = 0
        self.jitter = 0
        self.round_trip: float | None = None
        self._reports: list[tuple[int, float]] = []

    def start(self, index: int, packets: int, octets: int) -> None:
        """The first packet will be `index`; the source's counts so far are not this subscriber's."""
        self.start_index, self.base_packets, self.base_octets = index, packets, octets

    def send_report(self) -> None:
        """Pass the publisher's sender report on, with this subscriber's counts."""
        source = self.source
        packet = source.report_for(source.packets - self.base_packets, source.octets - self.base_octets)
        if packet is not None and source.sender_report is not None:
            self._reports.append((rtcp.ntp_middle(source.sender_report[0]), time.monotonic()))
            del self._reports[:-4]
            self.transport.send_rtcp(packet)

    def take_report(self, block: rtcp.ReportBlock, now: float) -> None:
        self.fraction_lost, self.packets_lost = block.fraction_lost, block.packets_lost
        self.jitter = block.jitter
        for middle, sent in self._reports:
            if middle == block.lsr:
                self.round_trip = max(0.0, now - sent - block.dlsr / 65536)

    def resend(self, sequences: list[int], now: float) -> None:
        """Answer a NACK out of the source's cache, by RTX where the subscriber took it."""
        source = self.source
        top = source.next_index - 1
        self.nacked += len(sequences)
        self.allowance = min(float(RESEND_RATE), self.allowance + (now - self.allowance_at) * RESEND_RATE)
        self.allowance_at = now
        for sequence in sequences:
            index = top + sequence_delta(sequence, top & 0xFFFF)
            if index < self.start_index or index > top or now - self.resent.get(index, 0.0) < RESEND_GAP:
                continue
            packet = source.cache.get(index, now)
            if packet is None or self.allowance < 1:
                self.missed += 1
                continue
            self.allowance -= 1
            self.resent[index] = now
            self.resends += 1
            if self.rtx and source.rtx_ssrc is not None and source.codec.rtx_payload_type is not None:
                self.rtx_sequence += 1
                packet = build_rtx(
                    packet,
                    payload_type=source.codec.rtx_payload_type,
                    sequence=self.rtx_sequence,
                    ssrc=source.rtx_ssrc,
                )
            source.socket.fan_out(packet, (self.transport,))
        while len(self.resent) > 256:
            del self.resent[next(iter(self.resent))]

    def describe(self) -> dict[str, object]:
        source = self.source
        live = self in source.live
        return {
            "mid": self.mid,
            "peer": source.peer,
            "source": source.name,
            "live": live,
            "packets": source.packets - self.base_packets if live else 0,
            "nacked": self.nacked,
            "resent": self.resends,
            "missed": self.missed,
            "fraction_lost": round(self.fraction_lost / 256, 3),
            "round_trip_ms": None if self.round_trip is None else round(1000 * self.round_trip, 1),
        }


class Line:
    """One m-line of our offers. `draining`: it carried a track until an offer that is not answered yet."""

    __slots__ = ("down", "draining", "kind", "mid")

    def __init__(self, mid: str, kind: str) -> None:
        self.mid = mid
        self.kind = kind
        self.down: DownTrack | None = None
        self.draining = False


class SubscribeConnection:
    """Owner of the receiving transport of one peer.

    `offer(version, sdp)` is called for every offer but the first.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        candidates: tuple[tuple[str, int], ...],
        *,
        offer: Callable[[int, str], None],
        state_changed: Callable[[str], None],
        call_later: Callable[[float, Callable[[], None]], object],
    ) -> None:
        self.endpoint = endpoint
        self.candidates = candidates
        self.offer = offer
        self.state_changed = state_changed
        self.call_later = call_later
        self.session = secrets.randbits(62)
        self.version = 0
        self.answered = 0
        self.dirty = False
        self.scheduled = False
        self.closed = False
        self.offered_at = 0.0
        self.offered: str = ""
        self.offered_downs: dict[str, DownTrack | None] = {}
        self.fingerprints: list[tuple[str, str]] = []
        self.downs: dict[int, DownTrack] = {}
        self.malformed = 0
        self.remb: int | None = None
        self.lines = [Line("0", "audio"), Line("1", "video")]
        self.transport = Transport(endpoint, self)

    # -- negotiation ------------------------------------------------------------

    def add(self, source: Source) -> None:
        """Offer a source from the next offer on."""
        if source.number in self.downs:
            return
        line = next(
            (
                line for line in self.lines
                if line.kind == SOURCES[source.name] and line.down is None and not line.draining
            ),
            None,
        )  # fmt: skip
        if line is None:
            if len(self.lines) >= MAX_LINES:
                return
            line = Line(str(len(self.lines)), source.kind)
            self.lines.append(line)
        line.down = self.downs[source.number] = DownTrack(source, self.transport, line.mid)
        self._changed()

    def remove(self, source: Source) -> None:
        """The source ended: its m-line goes inactive and may carry another one later."""
        down = self.downs.pop(source.number, None)
        if down is None:
            return
        source.detach(down)
        for line in self.lines:
            if line.down is down:
                line.down = None
                # Only a line the browser has seen in use must be seen unused before it may carry something
                # else: without that its `track` event would not fire again.
                line.draining = self.offered_downs.get(line.mid) is down
        ssrcs = [source.ssrc] if source.rtx_ssrc is None else [source.ssrc, source.rtx_ssrc]
        self.transport.forget_ssrcs(ssrcs)
        self._changed()

    def current_offer(self) -> tuple[int, str]:
        """The offer in flight, or a first one: the reply to `peer.add`."""
        if self.version == 0:
            self._make_offer()
        return self.version, self.offered

    def _changed(self) -> None:
        self.dirty = True
        if self.version and not self.scheduled and self.answered == self.version:
            self.scheduled = True
            self.call_later(OFFER_DELAY, self._offer_due)

    def _offer_due(self) -> None:
        self.scheduled = False
        if self.closed or not self.dirty or self.answered != self.version:
            return
        self._make_offer()
        self.offer(self.version, self.offered)

    def _make_offer(self) -> None:
        self.dirty = False
        self.version += 1
        self.offered_at = time.monotonic()
        self.offered_downs = {line.mid: line.down for line in self.lines}
        credentials = self.transport.current
        lines = sdp_write.TransportLines(
            credentials.ufrag, credentials.pwd, self.endpoint.identity.fingerprint, self.candidates
        )
        self.offered = sdp_write.subscribe_offer(
            self.session, self.version, lines, [_section(line) for line in self.lines]
        )

    def repeat_offer(self, now: float) -> None:
        """Called every second: send an offer again that nobody answered for long."""
        if self.version > 1 and self.answered != self.version and now - self.offered_at > OFFER_REPEAT:
            self.offered_at = now
            self.offer(self.version, self.offered)

    def answer(self, version: int, text: object) -> None:
        """Take the browser's answer to offer `version`. GatewayError leaves everything as it was."""
        if version > self.version or version < 1:
            raise GatewayError("bad_request", f"there is no offer {version}")
        if version <= self.answered:
            return  # a repeated answer to a repeated offer
        if version != self.version:
            raise GatewayError("bad_request", f"offer {self.version} is in flight, not {version}")
        answer = sdp.parse(text)
        if [section.mid for section in answer.media] != list(self.offered_downs):
            raise bad_sdp("the answer's m-lines are not those of the offer")
        carrier = answer.transport_section()
        known = [pair for pair in carrier.fingerprints if pair[0] in DIGESTS]
        if not known:
            raise bad_sdp("no fingerprint of a known algorithm")
        if carrier.setup != "active":
            raise bad_sdp("the answer must be DTLS client (setup:active)")
        if self.fingerprints and known != self.fingerprints:
            raise bad_sdp("the certificate changed: a new connection is needed")
        self.answered = version
        if not self.fingerprints:
            self.fingerprints = known
            self.transport.expect(known)
        for line in self.lines:
            if self.offered_downs.get(line.mid) is None:
                line.draining = False
        for section in answer.media:
            down = self.offered_downs[section.mid]
            if down is None or self.downs.get(down.source.number) is not down:
                continue
            rtx = down.source.codec.rtx_payload_type
            down.rtx = rtx is not None and rtx in section.formats
            accepted = section.receives and down.source.codec.payload_type in section.formats
            self._set_accepted(down, accepted)
        if self.dirty:
            self._changed()

    def _set_accepted(self, down: DownTrack, accepted: bool) -> None:
        if accepted and not down.attached:
            down.attached = True
            if self.transport.ready:
                down.source.attach(down)
        elif not accepted and down.attached:
            down.attached = False
            down.source.detach(down)

    # -- transport ------------------------------------------------------------

    def transport_state(self, state: str) -> None:
        for down in self.downs.values():
            started = down in down.source.live or down in down.source.waiting
            if state == "connected" and down.attached and not started:
                down.source.attach(down)
            elif state in ("failed", "closed") and started:
                down.source.detach(down)
        self.state_changed(state)

    def path_changed(self, now: float) -> None:
        """The browser itself asks for what it missed."""

    def accepts_ssrc(self, ssrc: int) -> bool:
        return False  # a subscriber sends no media

    def rtp_received(self, slot: Slot, length: int, now: float) -> None:
        raise AssertionError("no SSRC is accepted here")

    def rtcp_received(self, packet: bytes, now: float) -> None:
        try:
            for message in rtcp.parse(packet):
                self._take(message, now)
        except ValueError:
            self.malformed += 1

    def _take(self, message: rtcp.Packet, now: float) -> None:
        if isinstance(message, rtcp.Nack):
            down = self._by_ssrc(message.media)
            if down is not None:
                down.resend(message.sequences, now)
        elif isinstance(message, rtcp.KeyFrameRequest):
            down = self._by_ssrc(message.media)
            if down is not None:
                down.source.request_keyframe(now)
        elif isinstance(message, rtcp.ReceiverReport):
            for block in message.reports:
                down = self._by_ssrc(block.ssrc)
                if down is not None:
                    down.take_report(block, now)
        elif isinstance(message, rtcp.Remb):
            self.remb = message.bitrate

    def _by_ssrc(self, ssrc: int) -> DownTrack | None:
        for down in self.downs.values():
            if down.source.ssrc == ssrc:
                return down if down in down.source.live else None
        return None

    # -- end ------------------------------------------------------------

    def describe(self) -> dict[str, object]:
        """For `room.stats`."""
        return {
            "state": self.transport.state,
            "path_changes": self.transport.path_changes,
            "version": self.version,
            "answered": self.answered,
            "remb": self.remb,
            "malformed": self.malformed,
            "tracks": [down.describe() for down in self.downs.values()],
        }

    def close(self) -> None:
        self.closed = True
        for down in self.downs.values():
            down.source.detach(down)
        self.downs.clear()
        self.offered_downs.clear()
        for line in self.lines:
            line.down = None
        self.transport.close()


def _section(line: Line) -> sdp_write.OfferedSection:
    if line.down is None:
        return sdp_write.OfferedSection(line.kind, line.mid)
    source = line.down.source
    return sdp_write.OfferedSection(
        line.kind, line.mid, source.peer, source.name, source.codec, source.ssrc, source.rtx_ssrc
    )
