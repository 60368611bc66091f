"""Reading SDP of browsers (RFC 8866, JSEP RFC 9429): only what a forwarding server needs, refusing what it
cannot be.

Everything here may come from a hostile browser. What is written back into our own SDP (`sdp_write`) is
checked here to be a plain token or a number.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from .errors import GatewayError
from .simulcast import Rid, read_rid, read_simulcast

MAX_SDP = 65536
MAX_SECTIONS = 128
MAX_LINES = 6000
TOKEN = re.compile(r"[A-Za-z0-9_.+-]{1,32}")
ICE_CHARS = re.compile(r"[A-Za-z0-9+/=_-]{4,256}")
FINGERPRINT = re.compile(r"[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){19,63}")
DIRECTIONS = frozenset({"sendrecv", "sendonly", "recvonly", "inactive"})


def bad_sdp(message: str) -> GatewayError:
    return GatewayError("bad_sdp", message)


@dataclass(slots=True)
class PayloadFormat:
    """One payload type of an m-line."""

    payload_type: int
    name: str = ""
    clock_rate: int = 0
    channels: int = 1
    parameters: dict[str, str] = field(default_factory=dict)
    feedback: set[str] = field(default_factory=set)

    @property
    def apt(self) -> int | None:
        """The payload type an RTX format repairs."""
        value = self.parameters.get("apt", "")
        return int(value) if self.name.lower() == "rtx" and value.isdigit() else None


@dataclass(slots=True)
class MediaSection:
    """One m-line with its attributes; transport attributes are already completed from the session level."""

    kind: str
    port: int
    protocol: str
    formats: dict[int, PayloadFormat]
    mid: str = ""
    direction: str = "sendrecv"
    extensions: dict[str, int] = field(default_factory=dict)
    ssrcs: list[int] = field(default_factory=list)
    repairs: dict[int, int] = field(default_factory=dict)
    """ssrc -> the ssrc of its RTX stream (FID groups)"""
    sim_groups: list[list[int]] = field(default_factory=list)
    """ssrcs of the simulcast layers where they are named so (SIM groups), lowest quality first"""
    rids: dict[str, Rid] = field(default_factory=dict)
    simulcast: list[str] = field(default_factory=list)
    """the rids of `a=simulcast:send`, in its order; of alternatives the first"""
    ice_ufrag: str = ""
    ice_pwd: str = ""
    fingerprints: list[tuple[str, str]] = field(default_factory=list)
    setup: str = ""
    rtcp_mux: bool = False
    mixed: bool = False
    """`a=extmap-allow-mixed`: one-byte and two-byte header extensions may alternate (RFC 8285)"""
    receiver_time: bool = False
    """`a=rtcp-xr:rcvr-rtt`: the sender answers receiver reference times (RFC 3611)"""
    bundle_only: bool = False
    sctp_port: int | None = None
    """of a data channel's section"""

    @property
    def rejected(self) -> bool:
        return self.port == 0 and not self.bundle_only

    @property
    def sends(self) -> bool:
        return not self.rejected and self.direction in ("sendrecv", "sendonly")

    @property
    def receives(self) -> bool:
        return not self.rejected and self.direction in ("sendrecv", "recvonly")


@dataclass(slots=True)
class Description:
    """A whole session description."""

    media: list[MediaSection]
    bundle: list[str]

    def section(self, mid: str) -> MediaSection | None:
        return next((section for section in self.media if section.mid == mid), None)

    def transport_section(self) -> MediaSection:
        """The section whose transport carries the bundle. GatewayError when there is none that can."""
        for section in self.media:
            if section.rejected or (self.bundle and section.mid not in self.bundle):
                continue
            if section.ice_ufrag:
                return section
        raise bad_sdp("no media section with ICE credentials")


def _lines(sdp: object) -> Iterator[tuple[str, str]]:
    if not isinstance(sdp, str) or not sdp:
        raise bad_sdp("sdp must be a string")
    if len(sdp) > MAX_SDP:
        raise bad_sdp(f"longer than {MAX_SDP} characters")
    lines = sdp.splitlines()
    if len(lines) > MAX_LINES:
        raise bad_sdp("too many lines")
    for line in lines:
        if not line:
            continue
        if len(line) < 2 or line[1] != "=":
            raise bad_sdp(f"not an SDP line: {line[:40]!r}")
        yield line[0], line[2:].strip()


def parse(sdp: object) -> Description:
    """Parse an offer or an answer. GatewayError `bad_sdp` says what is wrong with it."""
    session = MediaSection("session", 9, "", {})
    media: list[MediaSection] = []
    bundle: list[str] = []
    current = session
    first = True
    for letter, value in _lines(sdp):
        if first:
            if (letter, value) != ("v", "0"):
                raise bad_sdp("does not begin with v=0")
            first = False
        elif letter == "m":
            if len(media) >= MAX_SECTIONS:
                raise bad_sdp("too many media sections")
            current = _media_line(value, session)
            media.append(current)
        elif letter == "a":
            name, _, argument = value.partition(":")
            if current is session and name == "group" and argument.startswith("BUNDLE"):
                bundle = bundle or argument.split()[1:]
            else:
                try:
                    _attribute(current, name, argument)
                except (ValueError, IndexError, KeyError) as error:
                    raise bad_sdp(f"bad attribute a={value[:60]!r}") from error
    if not media:
        raise bad_sdp("no media section")
    _check(media, bundle)
    return Description(media, bundle)


