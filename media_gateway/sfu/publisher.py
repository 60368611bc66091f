"""The connection on which one participant publishes.

Its answers, its incoming streams, our feedback to it.
"""

import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from . import rtcp, rtp, sdp, sdp_write
from .codecs import CODECS, SOURCES, Codec
from .dtls import DIGESTS
from .endpoint import Endpoint
from .errors import GatewayError
from .receive import StreamReceiver
from .sdp import MediaSection, bad_sdp
from .source import Source
from .transport import Transport
from .twcc import Recorder
from .udp import Slot

MAX_SSRCS = 64
"""Different SSRCs one publisher may ever send; libsrtp keeps state for each."""
NACK_EVERY = 0.005
"""Seconds between two looks at the list of missing packets."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What an offer means for one m-line; made for all before anything changes."""

    section: MediaSection
    source: str | None
    codec: Codec | None
    payload_type: int = 0
    rtx_payload_type: int | None = None


class PublishedTrack:
    """One receiving m-line: the way from an SSRC to a source."""

    def __init__(self, connection: "PublishConnection", mid: str, source: Source) -> None:
        self.connection = connection
        self.mid = mid
        self.source = source
        self.payload_type = 0
        self.rtx_payload_type: int | None = None
        self.ssrc: int | None = None
        self.receiver = StreamReceiver(source.codec.clock_rate)
        self.next_nack = 0.0
        self.layer = source.layer("")
        self.layer.uplink = self
        self.layer.new_stream()

    def bind(self, ssrc: int) -> None:
        """The m-line's media comes with this SSRC from now on."""
        if ssrc == self.ssrc:
            return
        if self.ssrc is not None:
            self.connection.by_ssrc.pop(self.ssrc, None)
            self.receiver = StreamReceiver(self.source.codec.clock_rate)
            self.layer.new_stream()
        self.ssrc = ssrc

    def request_keyframe(self) -> bool:
        connection = self.connection
        if self.ssrc is None or not connection.transport.ready:
            return False
        connection.plis += 1
        connection.send(rtcp.KeyFrameRequest(connection.ssrc, self.ssrc).pack())
        return True

    def ask_again(self, now: float) -> None:
        """NACK what is missing, as far as it is due."""
        self.next_nack = now + NACK_EVERY
        if self.rtx_payload_type is None or self.ssrc is None:
            # Nothing to ask for: without RTX a gap is only counted.
            self.receiver.due(now)
            return
        due = self.receiver.due(now)
        if due and not self.source.blocked:
            self.connection.nacks += len(due)
            self.connection.send(rtcp.Nack(self.connection.ssrc, self.ssrc, due).pack())


