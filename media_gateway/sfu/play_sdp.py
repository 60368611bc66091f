"""The answer to who plays (WHEP): what of ours the offer takes, under the offer's own numbers."""

from collections.abc import Iterable
from dataclasses import dataclass

from . import h264, sdp_write
from .burst import AUDIO_LEVEL_ID, DESCRIPTOR_ID
from .codecs import CODECS, H264, OPUS, RED, Codec
from .rtp import TRANSPORT_CC_URI
from .sdp import MediaSection, PayloadFormat
from .sdp_write import TransportLines

TRANSPORT_CC = "transport-cc"


@dataclass(frozen=True, slots=True)
class PlayFormat:
    """One of our codecs under the payload types a client knows it by; `feedback` is what both have."""

    codec: Codec
    payload_type: int
    rtx_payload_type: int | None
    fmtp: str
    feedback: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PlaySection:
    """One m-line of the answer; without `formats` it is rejected."""

    section: MediaSection
    formats: tuple[PlayFormat, ...] = ()
    ssrc: int = 0
    rtx_ssrc: int = 0


def play_formats(section: MediaSection) -> tuple[PlayFormat, ...]:
    """Those of our codecs that an m-line receives, each in the variant that suits best."""
    if not section.receives:
        return ()
    found = [_format(section, codec) for codec in CODECS if codec.kind == section.kind]
    taken = [form for form in found if form is not None]
    # Redundant sound names the payload type inside, and what is inside is sent on as it came.
    inner = next((form.payload_type for form in taken if form.codec is OPUS), None)
    return tuple(form for form in taken if form.codec is not RED or inner == OPUS.payload_type)


def numbering(sections: Iterable[tuple[MediaSection, tuple[PlayFormat, ...]]]) -> int | None:
    """The client's id of the transport-wide number, where all played m-lines take it; else None.

    A line without it would look like loss to the rest. Ids under which our packets may carry something else
    cannot be had.
    """
    ids = {section.extensions.get(TRANSPORT_CC_URI) for section, _ in sections}
    if not all(TRANSPORT_CC in form.feedback for _, formats in sections for form in formats):
        return None
    ident = ids.pop() if len(ids) == 1 else None
    usable = ident is not None and 1 <= ident <= 14 and ident not in (AUDIO_LEVEL_ID, DESCRIPTOR_ID)
    return ident if usable else None


def _format(section: MediaSection, codec: Codec) -> PlayFormat | None:
    fitting = [
        form for form in section.formats.values()
        if form.name.lower() == codec.name.lower() and form.clock_rate == codec.clock_rate
        and codec.fits(form.parameters)
    ]  # fmt: skip
    if not fitting:
        return None
    form = max(fitting, key=lambda form: codec.fits(form.parameters))
    fmtp = codec.fmtp
    if codec is H264:
        # Its variants count as different formats, so the answer must name the one that was offered.
        fmtp = fmtp.replace("42e01f", h264.profile_of(form.parameters))
    feedback = tuple(kind for kind in (TRANSPORT_CC, *codec.feedback) if kind in form.feedback)
    return PlayFormat(codec, form.payload_type, _repair(section, codec, form), fmtp, feedback)


def _repair(section: MediaSection, codec: Codec, form: PayloadFormat) -> int | None:
    if codec.rtx_payload_type is None or "nack" not in form.feedback:
        return None
    return next(
        (other.payload_type for other in section.formats.values() if other.apt == form.payload_type), None
    )


def play_answer(
    session: int, transport: TransportLines, sections: list[PlaySection], number_id: int | None
) -> str:
    """We are passive and send. Lines that cannot be played on are rejected.

    Candidates stand in every other m-line: those of the first would do (RFC 9429), but not for every program.
    """
    out = sdp_write.head(
        session, 1, [played.section.mid for played in sections if played.formats], transport, "passive"
    )
    for played in sections:
        section = played.section
        if not played.formats:
            formats = " ".join(map(str, section.formats)) or "0"
            out += [f"m={_kind(section)} 0 UDP/TLS/RTP/SAVPF {formats}", "c=IN IP4 0.0.0.0"]
            out += [f"a=mid:{section.mid}"] if section.mid else []
            out.append("a=inactive")
            continue
        types = [form.payload_type for form in played.formats]
        repairs = [form.rtx_payload_type for form in played.formats if form.rtx_payload_type is not None]
        out.append(f"m={section.kind} 9 UDP/TLS/RTP/SAVPF " + " ".join(map(str, types + repairs)))
        out += ["c=IN IP4 0.0.0.0", f"a=mid:{section.mid}", "a=sendonly"]
        out += [f"a=msid:play {section.kind}{section.mid}", "a=rtcp-mux", "a=rtcp-rsize"]
        out += sdp_write.candidate_lines(transport)
        if number_id is not None:
            out.append(f"a=extmap:{number_id} {TRANSPORT_CC_URI}")
        for form in played.formats:
            feedback = [kind for kind in form.feedback if kind != TRANSPORT_CC or number_id is not None]
            out += sdp_write.codec_lines(
                form.codec, form.payload_type, form.rtx_payload_type, form.fmtp, feedback
            )
        if repairs:
            out.append(f"a=ssrc-group:FID {played.ssrc} {played.rtx_ssrc}")
        out.append(f"a=ssrc:{played.ssrc} cname:play")
        if repairs:
            out.append(f"a=ssrc:{played.rtx_ssrc} cname:play")
    return "\r\n".join(out) + "\r\n"


def _kind(section: MediaSection) -> str:
    return section.kind if section.kind in ("audio", "video") else "application"
