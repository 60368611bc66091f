"""Session descriptions as WHIP and WHEP carry them: what an offer holds, an answer for any client, fragments.

The media worker reads and answers offers; here is only what HTTP needs to know of them beforehand.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from media_gateway.sfu import sdp
from media_gateway.sfu.errors import GatewayError

MAX_FRAGMENT_LINES = 400
# RFC 8839 section 5.1: foundation, component, transport, priority, address, port, type, extensions.
_CANDIDATE = re.compile(
    r"[A-Za-z0-9+/]{1,32} \d{1,5} \S{1,12} \d{1,10} \S{1,255} \d{1,5} typ \S{1,16}( \S+ \S+)*"
)
_ICE_CHARS = re.compile(r"[A-Za-z0-9+/=_-]{4,256}")
_TRANSPORT = ("a=ice-ufrag:", "a=ice-pwd:", "a=fingerprint:", "a=setup:")


class BadDescription(ValueError):
    """Not a description or fragment; the text says what is wrong, in English, for programmers."""


@dataclass(frozen=True)
class OfferedMedia:
    """One m-line of an offer. `kind` is "audio", "video", "application", …"""

    mid: str
    kind: str
    sends: bool
    receives: bool


@dataclass(frozen=True)
class Offer:
    media: tuple[OfferedMedia, ...]
    ufrag: str

    def of_kind(self, kind: str) -> list[OfferedMedia]:
        return [media for media in self.media if media.kind == kind]


@dataclass(frozen=True)
class Fragment:
    """What a PATCH brings (RFC 8840 section 4.4). `ufrag` and `pwd` are "" where the fragment has none."""

    ufrag: str
    pwd: str
    candidates: int


def read_offer(text: str) -> Offer:
    """The offer's m-lines. BadDescription when it is none, or lacks ICE credentials."""
    try:
        description = sdp.parse(text)
        carrier = description.transport_section()
    except GatewayError as error:
        raise BadDescription(error.message) from error
    media = tuple(
        OfferedMedia(section.mid, section.kind, section.sends, section.receives)
        for section in description.media
        if not section.rejected
    )
    return Offer(media, carrier.ice_ufrag)


def read_fragment(text: str) -> Fragment:
    """Check a trickle-ice-sdpfrag line by line. BadDescription says which line is wrong."""
    lines = text.splitlines()
    if len(lines) > MAX_FRAGMENT_LINES:
        raise BadDescription(f"more than {MAX_FRAGMENT_LINES} lines")
    ufrag = pwd = ""
    candidates, told = 0, False
    for line in filter(None, lines):
        name, _, value = line.strip().partition(":")
        if line[:2] not in ("a=", "m="):
            raise BadDescription(f"not a line of a fragment: {line[:40]!r}")
        if name == "a=ice-ufrag":
            ufrag, told = _checked(value, ufrag), True
        elif name == "a=ice-pwd":
            pwd, told = _checked(value, pwd), True
        elif name == "a=candidate":
            if not _CANDIDATE.fullmatch(value):
                raise BadDescription(f"not a candidate: {value[:60]!r}")
            candidates += 1
        elif name == "a=end-of-candidates":
            told = True
    if bool(ufrag) != bool(pwd):
        raise BadDescription("ice-ufrag and ice-pwd come together")
    if not told and not candidates:
        raise BadDescription("neither ICE credentials nor candidates")
    return Fragment(ufrag, pwd, candidates)


def _checked(value: str, before: str) -> str:
    if not _ICE_CHARS.fullmatch(value) or before not in ("", value):
        raise BadDescription("bad ICE credentials")
    return value


def for_any_client(answer: str) -> str:
    """The worker's answer with transport attributes in each m-section, as JSEP (RFC 9429) writes them.

    Browsers also find them at session level, where the worker writes them once for all; some encoders look
    in the sections alone. RFC 9725 section 4.4.1 asks for `rtcp-mux-only`.
    """
    lines = answer.splitlines()
    first = next((place for place, line in enumerate(lines) if line.startswith("m=")), len(lines))
    shared = [line for line in lines[:first] if line.startswith(_TRANSPORT)]
    out = [line for line in lines[:first] if line not in shared]
    if "a=ice-lite" in out:
        out.insert(out.index("a=ice-lite") + 1, "a=ice-options:trickle ice2")
    for section in _sections(lines[first:]):
        out.append(section[0])
        refused = section[0].split()[1] == "0"
        own = section[1:]
        if not refused:
            here = {name for name in _TRANSPORT if any(line.startswith(name) for line in own)}
            head = [line for line in own if line.startswith("c=")]
            own = [line for line in own if line not in head]
            out += head + [line for line in shared if not line.startswith(tuple(here))]
        for line in own:
            out.append(line)
            if line == "a=rtcp-mux" and "a=rtcp-mux-only" not in own:
                out.append("a=rtcp-mux-only")
    return "\r\n".join(out) + "\r\n"


def _sections(lines: list[str]) -> Iterable[list[str]]:
    starts = [place for place, line in enumerate(lines) if line.startswith("m=")]
    for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
        yield lines[start:end]


def fragment_head(answer: str) -> str:
    """The lines of an answer that every fragment about it repeats: options, bundle, and its first m-line."""
    lines = answer.splitlines()
    kept = [line for line in lines if line.startswith(("a=ice-lite", "a=ice-options:", "a=group:BUNDLE"))]
    for section in _sections(lines[next(i for i, line in enumerate(lines) if line.startswith("m=")) :]):
        if section[0].split()[1] != "0":
            kept += [section[0], *(line for line in section if line.startswith("a=mid:"))]
            break
    return "\r\n".join(kept)


def restart_fragment(head: str, ufrag: str, pwd: str, candidates: list[str]) -> str:
    """The answer to an ICE restart (RFC 9725 section 4.3.3); `candidates` are attribute lines."""
    return "\r\n".join([head, f"a=ice-ufrag:{ufrag}", f"a=ice-pwd:{pwd}", *candidates]) + "\r\n"
