"""The codecs a room may carry, and the little the forwarding path must know of each.

The common codec of a room is VP8: it is the one every browser both sends and receives. A further codec is one
more row here: forwarding never decodes, it only has to recognise where a decoder may start.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

SOURCES: dict[str, str] = {"mic": "audio", "camera": "video", "screen": "video", "screen_audio": "audio"}
"""Every source a participant may publish, with its kind."""


def vp8_starts_keyframe(payload: bytes | memoryview) -> bool:
    """Whether an RTP payload is the first packet of a VP8 key frame (RFC 7741 section 4.2 and 4.3)."""
    size = len(payload)
    if size < 4:
        return False
    first = payload[0]
    if first & 0x17 != 0x10:  # S bit set, partition index 0
        return False
    at = 1
    if first & 0x80:
        extended = payload[1]
        at = 2
        if extended & 0x80:  # picture id, one or two bytes
            at += 2 if payload[2] & 0x80 else 1
        if extended & 0x40:  # TL0PICIDX
            at += 1
        if extended & 0x30:  # TID or KEYIDX
            at += 1
    return at < size and not payload[at] & 0x01


def vp8_picture(payload: bytes | memoryview, at: int) -> tuple[int, int, int, int] | None:
    """Where a VP8 payload that stands at offset `at` counts pictures; see `burst.Picture`."""
    size = len(payload)
    if size < 4 or not payload[0] & 0x80:
        return None
    extended = payload[1]
    place = 2
    id_at = ident = tl0_at = tl0 = 0
    if extended & 0x80:
        id_at = at + 2
        ident = payload[2]
        place = 3
        if ident & 0x80:
            ident = ident << 8 | payload[3]
            place = 4
    if extended & 0x40:
        if place >= size:
            return None
        tl0_at, tl0 = at + place, payload[place]
    return id_at, ident, tl0_at, tl0


def vp8_size(payload: bytes | memoryview) -> tuple[int, int] | None:
    """Width and height that the first packet of a key frame tells (RFC 6386 section 9.1)."""
    at = 1
    if payload[0] & 0x80:
        extended = payload[1]
        at = 2
        if extended & 0x80:
            at += 2 if payload[2] & 0x80 else 1
        at += bool(extended & 0x40) + bool(extended & 0x30)
    if len(payload) < at + 10 or bytes(payload[at + 3 : at + 6]) != b"\x9d\x01\x2a":
        return None
    width = payload[at + 6] | (payload[at + 7] & 0x3F) << 8
    height = payload[at + 8] | (payload[at + 9] & 0x3F) << 8
    return width, height


@dataclass(frozen=True, slots=True)
class Codec:
    """One codec. Payload types are those of our own offers; publishers keep the numbers they offered."""

    name: str
    kind: str
    clock_rate: int
    channels: int
    payload_type: int
    rtx_payload_type: int | None
    fmtp: str
    feedback: tuple[str, ...] = ()
    publish_fmtp: str = ""
    starts_keyframe: Callable[[bytes | memoryview], bool] | None = field(default=None, compare=False)
    keyframe_size: Callable[[bytes | memoryview], tuple[int, int] | None] | None = field(
        default=None, compare=False
    )
    """(width, height) out of the packet that starts a key frame"""
    locate_picture: Callable[[bytes | memoryview, int], tuple[int, int, int, int] | None] | None = field(
        default=None, compare=False
    )
    """where pictures are counted in a payload at an offset (`burst.Picture`)"""

    @property
    def rtpmap(self) -> str:
        tail = f"/{self.channels}" if self.kind == "audio" and self.channels > 1 else ""
        return f"{self.name}/{self.clock_rate}{tail}"


OPUS = Codec(
    name="opus",
    kind="audio",
    clock_rate=48000,
    channels=2,
    payload_type=111,
    rtx_payload_type=None,
    fmtp="minptime=10;useinbandfec=1",
    publish_fmtp="minptime=10;useinbandfec=1",
)
VP8 = Codec(
    name="VP8",
    kind="video",
    clock_rate=90000,
    channels=1,
    payload_type=96,
    rtx_payload_type=97,
    fmtp="",
    feedback=("ccm fir", "nack", "nack pli"),
    # Without a start rate a 720p camera begins at 480x270 and stays there for long.
    publish_fmtp="x-google-start-bitrate=2500",
    starts_keyframe=vp8_starts_keyframe,
    keyframe_size=vp8_size,
    locate_picture=vp8_picture,
)

CODECS: tuple[Codec, ...] = (OPUS, VP8)
"""In order of preference within a kind."""


def preferred_codec(kind: str) -> Codec:
    """The first codec of a kind: what the server's own offers carry."""
    return next(codec for codec in CODECS if codec.kind == kind)
