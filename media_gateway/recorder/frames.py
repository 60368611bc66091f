"""RTP payloads to encoded video frames: VP8 (RFC 7741) and H.264 (RFC 6184)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from aiortc.codecs.h264 import H264PayloadDescriptor
from aiortc.codecs.vpx import VpxPayloadDescriptor

from .reader import Stream

VP8, H264 = "vp8", "h264"
CODECS = (VP8, H264)

_H264_IDR, _H264_SPS = 5, 7


@dataclass(slots=True)
class EncodedFrame:
    """``wall``: capture time. ``intact``: all packets are there. ``continues``: no frame before it is
    missing."""

    wall: float
    data: bytes
    keyframe: bool
    intact: bool
    continues: bool


def assemble(stream: Stream, codec: str) -> Iterator[EncodedFrame]:
    """The frames of a stream in order; what is missing or unreadable is told, not hidden."""
    bounds = np.concatenate(([0], np.flatnonzero(np.diff(stream.timestamp)) + 1, [len(stream.timestamp)]))
    previous: tuple[int, bool, int | None] | None = None  # last sequence number, intact, picture id
    for start, stop in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
        first, last = int(stream.sequence[start]), int(stream.sequence[stop - 1])
        payloads = [payload for index in range(start, stop) if (payload := stream.payload(index))]
        if not payloads:  # padding alone: it fills its numbers and is no frame
            if previous and first == previous[0] + 1:
                previous = (last, *previous[1:])
            continue
        whole = last - first == stop - start - 1
        followed = stop < len(stream.sequence) and int(stream.sequence[stop]) == last + 1
        ended = bool(stream.marker[stop - 1]) or followed
        try:
            data, begins, keyframe, picture = _join_vp8(payloads) if codec == VP8 else _join_h264(payloads)
        except ValueError:
            data, begins, keyframe, picture = b"", False, False, None
        intact = whole and ended and begins
        continues = (
            previous is not None
            and previous[1]
            and (first == previous[0] + 1 or _next_picture(previous[2], picture))
        )
        previous = (last, intact, picture)
        yield EncodedFrame(float(stream.wall[start]), data, keyframe, intact, continues)


def _join_vp8(payloads: list[bytes]) -> tuple[bytes, bool, bool, int | None]:
    """(frame, whether its first packet is there, whether it is a key frame, picture id). Raises
    ValueError."""
    parts = []
    begins, picture = False, None
    for index, payload in enumerate(payloads):
        descriptor, data = VpxPayloadDescriptor.parse(payload)
        if index == 0:
            begins = bool(descriptor.partition_start) and descriptor.partition_id == 0
            picture = descriptor.picture_id
        parts.append(data)
    frame = b"".join(parts)
    if not frame:
        raise ValueError("no frame in the packets")
    return frame, begins, not frame[0] & 1, picture


def _join_h264(payloads: list[bytes]) -> tuple[bytes, bool, bool, None]:
    parts = []
    begins = False
    keyframe = False
    for index, payload in enumerate(payloads):
        descriptor, data = H264PayloadDescriptor.parse(payload)
        if index == 0:
            begins = descriptor.first_fragment
        if descriptor.first_fragment:
            types = {part[0] & 0x1F for part in data.split(b"\0\0\0\1") if part}
            keyframe = keyframe or bool(types & {_H264_IDR, _H264_SPS})
        parts.append(data)
    return b"".join(parts), begins, keyframe, None


def _next_picture(before: int | None, now: int | None) -> bool:
    """Picture ids have 7 or 15 bits; the one after the last is 0 in both."""
    if before is None or now is None:
        return False
    return now == before + 1 or (now == 0 and before in (0x7F, 0x7FFF))
