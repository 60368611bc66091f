"""What a publish offer means: for each m-line the source, the codec, the layers and the feedback.

Plans are made for all m-lines of an offer before anything changes, so a refused offer leaves no trace.
"""

from dataclasses import dataclass

from . import dependency, h264, rtp, sdp
from .codecs import CODECS, H264, OPUS, RED, SOURCES, Codec
from .errors import GatewayError
from .identity import DIGESTS
from .sdp import MediaSection, PayloadFormat, bad_sdp
from .sdp_write import AnsweredFormat, AnsweredSection
from .simulcast import MAX_LAYERS, Rid, by_quality

SCTP_PROTOCOLS = frozenset({"UDP/DTLS/SCTP", "TCP/DTLS/SCTP"})
REDUNDANT_SOURCES = frozenset({"mic"})
"""Speech is worth its redundancy; music of a shared tab is several times as large."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What an offer means for one m-line. Without `codec` the m-line is rejected.

    `layers` are rids, lowest quality first; a stream without simulcast has the one rid "". `ssrcs` are those
    of layers that go by SSRC instead of a rid (SIM groups), in the same order.
    """

    section: MediaSection
    source: str | None
    codec: Codec | None
    formats: tuple[AnsweredFormat, ...] = ()
    layers: tuple[str, ...] = ("",)
    rids: tuple[str, ...] = ()
    """the accepted rids in the order of the offer"""
    ssrcs: tuple[int, ...] = ()
    extensions: tuple[tuple[int, str], ...] = ()
    sctp_port: int | None = None
    """the browser's port, where the m-line is a data channel that is accepted"""

    @property
    def payload_type(self) -> int:
        return self.formats[0].payload_type

    @property
    def rtx_payload_type(self) -> int | None:
        return self.formats[0].rtx_payload_type

    @property
    def plain_payload_type(self) -> int | None:
        """Beside redundant audio: what comes without redundancy."""
        return self.formats[1].payload_type if len(self.formats) > 1 else None

    def asks(self, feedback: str) -> bool:
        """Whether the answer asks for a kind of feedback (`a=rtcp-fb`)."""
        return feedback in self.formats[0].feedback

    def answer(self) -> AnsweredSection:
        section = self.section
        offered = " ".join(map(str, section.formats)) or "0"
        if self.codec is None:
            kind = section.kind if section.kind in ("audio", "video") else "application"
            if kind == "application":
                return AnsweredSection(
                    kind, section.mid, "UDP/DTLS/SCTP", "webrtc-datachannel", data=self.sctp_port is not None
                )
            return AnsweredSection(kind, section.mid, _safe(section.protocol), offered)
        return AnsweredSection(
            section.kind, section.mid, _safe(section.protocol), offered, self.formats,
            receiving=self.source is not None, extensions=self.extensions, rids=self.rids,
            receiver_time=section.receiver_time, mixed=section.mixed,
        )  # fmt: skip


