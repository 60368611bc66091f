"""Decoded sound of a person's tracks, placed sample by sample on the recording's time."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence

import av
import numpy as np
from av.error import FFmpegError
from numpy.typing import NDArray

from .reader import Journal, Stream

RATE = 48_000
CODEC = "opus"

Samples = NDArray[np.float32]  # (number, channels)

_TOLERANCE = RATE * 20 // 1000  # how far sound may stray from its time before it is moved at a quiet moment
_LIMIT = RATE * 60 // 1000  # and how far before it is moved at once
_QUIET = 0.005
_FADE = RATE * 3 // 1000
_LONGEST_PACKET = RATE * 120 // 1000


class OpusStream:
    """Decodes one stream packet by packet."""

    def __init__(self, channels: int) -> None:
        self._channels = channels
        context = av.CodecContext.create("libopus", "r")
        assert isinstance(context, av.AudioCodecContext)
        context.format, context.sample_rate = "s16", RATE
        context.layout = "stereo" if channels == 2 else "mono"
        self._context = context

    def decode(self, payload: bytes) -> Samples:
        """Samples of one packet; none for a damaged one."""
        try:
            frames = self._context.decode(av.Packet(payload))
        except FFmpegError:
            return np.empty((0, self._channels), dtype=np.float32)
        parts = [
            np.frombuffer(memoryview(frame.planes[0]), dtype=np.int16)[: frame.samples * self._channels]
            for frame in frames
        ]
        data = np.concatenate(parts) if parts else np.empty(0, dtype=np.int16)
        return data.reshape(-1, self._channels).astype(np.float32) / np.float32(32768)


def _play(stream: Stream, channels: int) -> Iterator[tuple[int, Samples]]:
    """(position, samples) without overlaps, faded where sound breaks off and where it begins again."""
    decoder = OpusStream(channels)
    cursor: int | None = None
    held: tuple[int, Samples] | None = None  # the last piece: only the next tells whether it must fade out
    last_sequence = 0
    for index in range(len(stream.sequence)):
        payload = stream.payload(index)
        if not payload:
            continue
        samples = decoder.decode(payload)
        if not len(samples):
            continue
        place = round(float(stream.wall[index]) * RATE)
        missing = int(stream.sequence[index]) - last_sequence - 1
        last_sequence = int(stream.sequence[index])
        if cursor is None or _must_move(place - cursor, missing, samples):
            if held is not None:
                yield held[0], _fade(held[1], out=True)
            samples = _fade(samples, out=False)
            if cursor is not None and place < cursor:  # early: what would overlap is cut off
                samples = samples[cursor - place :]
                place = cursor
            if not len(samples):
                held = None
                continue
            cursor = place
        elif held is not None:
            yield held
        held = (cursor, samples)
        cursor += len(samples)
    if held is not None:
        yield held[0], _fade(held[1], out=True)


def _must_move(error: int, missing: int, samples: Samples) -> bool:
    """Whether to leave the seamless place after the last packet for the one the clock says."""
    if missing and error > _TOLERANCE // 2:
        return True
    if abs(error) > _LIMIT:
        return True
    return abs(error) > _TOLERANCE and float(np.abs(samples).max()) < _QUIET


def _fade(samples: Samples, *, out: bool) -> Samples:
    length = min(_FADE, len(samples))
    ramp = np.linspace(0, 1, length, dtype=np.float32)[:, None]
    faded = samples.copy()
    if out:
        faded[len(faded) - length :] *= ramp[::-1]
    else:
        faded[:length] *= ramp
    return faded


class SoundTrack:
    """The sound of one source of one person; read() goes on from where it ended."""

    def __init__(self, journals: Sequence[Journal], channels: int) -> None:
        self.channels = channels
        known = [journal for journal in journals if journal.info.codec.lower() == CODEC]
        self.unknown_codecs = {journal.info.codec for journal in journals} - {
            journal.info.codec for journal in known
        }
        streams = [stream for journal in known for stream in journal.streams]
        self._waiting = sorted(streams, key=lambda stream: float(stream.wall[0]))
        self._running: list[tuple[int, int, Samples, Iterator[tuple[int, Samples]]]] = []
        self._opened = 0
        self._position = 0
        self._tail = np.zeros(
            (_LONGEST_PACKET, channels), dtype=np.float32
        )  # what reached over the last read

    def read(self, count: int) -> Samples | None:
        """The next ``count`` samples from the recording's start on; None stands for silence."""
        begin, end = self._position, self._position + count
        self._position = end
        buffer = np.zeros((count + _LONGEST_PACKET, self.channels), dtype=np.float32)
        buffer[: len(self._tail)] = self._tail
        heard = bool(self._tail.any())
        while self._waiting and float(self._waiting[0].wall[0]) * RATE < end:
            self._opened += 1
            self._advance(self._opened, _play(self._waiting.pop(0), self.channels))
        while self._running and self._running[0][0] < end:
            place, order, samples, pieces = heapq.heappop(self._running)
            offset = place - begin
            if offset < 0:  # from before the recording's start
                samples = samples[-offset:]
                offset = 0
            if len(samples):
                samples = samples[: len(buffer) - offset]
                buffer[offset : offset + len(samples)] += samples
                heard = True
            self._advance(order, pieces)
        self._tail = buffer[count:].copy()
        return buffer[:count] if heard else None

    def _advance(self, order: int, pieces: Iterator[tuple[int, Samples]]) -> None:
        piece = next(pieces, None)
        if piece is not None:
            heapq.heappush(self._running, (piece[0], order, piece[1], pieces))
