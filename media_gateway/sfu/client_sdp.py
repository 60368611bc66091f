"""The SDP of the headless client: what a browser would say, without the parts that nothing here reads."""

import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field

from . import rtp, sdp
from .codecs import Codec

RID_URI = "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id"
REPAIRED_RID_URI = "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id"
EXTENSIONS = {rtp.MID_URI: 4, rtp.TRANSPORT_CC_URI: 3, rtp.AUDIO_LEVEL_URI: 1}
"""What every publish offer names; a simulcast track adds LAYER_EXTENSIONS."""
LAYER_EXTENSIONS = {RID_URI: 10, REPAIRED_RID_URI: 11}


@dataclass(slots=True)
class OutTrack:
    """A track the client publishes; sequence numbers and clock are the caller's."""

    source: str
    mid: str
    codec: Codec
    ssrc: int
    rtx_ssrc: int | None
    active: bool = True
    rids: tuple[str, ...] = ()
    """simulcast: the layers' names, lowest quality first"""
    layers: dict[str, int] = field(default_factory=dict)
    """rid -> ssrc; SDP never names these, packets do by their RID extension"""


@dataclass(frozen=True, slots=True)
class ClientLines:
    """The client's end of the transport."""

    ufrag: str
    pwd: str
    fingerprint: str

    def head(self, mids: Iterable[str], setup: str) -> list[str]:
        return [
            "v=0", f"o=- {secrets.randbits(31)} 1 IN IP4 127.0.0.1", "s=-", "t=0 0",
            "a=group:BUNDLE " + " ".join(mids), f"a=ice-ufrag:{self.ufrag}", f"a=ice-pwd:{self.pwd}",
            f"a=fingerprint:sha-256 {self.fingerprint}", f"a=setup:{setup}",
        ]  # fmt: skip


def offer(transport: ClientLines, tracks: list[OutTrack], *, name_ssrcs: bool, setup: str) -> str:
    """A publish offer. Without `name_ssrcs` the server must learn them by MID; layers it always must."""
    lines = transport.head([track.mid for track in tracks], setup)
    for track in tracks:
        codec = track.codec
        types = [codec.payload_type]
        if codec.rtx_payload_type is not None:
            types.append(codec.rtx_payload_type)
        lines += [f"m={codec.kind} 9 UDP/TLS/RTP/SAVPF {' '.join(map(str, types))}", "c=IN IP4 0.0.0.0"]
        lines += [f"a=mid:{track.mid}", "a=sendonly" if track.active else "a=inactive", "a=rtcp-mux"]
        extensions = EXTENSIONS | (LAYER_EXTENSIONS if track.rids else {})
        lines += [f"a=extmap:{ident} {uri}" for uri, ident in extensions.items()]
        lines += [f"a=rtpmap:{codec.payload_type} {codec.rtpmap}"]
        lines += [f"a=rtcp-fb:{codec.payload_type} transport-cc"]
        if codec.rtx_payload_type is not None:
            lines += [f"a=rtcp-fb:{codec.payload_type} {kind}" for kind in ("ccm fir", "nack", "nack pli")]
            lines += [f"a=rtpmap:{codec.rtx_payload_type} rtx/{codec.clock_rate}"]
            lines += [f"a=fmtp:{codec.rtx_payload_type} apt={codec.payload_type}"]
        if track.rids:
            lines += [f"a=rid:{rid} send" for rid in track.rids]
            lines += ["a=simulcast:send " + ";".join(track.rids)]
        elif name_ssrcs:
            if track.rtx_ssrc is not None:
                lines += [f"a=ssrc-group:FID {track.ssrc} {track.rtx_ssrc}"]
            lines += [f"a=ssrc:{track.ssrc} cname:x"]
    return "\r\n".join(lines) + "\r\n"


def answer(transport: ClientLines, description: sdp.Description, refuse: frozenset[str]) -> str:
    """The answer to a subscribe offer, taking everything offered but the mids in `refuse`."""
    lines = transport.head([section.mid for section in description.media], "active")
    for section in description.media:
        types = " ".join(map(str, section.formats))
        lines += [f"m={section.kind} 9 UDP/TLS/RTP/SAVPF {types}", "c=IN IP4 0.0.0.0"]
        wanted = section.sends and section.mid not in refuse
        lines += [f"a=mid:{section.mid}", "a=recvonly" if wanted else "a=inactive", "a=rtcp-mux"]
        lines += [f"a=extmap:{ident} {uri}" for uri, ident in section.extensions.items()]
        for form in section.formats.values():
            tail = f"/{form.channels}" if form.channels > 1 else ""
            lines.append(f"a=rtpmap:{form.payload_type} {form.name}/{form.clock_rate}{tail}")
            lines += [f"a=rtcp-fb:{form.payload_type} {kind}" for kind in sorted(form.feedback)]
            if form.apt is not None:
                lines.append(f"a=fmtp:{form.payload_type} apt={form.apt}")
    return "\r\n".join(lines) + "\r\n"