def read_offer(
    text: object, sources: dict[str, str], fingerprints: list[tuple[str, str]]
) -> tuple[sdp.Description, list[Plan]]:
    """Check an offer against `sources` (mid -> source) and the certificate known so far, if any.

    GatewayError `bad_sdp` or `bad_request` when it is refused.
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
    known = known_fingerprints(carrier)
    if not known:
        raise bad_sdp("no fingerprint of a known algorithm")
    if carrier.setup not in ("actpass", "active"):
        raise bad_sdp("the offer must let us be DTLS server (setup:actpass)")
    if fingerprints and known != fingerprints:
        raise bad_sdp("the certificate changed: a new connection is needed")
    plans: list[Plan] = []
    for section in offer.media:
        source_name = sources.get(section.mid) if section.sends else None
        plan = _plan(section, source_name)
        if plan.codec is None and source_name is not None:
            names = "/".join(codec.name for codec in CODECS if codec.kind == section.kind)
            raise bad_sdp(f"m-line {section.mid!r} offers no {names}")
        plans.append(plan)
    if all(plan.codec is None and plan.sctp_port is None for plan in plans):
        raise bad_sdp("no m-line that could be accepted")
    return offer, plans


def known_fingerprints(section: MediaSection) -> list[tuple[str, str]]:
    return [pair for pair in section.fingerprints if pair[0] in DIGESTS]


def _plan(section: MediaSection, source: str | None) -> Plan:
    if section.kind == "application" and not section.rejected and section.protocol in SCTP_PROTOCOLS:
        return Plan(section, None, None, sctp_port=section.sctp_port)
    chosen = None if section.rejected else _choose(section)
    if chosen is None:
        return Plan(section, source, None)
    codec, form = chosen
    formats: tuple[AnsweredFormat, ...] = (_format(section, codec, form, source),)
    if codec is OPUS and source in REDUNDANT_SOURCES:
        redundant = _redundant(section, form)
        if redundant is not None:
            codec = RED
            fmtp = f"{form.payload_type}/{form.payload_type}"
            formats = (AnsweredFormat(RED, redundant, None, fmtp), *formats)
    rids = _rids(section, form) if codec.kind == "video" else []
    ssrcs = () if rids or codec.kind != "video" else _simulcast_ssrcs(section)
    layers = tuple(by_quality(rids)) if rids else tuple(map(str, range(len(ssrcs)))) or ("",)
    return Plan(
        section, source, codec, formats, layers, tuple(rid.name for rid in rids), ssrcs,
        _extensions(section, codec, formats[0], simulcast=bool(rids)),
    )  # fmt: skip


def _choose(section: MediaSection) -> tuple[Codec, PayloadFormat] | None:
    """The first codec of our table that an m-line offers, in the variant that suits best."""
    for codec in CODECS:
        if codec.kind != section.kind or codec is RED:
            continue
        found = [
            form for form in section.formats.values()
            if form.name.lower() == codec.name.lower() and form.clock_rate == codec.clock_rate
            and codec.fits(form.parameters)
        ]  # fmt: skip
        if found:
            return codec, max(found, key=lambda form: codec.fits(form.parameters))
    return None


def _format(section: MediaSection, codec: Codec, form: PayloadFormat, source: str | None) -> AnsweredFormat:
    """The answered format: the offer's numbers, of its feedback what we use, of our parameters what fits."""
    rtx = None
    if codec.rtx_payload_type is not None and "nack" in form.feedback:
        repair = (other for other in section.formats.values() if other.apt == form.payload_type)
        rtx = next((other.payload_type for other in repair), None)
    feedback = [kind for kind in codec.feedback if kind in form.feedback]
    if "transport-cc" in form.feedback and rtp.TRANSPORT_CC_URI in section.extensions:
        feedback.insert(0, "transport-cc")
    elif "goog-remb" in form.feedback and rtp.ABS_SEND_TIME_URI in section.extensions:
        feedback.insert(0, "goog-remb")
    fmtp = codec.publish_fmtp
    if codec is OPUS:
        fmtp += ";usedtx=1" if source == "mic" else ";stereo=1" if source == "screen_audio" else ""
    elif codec is H264:
        # Its variants count as different formats, so the answer must name the one that was offered.
        fmtp = fmtp.replace("42e01f", h264.profile_of(form.parameters))
    return AnsweredFormat(codec, form.payload_type, rtx, fmtp, tuple(feedback))


def _redundant(section: MediaSection, opus: PayloadFormat) -> int | None:
    """The payload type of redundant audio around this Opus format, if it is offered (RFC 2198)."""
    for form in section.formats.values():
        if form.name.lower() == RED.name and form.clock_rate == RED.clock_rate:
            inner = next(iter(form.parameters), "").split("/")
            if inner[0] == str(opus.payload_type) and len(set(inner)) == 1:
                return form.payload_type
    return None


def _rids(section: MediaSection, form: PayloadFormat) -> list[Rid]:
    """The simulcast layers to receive: those that may carry the format, three at most, in offered order."""
    if rtp.RID_URI not in section.extensions or rtp.MID_URI not in section.extensions:
        return []
    offered = [section.rids[name] for name in section.simulcast]
    fitting = [rid for rid in offered if not rid.payload_types or form.payload_type in rid.payload_types]
    return fitting[:MAX_LAYERS]


def _simulcast_ssrcs(section: MediaSection) -> tuple[int, ...]:
    """The layers of browsers that name them by SSRC (SIM groups), lowest first."""
    for group in section.sim_groups:
        if len(group) > 1 and len(set(group)) == len(group):
            return tuple(group[:MAX_LAYERS])
    return ()


def _extensions(
    section: MediaSection, codec: Codec, form: AnsweredFormat, *, simulcast: bool
) -> tuple[tuple[int, str], ...]:
    """The header extensions to take, with the browser's own ids."""
    wanted = [rtp.MID_URI]
    if simulcast:
        wanted += [rtp.RID_URI, rtp.REPAIRED_RID_URI]
    if "goog-remb" in form.feedback:
        wanted.append(rtp.ABS_SEND_TIME_URI)
    else:
        wanted.append(rtp.TRANSPORT_CC_URI)
    if section.kind == "audio":
        wanted.append(rtp.AUDIO_LEVEL_URI)
    elif codec.described:
        wanted.append(dependency.URI)
    return tuple((section.extensions[uri], uri) for uri in wanted if uri in section.extensions)


def _safe(protocol: str) -> str:
    return "UDP/TLS/RTP/SAVPF" if protocol.startswith("UDP/") else "RTP/SAVPF"
