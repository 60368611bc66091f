"""The connection on which one participant receives.

Our offers, the outgoing tracks, answers to its feedback.
"""

import secrets
import time
from collections.abc import Callable
from typing import Any

from . import rtcp, sdp, sdp_write
from .allocation import Allocation
from .bandwidth import BandwidthEstimator
from .codecs import SOURCES
from .downtrack import DownTrack
from .endpoint import Endpoint
from .errors import GatewayError
from .identity import DIGESTS
from .sdp import bad_sdp
from .sender import Sender
from .source import Source
from .transport import Transport
from .udp import Slot

OFFER_DELAY = 0.01
"""Seconds in which changes gather into one offer."""
OFFER_REPEAT = 10.0
"""Seconds after which an unanswered offer is sent again: the event may have been lost with a control link."""
MAX_LINES = 120
CLOCK_GAP = 0.1
"""Seconds between two answers to a browser's clock, at least; one that asks without end gets no more."""
FRESHENED = 12
"""Pictures of a newcomer that key frames are asked for before they can be sent."""
PROBE_EVERY, PROBE_EVERY_SHORT = 0.2, 0.1
"""Seconds between two looks at whether to try for more, and while a picture is short of its best."""


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
        candidates: tuple[sdp_write.Candidate, ...],
        *,
        offer: Callable[[int, str], None],
        state_changed: Callable[[str], None],
        call_later: Callable[[float, Callable[[], None]], object],
        wake: Callable[[Sender], None],
        paused: Callable[[list[dict[str, Any]]], None],
    ) -> None:
        self.endpoint = endpoint
        self.candidates = candidates
        self.offer = offer
        self.state_changed = state_changed
        self.call_later = call_later
        self.session = secrets.randbits(62)
        self.rtcp_ssrc = secrets.randbelow(0xFFFFFFFE) + 1
        self.version = 0
        self.answered = 0
        self.dirty = False
        self.restarted: int | None = None
        """0 or the version of the offer with new ICE credentials that is not answered yet"""
        self.scheduled = False
        self.closed = False
        self.offered_at = 0.0
        self.offered: str = ""
        self.offered_downs: dict[str, DownTrack | None] = {}
        self.fingerprints: list[tuple[str, str]] = []
        self.downs: dict[int, DownTrack] = {}
        self.by_ssrc: dict[int, DownTrack] = {}
        """what was found by SSRC lately; checked at each use"""
        self.probe_at = 0.0
        self.malformed = 0
        self.told_time_at = 0.0
        self.lines = [Line("0", "audio"), Line("1", "video")]
        self.transport = Transport(endpoint, self)
        estimator = BandwidthEstimator(endpoint.now)
        self.sender = Sender(self.transport, endpoint.socket, estimator, wake)
        self.allocation = Allocation(self.sender, self.downs, paused)

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
        line.down = self.downs[source.number] = DownTrack(source, self.sender, line.mid)
        self._changed()

    def remove(self, source: Source) -> None:
        """The source ended: its m-line goes inactive and may carry another one later."""
        down = self.downs.pop(source.number, None)
        if down is None:
            return
        self.by_ssrc.pop(down.ssrc, None)
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

    def restart(self) -> None:
        """New ICE credentials with the next offer; DTLS and SRTP stay. Once until that offer is answered."""
        if self.transport.state in ("failed", "closed"):
            raise GatewayError("bad_request", "the connection has ended: a new one is needed")
        if self.restarted is None:
            self.restarted = 0
            self.transport.restart()
            self._changed()

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
        if self.restarted == 0:
            self.restarted = self.version
        self.offered_at = time.monotonic()
        self.offered_downs = {line.mid: line.down for line in self.lines}
        lines = self.transport.lines(self.candidates)
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
        if self.restarted == version:
            self.restarted = None
        if not self.fingerprints:
            self.fingerprints = known
            self.transport.expect(known)
        for line in self.lines:
            if self.offered_downs.get(line.mid) is None:
                line.draining = False
        self.allocation.has_feedback = any(
            "transport-cc" in form.feedback for section in answer.media for form in section.formats.values()
        )
        for section in answer.media:
            down = self.offered_downs[section.mid]
            if down is None or self.downs.get(down.source.number) is not down:
                continue
            rtx = down.source.codec.rtx_payload_type
            down.rtx = rtx is not None and rtx in section.formats
            codec = down.source.codec
            down.plain = codec.plain is not None and codec.payload_type not in section.formats
            codec = codec.plain if codec.plain is not None and down.plain else codec
            accepted = section.receives and codec.payload_type in section.formats
            self._set_accepted(down, accepted)
        if not self.transport.ready:
            self._freshen()
        if self.dirty:
            self._changed()

    def _freshen(self) -> None:
        """Have key frames by the time the connection stands: they take about as long to come."""
        now = self.endpoint.now
        shown = [
            down for down in self.downs.values()
            if down.attached and not down.is_audio and self.allocation.shows(down)
        ]  # fmt: skip
        for down in shown[:FRESHENED]:
            down.source.freshen(now)

    def _attach(self, down: DownTrack) -> None:
        down.source.attach(down, self.endpoint.now)
        if not down.is_audio:
            self.allocation.run(self.endpoint.now)

    def _set_accepted(self, down: DownTrack, accepted: bool) -> None:
        if accepted and not down.attached:
            down.attached = True
            if self.transport.ready:
                self._attach(down)
        elif not accepted and down.attached:
            down.attached = False
            down.source.detach(down)

    # -- transport ------------------------------------------------------------

    def transport_state(self, state: str) -> None:
        for down in self.downs.values():
            started = down in down.source.downs
            if state == "connected" and down.attached and not started:
                self._attach(down)
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
            if rtcp.is_only_transport_feedback(packet):
                # By far the most of what comes here: sixteen a second from each browser.
                self._feedback(packet[12:], now)
                return
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
                down.request_keyframe(now)
        elif isinstance(message, rtcp.ReceiverReport):
            for block in message.reports:
                down = self._by_ssrc(block.ssrc)
                if down is not None:
                    down.take_report(block, now)
                    self.sender.estimator.report(block.fraction_lost / 256, down.round_trip, now)
        elif isinstance(message, rtcp.TransportFeedback):
            self._feedback(message.body, now)
        elif isinstance(message, rtcp.ReferenceTime) and now - self.told_time_at >= CLOCK_GAP:
            self.told_time_at = now
            self.transport.send_rtcp(message.answer(self.rtcp_ssrc))
        elif isinstance(message, rtcp.Remb):
            self.allocation.limit_bitrate = float(message.bitrate)

    def _feedback(self, body: bytes, now: float) -> None:
        estimator = self.sender.estimator
        silent = estimator.silent
        estimator.feedback(body, now)
        self.sender.follow(now)
        if silent and not estimator.silent:
            for down in self.downs.values():
                down.refresh(now)
        if self.allocation.changed(now):
            self.allocation.run(now)
        if estimator.eager:
            self.probe_at = now

    def tick(self, now: float) -> None:
        """Every few ten milliseconds: the estimate, who gets what, and whether to try for more."""
        if not self.transport.ready:
            return
        if self.allocation.due(now):
            self.allocation.run(now)
        if now < self.probe_at:
            return
        self.probe_at = now + (PROBE_EVERY_SHORT if self.allocation.short else PROBE_EVERY)
        estimator = self.sender.estimator
        estimator.tick(now)
        if self.allocation.has_feedback:
            probe = estimator.next_probe(now, self.allocation.wanted)
            source = self._prober() if probe is not None else None
            if probe is not None and source is not None:
                self.sender.probe(probe, source, now)

    def _prober(self) -> DownTrack | None:
        """A picture whose packets a probe can be made of, best one that is being sent."""
        able = [down for down in self.downs.values() if down.rtx and down.attached]
        return next((down for down in able if down.layer is not None), able[0] if able else None)

    def _by_ssrc(self, ssrc: int) -> DownTrack | None:
        down = self.by_ssrc.get(ssrc)
        if down is None or self.downs.get(down.source.number) is not down or down.ssrc != ssrc:
            down = next((other for other in self.downs.values() if other.ssrc == ssrc), None)
            if down is None:
                return None
            self.by_ssrc[ssrc] = down
        return down if down in down.source.downs else None

    # -- end ------------------------------------------------------------

    def describe(self) -> dict[str, object]:
        """For `room.stats`."""
        return {
            "state": self.transport.state,
            "path_changes": self.transport.path_changes,
            "version": self.version,
            "answered": self.answered,
            "sending": self.sender.describe(),
            "allocation": self.allocation.describe(),
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
