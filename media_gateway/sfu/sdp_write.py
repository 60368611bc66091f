"""Writing our two kinds of SDP: the answer to a publisher, the offer to a subscriber.

Transport attributes stand at session level: with up to a hundred m-lines, repeating them would break the 64
KiB limit of a signalling frame.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from . import dependency
from .burst import AUDIO_LEVEL_ID, DESCRIPTOR_ID, TRANSPORT_CC_ID
from .codecs import Codec, preferred_codec
from .data import MAX_MESSAGE, SCTP_PORT
from .rtp import AUDIO_LEVEL_URI, TRANSPORT_CC_URI


class Candidate(NamedTuple):
    """A host candidate of ours; over TCP we are passive (RFC 6544)."""

    ip: str
    port: int
    tcp: bool = False


@dataclass(frozen=True, slots=True)
class TransportLines:
    """What both kinds say of our end of the transport."""

    ufrag: str
    pwd: str
    fingerprint: str
    """sha-256, upper-case hex with colons"""
    candidates: tuple[Candidate, ...]
    """best first"""


@dataclass(frozen=True, slots=True)
class AnsweredFormat:
    """One payload type of a publish answer with its retransmission format, parameters and feedback."""

    codec: Codec
    payload_type: int
    rtx_payload_type: int | None = None
    fmtp: str = ""
    feedback: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AnsweredSection:
    """One m-line of a publish answer; without `formats` it is rejected.

    The format to send with comes first. `rids` are the simulcast layers that are received.
    """

    kind: str
    mid: str
    protocol: str
    offered: str
    """the payload types as offered, echoed when the section is rejected"""
    formats: tuple[AnsweredFormat, ...] = ()
    receiving: bool = False
    extensions: tuple[tuple[int, str], ...] = ()
    rids: tuple[str, ...] = ()
    receiver_time: bool = False
    mixed: bool = False
    data: bool = False
    """a data channel's section (RFC 8841) that is accepted"""

    @property
    def accepted(self) -> bool:
        return bool(self.formats) or self.data


@dataclass(frozen=True, slots=True)
class OfferedSection:
    """One m-line of a subscribe offer; without `ssrc` it is inactive."""

    kind: str
    mid: str
    peer: str = ""
    source: str = ""
    codec: Codec | None = None
    ssrc: int | None = None
    rtx_ssrc: int | None = None


def head(session: int, version: int, mids: Iterable[str], transport: TransportLines, setup: str) -> list[str]:
    """The session level of all our descriptions."""
    return [
        "v=0",
        f"o=- {session} {version} IN IP4 127.0.0.1",
        "s=-",
        "t=0 0",
        "a=ice-lite",
        "a=group:BUNDLE " + " ".join(mids),
        "a=msid-semantic: WMS *",
        f"a=ice-ufrag:{transport.ufrag}",
        f"a=ice-pwd:{transport.pwd}",
        f"a=fingerprint:sha-256 {transport.fingerprint}",
        f"a=setup:{setup}",
    ]


def candidate_lines(transport: TransportLines) -> list[str]:
    """Host candidates of RTP (component 1); the first has the highest priority (RFC 8445 section 5.1.2).

    TCP comes after all UDP, by a lower type preference and direction 4, passive (RFC 6544 section 4.2).
    """
    lines = []
    for place, (ip, port, tcp) in enumerate(transport.candidates):
        preference, local = (90, 4 << 13 | 8191 - place) if tcp else (126, 65535 - place)
        priority = preference << 24 | local << 8 | 255
        line = f"a=candidate:{place + 1} 1 {'tcp' if tcp else 'udp'} {priority} {ip} {port} typ host"
        lines.append(line + " tcptype passive" if tcp else line)
    return [*lines, "a=end-of-candidates"]


def codec_lines(
    codec: Codec, payload_type: int, rtx_payload_type: int | None, fmtp: str, feedback: Iterable[str]
) -> list[str]:
    """The attributes of one codec in an m-line."""
    lines = [f"a=rtpmap:{payload_type} {codec.rtpmap}"]
    lines += [f"a=rtcp-fb:{payload_type} {kind}" for kind in feedback]
    if fmtp:
        lines.append(f"a=fmtp:{payload_type} {fmtp}")
    if rtx_payload_type is not None:
        lines.append(f"a=rtpmap:{rtx_payload_type} rtx/{codec.clock_rate}")
        lines.append(f"a=fmtp:{rtx_payload_type} apt={payload_type}")
    return lines


def _finish(lines: list[str]) -> str:
    return "\r\n".join(lines) + "\r\n"


