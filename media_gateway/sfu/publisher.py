"""The connection on which one participant publishes: its answers, its packets, our feedback to it."""

import secrets
from collections.abc import Callable
from typing import Any

from . import rtcp, rtp, sdp, sdp_write
from .burst import AUDIO_LEVEL_ID
from .codecs import Codec
from .data import DataLink
from .endpoint import Endpoint
from .extended_report import DelayReport
from .feedback import Feedback
from .incoming import IncomingStream, Learner, PublishedTrack
from .planning import Plan, known_fingerprints, read_offer
from .receive import StreamReceiver
from .source import Source
from .transport import Transport
from .udp import Slot

MAX_SSRCS = 64
"""Different SSRCs one publisher may ever send; libsrtp keeps state for each."""
LEVELS = tuple(bytes((AUDIO_LEVEL_ID << 4, level)) for level in range(256))
"""The audio level extension element with the id of our own offers, by its byte."""


class PublishConnection:
    """Owner of the publishing transport of one peer.

    `hear(level)` gets the audio level of each microphone packet and says whether it goes to others;
    `message(topic, body)` gets what comes by the data channel; `state_changed(state)` the transport's
    state; `busy(self)` is called when packets came, so that only such connections are ticked.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        candidates: tuple[sdp_write.Candidate, ...],
        *,
        hear: Callable[[int], bool],
        state_changed: Callable[[str], None],
        busy: Callable[["PublishConnection"], None],
        message: Callable[[str, Any], None],
    ) -> None:
        self.endpoint = endpoint
        self.candidates = candidates
        self.hear = hear
        self.state_changed = state_changed
        self.busy = busy
        self.message = message
        self.data: DataLink | None = None
        self.data_port: int | None = None
        """the browser's SCTP port, once it offered a data channel"""
        self.ssrc = secrets.randbelow(0xFFFFFFFE) + 1
        self.session = secrets.randbits(62)
        self.version = 0
        self.tracks: dict[str, PublishedTrack] = {}
        self.by_ssrc: dict[int, IncomingStream] = {}
        self.strange_ssrcs: set[int] = set()
        self.learner = Learner()
        self.remote_ufrag: str | None = None
        self.fingerprints: list[tuple[str, str]] = []
        self.transport_id = 0
        self.feedback = Feedback(self)
        self.twcc = self.feedback.twcc
        self.plis = 0
        self.nacks = 0
        self.malformed = 0
        self.is_busy = False
        self.transport = Transport(endpoint, self)

    # -- negotiation ------------------------------------------------------------

    def plan(self, text: object, sources: dict[str, str]) -> tuple[sdp.Description, list[Plan]]:
        """Check an offer against `sources` (mid -> source) without changing anything.

        GatewayError when refused.
        """
        return read_offer(text, sources, self.fingerprints)

    def apply(
        self, offer: sdp.Description, plans: list[Plan], source_for: Callable[[str, Codec], Source]
    ) -> tuple[str, list[Source]]:
        """Take a checked offer on; the answer, and the sources that ended with it."""
        carrier = offer.transport_section()
        if self.remote_ufrag is not None and carrier.ice_ufrag != self.remote_ufrag:
            self.transport.restart()
        self.remote_ufrag = carrier.ice_ufrag
        if not self.fingerprints:
            self.fingerprints = known_fingerprints(carrier)
            self.transport.expect(self.fingerprints)
        wanted = {plan.section.mid: plan for plan in plans if plan.source is not None}
        ended = [track for mid, track in self.tracks.items() if not _goes_on(track, wanted.get(mid))]
        for track in ended:
            self._drop(track)
        for plan in plans:
            self._take_extensions(plan)
            self.data_port = plan.sctp_port or self.data_port
        self._open_data()
        for mid, plan in wanted.items():
            assert plan.source is not None and plan.codec is not None
            track = self.tracks.get(mid) or self._open(mid, source_for(plan.source, plan.codec))
            track.follow(plan)
        self.version += 1
        answered = [plan.answer() for plan in plans]
        answer = sdp_write.publish_answer(self.session, self.version, self.transport_lines(), answered)
        return answer, [track.source for track in ended]

    def transport_lines(self) -> sdp_write.TransportLines:
        """Our end of the transport, as it is now."""
        return self.transport.lines(self.candidates)

    def restart(self, ufrag: str) -> sdp_write.TransportLines:
        """An ICE restart without a new offer (WHIP): the client's new user fragment in, ours out."""
        self.remote_ufrag = ufrag
        self.transport.restart()
        return self.transport_lines()

    def _open(self, mid: str, source: Source) -> PublishedTrack:
        for other in [track for track in self.tracks.values() if track.source is source]:
            self._drop(other)  # the source moved to another m-line
        track = self.tracks[mid] = PublishedTrack(self, mid, source)
        return track

    def _drop(self, track: PublishedTrack) -> None:
        self.tracks.pop(track.mid, None)
        track.close()

    def _take_extensions(self, plan: Plan) -> None:
        self.learner.take(plan.extensions)
        for ident, uri in plan.extensions:
            if uri == rtp.TRANSPORT_CC_URI:
                self.transport_id = ident
            elif uri == rtp.ABS_SEND_TIME_URI:
                self.feedback.estimate_rate(ident)
        if plan.codec is not None and plan.section.receiver_time:
            self.feedback.receiver_time = True

    # -- incoming ------------------------------------------------------------

    def accepts_ssrc(self, ssrc: int) -> bool:
        return ssrc in self.by_ssrc or len(self.strange_ssrcs) < MAX_SSRCS

    def rtp_received(self, slot: Slot, length: int, now: float) -> None:
        view = slot.view
        _, second, sequence, timestamp, ssrc = rtp.HEADER.unpack_from(view)
        stream = self.by_ssrc.get(ssrc)
        try:
            start, end, number, at, size = rtp.scan(
                view, length, self.transport_id, stream.element_id if stream is not None else 0
            )
        except (ValueError, IndexError):
            self.malformed += 1
            return
        if not self.is_busy:
            self.is_busy = True
            self.busy(self)
        if number is not None:
            self.twcc.add(number, int(now * 1_000_000))
        elif self.feedback.remb is not None:
            self.feedback.take_send_time(view, length, now)
        if stream is None or second & 0x7F != stream.payload_type:
            self._unusual(stream, slot, length, start, end, now)
            return
        extended = stream.receiver.receive(sequence, timestamp, now)
        if extended is None:
            return
        if stream.receiver.missing and now >= stream.next_nack:
            stream.ask_again(now)  # first: after an outage this packet is no good to anybody either
        if not at:
            stream.deliver(extended, timestamp, second >> 7, view[start:end], now)
        elif stream.hears:
            level = view[at]
            heard = stream.track.source.blocked or self.hear(level & 0x7F)
            stream.deliver(
                extended, timestamp, second >> 7, view[start:end], now, LEVELS[level], forward=heard
            )
        else:
            stream.deliver(
                extended, timestamp, second >> 7, view[start:end], now, bytes(view[at : at + size])
            )

    def _unusual(
        self, stream: IncomingStream | None, slot: Slot, length: int, start: int, end: int, now: float
    ) -> None:
        """A packet of an unknown SSRC, a repetition, Opus without redundancy, or one of no use."""
        view = slot.view
        _, second, sequence, timestamp, ssrc = rtp.HEADER.unpack_from(view)
        payload_type = second & 0x7F
        if stream is None:
            stream = self._learn(ssrc, payload_type, view, length)
            if stream is None:
                return
        if payload_type == stream.rtx_payload_type:
            if end - start < 2:
                return  # an empty repetition is a bandwidth probe: it counts for the feedback alone
            sequence = view[start] << 8 | view[start + 1]
            extended = stream.receiver.receive(sequence, timestamp, now, recovered=True)
            start += 2
        elif payload_type in (stream.payload_type, stream.plain_payload_type):
            extended = stream.receiver.receive(sequence, timestamp, now)
        else:
            return  # another codec
        if extended is not None:
            _, _, _, at, size = rtp.scan(view, length, 0, stream.element_id)
            stream.take(extended, timestamp, second, view[start:end], bytes(view[at : at + size]), now)
        if stream.receiver.missing and now >= stream.next_nack:
            stream.ask_again(now)

    def _learn(self, ssrc: int, payload_type: int, view: memoryview, length: int) -> IncomingStream | None:
        """The stream of an SSRC that the offer did not name, by MID and RID."""
        self.strange_ssrcs.add(ssrc)
        stream = self.learner.find(self.tracks, payload_type, view, length)
        if stream is not None:
            self.by_ssrc[ssrc] = stream
            if payload_type != stream.rtx_payload_type:
                stream.bind(ssrc)
        return stream

    def rtcp_received(self, packet: bytes, now: float) -> None:
        try:
            for message in rtcp.parse(packet):
                if isinstance(message, rtcp.SenderReport):
                    stream = self.by_ssrc.get(message.ssrc)
                    if stream is not None and stream.ssrc == message.ssrc:
                        stream.receiver.sender_report(rtcp.ntp_middle(message.ntp), now)
                        stream.track.source.take_sender_report(
                            stream.layer, message.ntp, message.rtp_timestamp
                        )
                elif isinstance(message, DelayReport):
                    self.feedback.take_delays(message)
        except ValueError:
            self.malformed += 1

    def path_changed(self, now: float) -> None:
        """What was lost while the address changed is replaced by a new picture at once."""
        for track in self.tracks.values():
            track.source.request_keyframe(now)

    def transport_state(self, state: str) -> None:
        self._open_data()
        self.state_changed(state)

    def _open_data(self) -> None:
        """Begin the SCTP association as soon as it was negotiated and DTLS stands."""
        if self.data is None and self.data_port is not None and self.transport.ready:
            dtls = self.transport.dtls
            data = self.data = DataLink(self.data_port, dtls.send_data, self.message)
            dtls.on_data = lambda datagram: data.feed(datagram, self.endpoint.now)

    # -- feedback ------------------------------------------------------------

    def send(self, packet: bytes) -> None:
        self.transport.send_rtcp(packet)
        self.endpoint.request_flush()

    @property
    def streams(self) -> list[IncomingStream]:
        return [stream for track in self.tracks.values() for stream in track.streams.values()]

    @property
    def missing(self) -> bool:
        """Whether packets are waited for, so that this connection must be ticked."""
        return any(stream.receiver.missing for stream in self.streams)

    def tick(self, now: float) -> None:
        """Every few ten milliseconds while packets come: congestion feedback, repeated NACK."""
        self.transport.media_heard(now)
        self.feedback.tick(now, self.by_ssrc)
        for track in self.tracks.values():
            for stream in track.streams.values():
                if stream.receiver.missing:
                    stream.ask_again(now)

    def report(self, now: float) -> None:
        """Every second: what was received of each stream."""
        self.feedback.report(self.streams, now)

    def receivers(self) -> list[StreamReceiver]:
        """What is counted of every incoming stream."""
        return [stream.receiver for stream in self.streams]

    def describe(self) -> dict[str, object]:
        """For `room.stats`."""
        trip, remb = self.feedback.round_trip, self.feedback.remb
        return {
            "state": self.transport.state,
            "path_changes": self.transport.path_changes,
            "nacks": self.nacks,
            "plis": self.plis,
            "data": None if self.data is None else self.data.describe(),
            "malformed": self.malformed,
            "round_trip_ms": None if trip is None else round(1000 * trip, 1),
            "estimate": None if remb is None else round(remb.bitrate),
            "tracks": [{**track.describe(), **track.source.describe()} for track in self.tracks.values()],
        }

    def close(self) -> list[Source]:
        """Close the transport and let go of the sources, which are returned.

        Another connection may adopt them.
        """
        sources = [track.source for track in self.tracks.values()]
        for track in list(self.tracks.values()):
            self._drop(track)
        if self.data is not None:
            self.data.close()
        self.transport.close()
        return sources


def _goes_on(track: PublishedTrack, plan: Plan | None) -> bool:
    """Whether an m-line carries the same source in the same codec as before."""
    return plan is not None and plan.source == track.source.name and plan.codec is track.source.codec