def _media_line(value: str, session: MediaSection) -> MediaSection:
    parts = value.split()
    if len(parts) < 4 or not parts[1].partition("/")[0].isdigit():
        raise bad_sdp(f"bad m-line {value[:60]!r}")
    kind, port, protocol = parts[0], int(parts[1].partition("/")[0]), parts[2]
    formats: dict[int, PayloadFormat] = {}
    if kind in ("audio", "video"):
        if not protocol.endswith("RTP/SAVPF"):
            raise bad_sdp(f"protocol {protocol[:20]!r} is not secure RTP with feedback")
        for text in parts[3:]:
            if not text.isdigit() or int(text) > 127:
                raise bad_sdp(f"bad payload type {text[:20]!r}")
            formats[int(text)] = PayloadFormat(int(text))
    return MediaSection(
        kind, port, protocol, formats,
        direction=session.direction, ice_ufrag=session.ice_ufrag, ice_pwd=session.ice_pwd,
        fingerprints=list(session.fingerprints), setup=session.setup, mixed=session.mixed,
    )  # fmt: skip


def _attribute(section: MediaSection, name: str, argument: str) -> None:
    """Take one attribute; unknown ones are passed over. ValueError and the like for broken ones."""
    if name in DIRECTIONS:
        section.direction = name
    elif name == "mid":
        if not TOKEN.fullmatch(argument):
            raise ValueError(argument)
        section.mid = argument
    elif name == "rtcp-mux":
        section.rtcp_mux = True
    elif name == "extmap-allow-mixed":
        section.mixed = True
    elif name == "rtcp-xr":
        section.receiver_time = "rcvr-rtt=all" in argument.split() or "rcvr-rtt=sender" in argument.split()
    elif name == "sctp-port":
        section.sctp_port = int(argument)
        if not 0 < section.sctp_port < 65536:
            raise ValueError(argument)
    elif name == "bundle-only":
        section.bundle_only = True
    elif name == "ice-ufrag":
        if not ICE_CHARS.fullmatch(argument):
            raise ValueError(argument)
        section.ice_ufrag = argument
    elif name == "ice-pwd":
        if not ICE_CHARS.fullmatch(argument):
            raise ValueError(argument)
        section.ice_pwd = argument
    elif name == "fingerprint":
        algorithm, value = argument.split()
        if not FINGERPRINT.fullmatch(value):
            raise ValueError(value)
        section.fingerprints.append((algorithm.lower(), value.upper()))
    elif name == "setup":
        section.setup = argument
    elif name == "rtpmap":
        text, codec = argument.split(None, 1)
        parts = codec.split("/")
        form = section.formats.get(int(text))
        if form is not None:
            form.name, form.clock_rate = parts[0], int(parts[1])
            form.channels = int(parts[2]) if len(parts) > 2 else 1
    elif name == "fmtp":
        text, _, parameters = argument.partition(" ")
        form = section.formats.get(int(text))
        if form is not None:
            for parameter in parameters.split(";"):
                key, _, value = parameter.strip().partition("=")
                form.parameters[key.lower()] = value
    elif name == "rtcp-fb":
        text, kind = argument.split(None, 1)
        for form in section.formats.values():
            if text == "*" or form.payload_type == int(text):
                form.feedback.add(kind.strip())
    elif name == "extmap":
        ident, uri = argument.split()[:2]
        number = int(ident.partition("/")[0])
        if 1 <= number <= 255:
            section.extensions.setdefault(uri, number)
    elif name == "ssrc":
        ssrc = _ssrc(argument.split(None, 1)[0])
        if ssrc not in section.ssrcs:
            section.ssrcs.append(ssrc)
    elif name == "ssrc-group":
        semantics, *members = argument.split()
        if semantics == "FID" and len(members) == 2:
            section.repairs[_ssrc(members[0])] = _ssrc(members[1])
        elif semantics == "SIM":
            section.sim_groups.append([_ssrc(member) for member in members])
    elif name == "rid":
        rid = read_rid(argument)
        if rid is not None and section.rids.setdefault(rid.name, rid) is not rid:
            raise ValueError("a rid is there twice")
    elif name == "simulcast":
        if section.simulcast:
            raise ValueError("two simulcast lines")
        section.simulcast = read_simulcast(argument)


def _ssrc(text: str) -> int:
    value = int(text)
    if not 0 <= value <= 0xFFFFFFFF:
        raise ValueError(text)
    return value


def _check(media: list[MediaSection], bundle: list[str]) -> None:
    seen: set[str] = set()
    active = [section for section in media if not section.rejected and section.kind in ("audio", "video")]
    for section in media:
        if not section.mid and not section.rejected:
            raise bad_sdp("a media section has no mid")
        if section.mid and section.mid in seen:
            raise bad_sdp(f"mid {section.mid!r} is there twice")
        seen.add(section.mid)
        unknown = [rid for rid in section.simulcast if rid not in section.rids]
        if unknown:
            raise bad_sdp(f"simulcast names rid {unknown[0][:20]!r}, which there is not")
        if len(section.ssrcs) > 16 or len(section.rids) > 16 or len(section.fingerprints) > 8:
            raise bad_sdp("too many ssrc, rid or fingerprint lines")
    for section in active:
        if not section.rtcp_mux:
            raise bad_sdp("rtcp-mux is required")
        if len(active) > 1 and section.mid not in bundle:
            raise bad_sdp("all media must be in one BUNDLE group")