def publish_answer(
    session: int, version: int, transport: TransportLines, sections: list[AnsweredSection]
) -> str:
    """The answer to a publishing browser: we are passive, receive what was accepted, and ask for feedback.

    Candidates stand in every m-line: those of the first would do (RFC 9429), but not for every program.
    """
    mids = [section.mid for section in sections if section.accepted]
    lines = head(session, version, mids, transport, "passive")
    for section in sections:
        if not section.accepted:
            lines.append(f"m={section.kind} 0 {section.protocol} {section.offered}")
            lines.append("c=IN IP4 0.0.0.0")
            if section.mid:
                lines.append(f"a=mid:{section.mid}")
            lines.append("a=inactive")
            continue
        if section.data:
            lines.append(f"m={section.kind} 9 {section.protocol} {section.offered}")
            lines += ["c=IN IP4 0.0.0.0", f"a=mid:{section.mid}", *candidate_lines(transport)]
            lines += [f"a=sctp-port:{SCTP_PORT}", f"a=max-message-size:{MAX_MESSAGE}"]
            continue
        types = [form.payload_type for form in section.formats]
        types += [form.rtx_payload_type for form in section.formats if form.rtx_payload_type is not None]
        lines.append(f"m={section.kind} 9 {section.protocol} " + " ".join(map(str, types)))
        lines += ["c=IN IP4 0.0.0.0", f"a=mid:{section.mid}"]
        lines += ["a=recvonly" if section.receiving else "a=inactive", "a=rtcp-mux", "a=rtcp-rsize"]
        if section.mixed:
            lines.append("a=extmap-allow-mixed")
        if section.receiver_time:
            lines.append("a=rtcp-xr:rcvr-rtt=all")
        lines += candidate_lines(transport)
        lines += [f"a=extmap:{ident} {uri}" for ident, uri in section.extensions]
        for form in section.formats:
            lines += codec_lines(
                form.codec, form.payload_type, form.rtx_payload_type, form.fmtp, form.feedback
            )
        lines += [f"a=rid:{rid} recv" for rid in section.rids]
        if section.rids:
            lines.append("a=simulcast:recv " + ";".join(section.rids))
    return _finish(lines)


def _offered_extensions(codec: Codec) -> list[tuple[int, str]]:
    found = [(TRANSPORT_CC_ID, TRANSPORT_CC_URI)]
    if codec.kind == "audio":
        found.append((AUDIO_LEVEL_ID, AUDIO_LEVEL_URI))
    elif codec.described:
        found.append((DESCRIPTOR_ID, dependency.URI))
    return found


def subscribe_offer(
    session: int, version: int, transport: TransportLines, sections: list[OfferedSection]
) -> str:
    """An offer to a subscriber. `a=msid:<peer> <source>` says who and what each m-line carries."""
    lines = head(session, version, [section.mid for section in sections], transport, "actpass")
    lines.append("a=extmap-allow-mixed")
    for place, section in enumerate(sections):
        codec = section.codec or preferred_codec(section.kind)
        types = [codec.payload_type]
        if codec.plain is not None:
            types.append(codec.plain.payload_type)
        if codec.rtx_payload_type is not None:
            types.append(codec.rtx_payload_type)
        lines.append(f"m={section.kind} 9 UDP/TLS/RTP/SAVPF " + " ".join(map(str, types)))
        lines += ["c=IN IP4 0.0.0.0", f"a=mid:{section.mid}"]
        if section.ssrc is None:
            lines.append("a=inactive")
        else:
            lines += ["a=sendonly", f"a=msid:{section.peer} {section.source}"]
        # A browser that only receives learns the round trip so, and asks again for what is missing in time.
        lines += ["a=rtcp-mux", "a=rtcp-rsize", "a=rtcp-xr:rcvr-rtt=all"]
        if place == 0:
            lines += candidate_lines(transport)
        lines += [f"a=extmap:{ident} {uri}" for ident, uri in _offered_extensions(codec)]
        feedback = ("transport-cc", *codec.feedback)
        lines += codec_lines(codec, codec.payload_type, codec.rtx_payload_type, codec.fmtp, feedback)
        if codec.plain is not None:
            plain = codec.plain
            lines += codec_lines(plain, plain.payload_type, None, plain.fmtp, ("transport-cc",))
        if section.ssrc is not None:
            # Chromium takes the first ssrc line for the media, whatever the group says.
            if section.rtx_ssrc is not None:
                lines.append(f"a=ssrc-group:FID {section.ssrc} {section.rtx_ssrc}")
            lines.append(f"a=ssrc:{section.ssrc} cname:{section.peer}")
            if section.rtx_ssrc is not None:
                lines.append(f"a=ssrc:{section.rtx_ssrc} cname:{section.peer}")
    return _finish(lines)
