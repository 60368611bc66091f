"""RTP payloads to encoded video frames: VP8, H.264, VP9 and AV1."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from media_gateway.sfu import av1, h264, vp8, vp9

from .reader import Stream


@dataclass(slots=True)
class EncodedFrame:
    """``wall``: capture time. ``intact``: all packets are there. ``continues``: no frame before it is
    missing. ``parts``: what a decoder is given one after the other; the last picture that comes out is the
    frame's (spatial layers build on each other)."""

    wall: float
    parts: tuple[bytes, ...]
    keyframe: bool
    intact: bool
    continues: bool


@dataclass(frozen=True, slots=True)
class Joined:
    """Payloads of one frame put together. ``begins``: the first of its packets is there."""

    parts: tuple[bytes, ...]
    begins: bool
    keyframe: bool
    picture: int | None = None
    """a number that each picture raises by one, where the codec has it"""


def assemble(stream: Stream, codec: str) -> Iterator[EncodedFrame]:
    """The frames of a stream in order; what is missing or unreadable is told, not hidden."""
    join = JOINERS[codec]
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
            joined = join(payloads)
        except ValueError:
            joined = Joined((), begins=False, keyframe=False)
        intact = whole and ended and joined.begins
        continues = (
            previous is not None
            and previous[1]
            and (first == previous[0] + 1 or _next_picture(previous[2], joined.picture))
        )
        previous = (last, intact, joined.picture)
        yield EncodedFrame(float(stream.wall[start]), joined.parts, joined.keyframe, intact, continues)


def _join_vp8(payloads: list[bytes]) -> Joined:
    first = vp8.read(payloads[0])
    if first is None:
        raise ValueError("no frame in the packets")
    frame = b"".join(vp8.frame_data(payload) for payload in payloads)
    picture = None if first.picture_id == vp8.NO_FIELD else first.picture_id
    return Joined((frame,), first.begins, not frame[0] & 1, picture)


def _join_h264(payloads: list[bytes]) -> Joined:
    found = [h264.annex_b(payload) for payload in payloads]
    stream = b"".join(data for data, _, _ in found)
    return Joined((stream,), found[0][1], any(key for _, _, key in found))


def _join_vp9(payloads: list[bytes]) -> Joined:
    """The frames of all spatial layers, lowest first: each is one part."""
    parts: list[bytearray] = []
    fields = vp9.read(payloads[0])
    if fields is None:
        raise ValueError("no frame in the packets")
    begins, key, picture = fields.begins and not fields.spatial, not fields.predicted, fields.picture_id
    layer = -1
    for payload in payloads:
        fields = vp9.read(payload)
        if fields is None:
            raise ValueError("a packet without data")
        if fields.spatial != layer:
            layer = fields.spatial
            parts.append(bytearray())
            begins = begins and fields.begins
        parts[-1] += payload[fields.size :]
    return Joined(tuple(bytes(part) for part in parts), begins, key, picture if picture >= 0 else None)


def _join_av1(payloads: list[bytes]) -> Joined:
    stream, begins, key = av1.temporal_unit(payloads)
    return Joined((stream,), begins, key)


JOINERS: dict[str, Callable[[list[bytes]], Joined]] = {
    "vp8": _join_vp8,
    "h264": _join_h264,
    "vp9": _join_vp9,
    "av1": _join_av1,
}
"""By the codec's name in small letters. They raise ValueError for what is no frame."""
DECODERS: dict[str, str] = {"vp8": "vp8", "h264": "h264", "vp9": "vp9", "av1": "libdav1d"}
"""The decoder for each; the one named av1 wants hardware."""


def _next_picture(before: int | None, now: int | None) -> bool:
    """Picture ids have 7 or 15 bits; the one after the last is 0 in both."""
    if before is None or now is None:
        return False
    return now == before + 1 or (now == 0 and before in (0x7F, 0x7FFF))