class PublishConnection:
    """Owner of the publishing transport of one peer.

    `hear(level)` gets the audio level of each microphone packet and says whether others get it;
    `state_changed(state)` the transport's state; `busy(self)` is called when packets came, so that only
    such connections are ticked.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        candidates: tuple[sdp_write.Candidate, ...],
        *,
        hear: Callable[[int], bool],
        state_changed: Callable[[str], None],
        busy: Callable[["PublishConnection"], None],
    ) -> None:
        self.endpoint = endpoint
        self.candidates = candidates
        self.hear = hear
        self.state_changed = state_changed
        self.busy = busy
        self.ssrc = secrets.randbelow(0xFFFFFFFE) + 1
        self.session = secrets.randbits(62)
        self.version = 0
        self.tracks: dict[str, PublishedTrack] = {}
        self.by_ssrc: dict[int, PublishedTrack] = {}
        self.strange_ssrcs: set[int] = set()
        self.remote_ufrag: str | None = None
        self.fingerprints: list[tuple[str, str]] = []
        self.mid_id = self.transport_id = self.level_id = 0
        self.twcc = Recorder()
        self.twcc_at = 0.0
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
        offer = sdp.parse(text)
        for mid, source in sources.items():
            section = offer.section(mid)
            if section is None:
                raise GatewayError("bad_request", f"the offer has no m-line {mid!r}")
            if section.kind != SOURCES[source]:
                raise GatewayError("bad_request", f"{source} cannot be {section.kind}")
        carrier = offer.transport_section()
        if not carrier.ice_pwd:
            raise bad_sdp("no ICE password")
        known = [pair for pair in carrier.fingerprints if pair[0] in DIGESTS]
        if not known:
            raise bad_sdp("no fingerprint of a known algorithm")
        if carrier.setup not in ("actpass", "active"):
            raise bad_sdp("the offer must let us be DTLS server (setup:actpass)")
        if self.fingerprints and known != self.fingerprints:
            raise bad_sdp("the certificate changed: a new connection is needed")
        plans: list[Plan] = []
        for section in offer.media:
            source_name = sources.get(section.mid) if section.sends else None
            plan = _choose(section, source_name)
            if plan.codec is None and source_name is not None:
                names = "/".join(codec.name for codec in CODECS if codec.kind == section.kind)
                raise bad_sdp(f"m-line {section.mid!r} offers no {names}")
            plans.append(plan)
        if all(plan.codec is None for plan in plans):
            raise bad_sdp("no m-line that could be accepted")
        return offer, plans

    def apply(
        self, offer: sdp.Description, plans: list[Plan], source_for: Callable[[str, Codec], Source]
    ) -> tuple[str, list[Source]]:
        """Take a checked offer on; the answer, and the sources that ended with it."""
        carrier = offer.transport_section()
        if self.remote_ufrag is not None and carrier.ice_ufrag != self.remote_ufrag:
            self.transport.restart()
        self.remote_ufrag = carrier.ice_ufrag
        if not self.fingerprints:
            self.fingerprints = [pair for pair in carrier.fingerprints if pair[0] in DIGESTS]
            self.transport.expect(self.fingerprints)
        wanted = {plan.section.mid: plan for plan in plans if plan.source is not None}
        ended = [
            track for mid, track in self.tracks.items()
            if mid not in wanted or wanted[mid].source != track.source.name
        ]  # fmt: skip
        for track in ended:
            self._drop(track)
        for mid, plan in wanted.items():
            assert plan.source is not None and plan.codec is not None
            track = self.tracks.get(mid) or self._open(mid, source_for(plan.source, plan.codec))
            track.payload_type, track.rtx_payload_type = plan.payload_type, plan.rtx_payload_type
            self._bind_ssrcs(track, plan.section)
        answered = [self._section(plan) for plan in plans]
        self.version += 1
        gone = [track.source for track in ended]
        answer = sdp_write.publish_answer(self.session, self.version, self.transport_lines(), answered)
        return answer, gone

    def transport_lines(self) -> sdp_write.TransportLines:
        """Our end of the transport, as it is now."""
        current = self.transport.current
        return sdp_write.TransportLines(
            current.ufrag, current.pwd, self.endpoint.identity.fingerprint, self.candidates
        )

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
        for ssrc in [ssrc for ssrc, owner in self.by_ssrc.items() if owner is track]:
            del self.by_ssrc[ssrc]
        if track.layer.uplink is track:
            track.layer.uplink = None

    def _bind_ssrcs(self, track: PublishedTrack, section: MediaSection) -> None:
        repairs = set(section.repairs.values())
        primary = next((ssrc for ssrc in section.ssrcs if ssrc not in repairs), None)
        if primary is None:
            return  # learned from the MID extension
        self.by_ssrc[primary] = track
        track.bind(primary)
        repair = section.repairs.get(primary)
        if repair is not None:
            self.by_ssrc[repair] = track

    def _section(self, plan: Plan) -> sdp_write.AnsweredSection:
        section, codec = plan.section, plan.codec
        formats = " ".join(map(str, section.formats)) or "0"
        if codec is None:
            if section.kind in ("audio", "video"):
                return sdp_write.AnsweredSection(section.kind, section.mid, _safe(section.protocol), formats)
            # Browsers read no data channel's line with the protocol of media, not even a rejected one.
            return sdp_write.AnsweredSection(
                "application", section.mid, "UDP/DTLS/SCTP", "webrtc-datachannel"
            )
        extensions = []
        for uri in (rtp.MID_URI, rtp.TRANSPORT_CC_URI, rtp.AUDIO_LEVEL_URI):
            ident = section.extensions.get(uri)
            if ident is None or (uri == rtp.AUDIO_LEVEL_URI and section.kind != "audio"):
                continue
            extensions.append((ident, uri))
            if uri == rtp.MID_URI:
                self.mid_id = ident
            elif uri == rtp.TRANSPORT_CC_URI:
                self.transport_id = ident
            else:
                self.level_id = ident
        return sdp_write.AnsweredSection(
            section.kind, section.mid, _safe(section.protocol), formats, codec,
            plan.payload_type, plan.rtx_payload_type, plan.source is not None, tuple(extensions),
            transport_cc=rtp.TRANSPORT_CC_URI in section.extensions
            and "transport-cc" in section.formats[plan.payload_type].feedback,
            dtx=plan.source == "mic", stereo=plan.source == "screen_audio",
        )  # fmt: skip

    # -- incoming ------------------------------------------------------------

    def accepts_ssrc(self, ssrc: int) -> bool:
        return ssrc in self.by_ssrc or len(self.strange_ssrcs) < MAX_SSRCS

    def rtp_received(self, slot: Slot, length: int, now: float) -> None:
        view = slot.view
        _, second, sequence, timestamp, ssrc = rtp.HEADER.unpack_from(view)
        try:
            start, end, transport_number, level = rtp.scan(view, length, self.transport_id, self.level_id)
        except (ValueError, IndexError):
            self.malformed += 1
            return
        if not self.is_busy:
            self.is_busy = True
            self.busy(self)
        if transport_number is not None:
            self.twcc.add(transport_number, int(now * 1_000_000))
        track = self.by_ssrc.get(ssrc)
        payload_type = second & 0x7F
        if track is None:
            track = self._learn(ssrc, payload_type, view, length)
            if track is None:
                return
        recovered = False
        if payload_type != track.payload_type:
            if payload_type != track.rtx_payload_type or end - start < 2:
                return  # another codec, or an empty RTX packet: a bandwidth probe
            sequence = view[start] << 8 | view[start + 1]
            start += 2
            recovered = True
        receiver = track.receiver
        extended = receiver.receive(sequence, timestamp, now, recovered=recovered)
        if extended is None:
            return
        source = track.source
        heard = True
        if level is not None and source.name == "mic" and not source.blocked:
            heard = self.hear(level & 0x7F)
        track.layer.deliver(extended, timestamp, second >> 7, view[start:end], now, forward=heard)
        if receiver.missing and now >= track.next_nack:
            track.ask_again(now)

    def _learn(self, ssrc: int, payload_type: int, view: memoryview, length: int) -> PublishedTrack | None:
        """Find the m-line of an SSRC that the offer did not name.

        By MID, else by a payload type of one only.
        """
        self.strange_ssrcs.add(ssrc)
        mid = rtp.read_extensions(view, length).get(self.mid_id)
        candidates: Iterable[PublishedTrack]
        if mid is not None:
            named = self.tracks.get(mid.decode("ascii", "replace"))
            candidates = [named] if named is not None else []
        else:
            # A guess must not take an m-line away from the SSRC it is known to have.
            candidates = [track for track in self.tracks.values() if track.ssrc is None]
        fitting = [
            track for track in candidates if payload_type in (track.payload_type, track.rtx_payload_type)
        ]
        if len(fitting) != 1:
            return None
        track = fitting[0]
        self.by_ssrc[ssrc] = track
        if payload_type == track.payload_type:
            track.bind(ssrc)
        return track

    def rtcp_received(self, packet: bytes, now: float) -> None:
        try:
            for message in rtcp.parse(packet):
                if isinstance(message, rtcp.SenderReport):
                    track = self.by_ssrc.get(message.ssrc)
                    if track is not None and track.ssrc == message.ssrc:
                        track.receiver.sender_report(rtcp.ntp_middle(message.ntp), now)
                        track.source.take_sender_report(track.layer, message.ntp, message.rtp_timestamp)
        except ValueError:
            self.malformed += 1

    def path_changed(self, now: float) -> None:
        """What was lost while the address changed is replaced by a new picture at once."""
        for track in self.tracks.values():
            track.source.request_keyframe(now)

    def transport_state(self, state: str) -> None:
        self.state_changed(state)

    # -- feedback ------------------------------------------------------------

    def send(self, packet: bytes) -> None:
        self.transport.send_rtcp(packet)
        self.endpoint.request_flush()

    def tick(self, now: float) -> None:
        """Every few ten milliseconds while packets come: congestion feedback, repeated NACK."""
        if now - self.twcc_at >= 0.05:
            self.twcc_at = now
            media = next(iter(self.by_ssrc), 0)
            for body in self.twcc.take():
                self.send(rtcp.transport_feedback(self.ssrc, media, body))
        for track in self.tracks.values():
            if track.receiver.missing:
                track.ask_again(now)

    def report(self, now: float) -> None:
        """Every second: what was received of each stream."""
        blocks = [
            track.receiver.report(track.ssrc, now)
            for track in self.tracks.values()
            if track.ssrc is not None and track.receiver.received
        ]
        if blocks and self.transport.ready:
            self.send(rtcp.ReceiverReport(self.ssrc, blocks[:31]).pack())

    def receivers(self) -> list[StreamReceiver]:
        """What is counted of every incoming stream."""
        return [track.receiver for track in self.tracks.values()]

    def describe(self) -> dict[str, object]:
        """For `room.stats`."""
        return {
            "state": self.transport.state,
            "path_changes": self.transport.path_changes,
            "nacks": self.nacks,
            "plis": self.plis,
            "malformed": self.malformed,
            "tracks": [
                {
                    "mid": track.mid,
                    "received": track.receiver.received,
                    "lost": track.receiver.lost,
                    "recovered": track.receiver.recovered,
                    "jitter_ms": round(1000 * track.receiver.jitter / track.receiver.clock_rate, 1),
                    **track.source.describe(),
                }
                for track in self.tracks.values()
            ],
        }

    def close(self) -> list[Source]:
        """Close the transport and let go of the sources, which are returned.

        Another connection may adopt them.
        """
        sources = [track.source for track in self.tracks.values()]
        for track in list(self.tracks.values()):
            self._drop(track)
        self.transport.close()
        return sources


def _choose(section: MediaSection, source: str | None) -> Plan:
    """The first codec of our table that an m-line offers, with its RTX if there is one."""
    if section.rejected:
        return Plan(section, source, None)
    for codec in CODECS:
        if codec.kind != section.kind:
            continue
        for form in section.formats.values():
            if form.name.lower() != codec.name.lower() or form.clock_rate != codec.clock_rate:
                continue
            rtx = None
            if codec.rtx_payload_type is not None and "nack" in form.feedback:
                repair = (other for other in section.formats.values() if other.apt == form.payload_type)
                rtx = next((other.payload_type for other in repair), None)
            return Plan(section, source, codec, form.payload_type, rtx)
    return Plan(section, source, None)


def _safe(protocol: str) -> str:
    return "UDP/TLS/RTP/SAVPF" if protocol.startswith("UDP/") else "RTP/SAVPF"
