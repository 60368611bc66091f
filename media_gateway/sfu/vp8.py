"""VP8 in RTP (RFC 7741): where a key frame starts, its size, and the numbers that must stay unbroken."""

from typing import NamedTuple

Buffer = bytes | memoryview
NO_FIELD = -1


class Descriptor(NamedTuple):
    """What a payload descriptor says; `NO_FIELD` (-1) stands for a field that is not there.

    `size` is the descriptor's length, `wide` tells a picture id of 15 bits from one of 7.
    """

    begins: bool
    """first packet of a frame"""
    picture_id: int
    wide: bool
    tl0: int
    temporal: int
    size: int


def read(payload: Buffer) -> Descriptor | None:
    """The descriptor of one packet; None when it is cut off."""
    try:
        first = payload[0]
        begins = first & 0x17 == 0x10  # S bit, partition index 0
        at = 1
        picture_id = tl0 = temporal = NO_FIELD
        wide = False
        if first & 0x80:
            extended = payload[1]
            at = 2
            if extended & 0x80:
                picture_id = payload[at]
                wide = picture_id & 0x80 != 0
                if wide:
                    at += 1
                    picture_id = (picture_id & 0x7F) << 8 | payload[at]
                at += 1
            if extended & 0x40:
                tl0 = payload[at]
                at += 1
            if extended & 0x30:
                if extended & 0x20:
                    temporal = payload[at] >> 6
                at += 1
    except IndexError:
        return None
    if at >= len(payload):
        return None
    return Descriptor(begins, picture_id, wide, tl0, temporal, at)


def locate_picture(payload: Buffer, at: int) -> tuple[int, int, int, int] | None:
    """Where a payload that stands at offset `at` of a packet counts pictures, and what it says there.

    (offset of the picture id or 0, its value with the width bit, offset of TL0PICIDX or 0, its value); None
    where nothing counts them. On the way of every packet, so it takes apart no more than that.
    """
    size = len(payload)
    if size < 5 or not payload[0] & 0x80:
        return None
    extended = payload[1]
    place = 2
    id_at = ident = tl0_at = tl0 = 0
    if extended & 0x80:
        id_at, ident, place = at + 2, payload[2], 3
        if ident & 0x80:
            ident, place = ident << 8 | payload[3], 4
    if extended & 0x40:
        tl0_at, tl0 = at + place, payload[place]
    return id_at, ident, tl0_at, tl0


def starts_keyframe(payload: Buffer) -> bool:
    """Whether a payload is the first packet of a key frame (RFC 7741 sections 4.2 and 4.3)."""
    size = len(payload)
    if size < 4:
        return False
    first = payload[0]
    if first & 0x17 != 0x10:
        return False
    at = 1
    if first & 0x80:
        extended = payload[1]
        at = 2
        if extended & 0x80:
            at += 2 if payload[2] & 0x80 else 1
        if extended & 0x40:
            at += 1
        if extended & 0x30:
            at += 1
    return at < size and not payload[at] & 0x01


def keyframe_size(payload: Buffer) -> tuple[int, int] | None:
    """Width and height in pixels out of a key frame's first packet (RFC 6386 section 9.1); else None."""
    fields = read(payload)
    if fields is None or not fields.begins or payload[fields.size] & 0x01:
        return None
    at = fields.size + 3
    if len(payload) < at + 7 or bytes(payload[at : at + 3]) != b"\x9d\x01\x2a":
        return None
    width = (payload[at + 4] << 8 | payload[at + 3]) & 0x3FFF
    height = (payload[at + 6] << 8 | payload[at + 5]) & 0x3FFF
    return (width, height) if width and height else None


def frame_data(payload: Buffer) -> bytes:
    """The part of the frame that a payload carries. ValueError when there is none."""
    fields = read(payload)
    if fields is None:
        raise ValueError("a VP8 payload without data")
    return bytes(payload[fields.size :])
