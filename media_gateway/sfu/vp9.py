"""VP9 in RTP (RFC 9628): the payload descriptor, key frames, sizes, spatial and temporal layers."""

from typing import NamedTuple

from .bits import BitReader

Buffer = bytes | memoryview


class Descriptor(NamedTuple):
    """One packet's payload descriptor. Sizes are (width, height) by spatial layer, lowest first, if told."""

    predicted: bool
    """P: uses an earlier picture; False on every layer of a key picture"""
    begins: bool
    ends: bool
    """B, E: first, last packet of one layer's frame"""
    spatial: int
    temporal: int
    picture_id: int
    """-1 when absent"""
    layers: int
    """spatial layers of the stream where the packet tells (scalability structure), else 0"""
    sizes: tuple[tuple[int, int], ...]
    size: int
    """the descriptor's own length"""


def read(payload: Buffer) -> Descriptor | None:
    """The descriptor of one packet; None when it is cut off or nothing follows it."""
    try:
        return _read(payload)
    except IndexError:
        return None


def _read(payload: Buffer) -> Descriptor | None:
    first = payload[0]
    at = 1
    picture_id = -1
    spatial = temporal = layers = 0
    sizes: tuple[tuple[int, int], ...] = ()
    if first & 0x80:
        picture_id = payload[at]
        if picture_id & 0x80:
            picture_id = (picture_id & 0x7F) << 8 | payload[at + 1]
            at += 1
        at += 1
    if first & 0x20:
        temporal, spatial = payload[at] >> 5, payload[at] >> 1 & 7
        at += 1 if first & 0x10 else 2  # TL0PICIDX where references are fixed
    if first & 0x50 == 0x50:
        for _ in range(3):
            more = payload[at] & 1
            at += 1
            if not more:
                break
        else:
            return None
    if first & 0x02:
        layers, sizes, at = _structure(payload, at)
    if at >= len(payload):
        return None
    return Descriptor(
        bool(first & 64), bool(first & 8), bool(first & 4), spatial, temporal, picture_id,
        layers, sizes, at,
    )  # fmt: skip


def _structure(payload: Buffer, at: int) -> tuple[int, tuple[tuple[int, int], ...], int]:
    """The scalability structure: (spatial layers, their sizes, offset of what follows)."""
    head = payload[at]
    at += 1
    layers = (head >> 5) + 1
    sizes = []
    if head & 0x10:
        for _ in range(layers):
            width, height = payload[at] << 8 | payload[at + 1], payload[at + 2] << 8 | payload[at + 3]
            sizes.append((width, height))
            at += 4
    if head & 0x08:
        pictures = payload[at]
        at += 1
        for _ in range(pictures):
            at += 1 + (payload[at] >> 2 & 3)
    return layers, tuple(sizes), at


def starts_keyframe(payload: Buffer) -> bool:
    """Whether a payload is the first packet of a key picture's lowest spatial layer."""
    if len(payload) < 3:
        return False
    first = payload[0]
    if first & 0x48 != 0x08:
        return False
    if not first & 0x20:
        return True
    at = 1
    if first & 0x80:
        at += 2 if payload[1] & 0x80 else 1
    return at < len(payload) and not payload[at] & 0x0E


def keyframe_size(payload: Buffer) -> tuple[int, int] | None:
    """Width and height of the whole stream out of a key picture's first packet; else None.

    With several spatial layers that is the highest one's size.
    """
    if not starts_keyframe(payload):
        return None
    fields = read(payload)
    if fields is None:
        return None
    if fields.sizes:
        return fields.sizes[-1]
    try:
        return _frame_size(payload[fields.size : fields.size + 20])
    except ValueError:
        return None


def _frame_size(data: Buffer) -> tuple[int, int] | None:
    """The uncompressed header of a key frame (VP9 bitstream specification, section 6.2)."""
    bits = BitReader(data)
    if bits.read(2) != 2:
        return None
    profile = bits.read(1) | bits.read(1) << 1
    if profile == 3:
        bits.read(1)
    if bits.flag() or bits.flag():  # shows an existing frame, or is no key frame
        return None
    bits.read(2)
    if bits.read(24) != 0x498342:
        return None
    if profile >= 2:
        bits.read(1)
    if bits.read(3) != 7:
        bits.read(1)
        if profile & 1:
            bits.read(3)
    elif profile & 1:
        bits.read(1)
    return bits.read(16) + 1, bits.read(16) + 1


def profile_fits(parameters: dict[str, str]) -> int:
    """Profile 0 (8 bit, 4:2:0) is what every browser decodes."""
    return int(parameters.get("profile-id", "0") == "0")
