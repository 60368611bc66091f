"""Decoded pictures of a camera or a screen, over all its journals."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence

import av
from av.error import FFmpegError

from .frames import DECODERS, EncodedFrame, assemble
from .reader import Journal, Stream

Picture = tuple[float, av.VideoFrame]

PATIENCE_S = 5.0


class PictureDecoder:
    """Decodes what can be decoded, and rather shows nothing new than something broken.

    After a loss the pictures that build on it are left out until the next key frame, as browsers do. Should
    none come for ``PATIENCE_S`` seconds, a smeared picture is better than a frozen one.
    """

    def __init__(self, codec: str) -> None:
        context = av.CodecContext.create(DECODERS[codec], "r")
        assert isinstance(context, av.VideoCodecContext)
        self._context = context
        self._context.thread_count = 1
        self._context.flags |= av.codec.context.Flags.low_delay
        self._started = False
        self._broken_since: float | None = None
        self.skipped = 0

    def decode(self, frame: EncodedFrame) -> list[Picture]:
        if frame.intact and frame.keyframe:
            self._started, self._broken_since = True, None
        elif not self._started:
            self.skipped += 1
            return []
        elif not frame.intact or not frame.continues:
            self._broken_since = frame.wall if self._broken_since is None else self._broken_since
        if self._broken_since is not None and (
            not frame.intact or frame.wall - self._broken_since < PATIENCE_S
        ):
            self.skipped += 1
            return []
        shown: dict[int | None, av.VideoFrame] = {}
        try:
            for part in frame.parts:
                packet = av.Packet(part)
                packet.pts = round(frame.wall * 1e6)
                # Of the layers of one frame the last is the whole picture.
                shown |= {each.pts: each for each in self._context.decode(packet)}
        except FFmpegError:
            self.skipped += 1
            self._broken_since = frame.wall
            return []
        return [(frame.wall if pts is None else pts / 1e6, each) for pts, each in shown.items()]


class PictureTrack:
    """The pictures of one source of one person, to be asked for in order of time."""

    def __init__(self, journals: Sequence[Journal]) -> None:
        self.skipped = 0
        self.unknown_codecs = {
            journal.info.codec for journal in journals if journal.info.codec.lower() not in DECODERS
        }
        # A source that is switched on and off makes many streams; a decoder lives only as long as one runs.
        waiting = [
            (float(stream.wall[0]), index, number, stream, journal.info.codec.lower())
            for index, journal in enumerate(journals)
            for number, stream in enumerate(journal.streams)
            if journal.info.codec.lower() in DECODERS
        ]
        self._waiting = sorted(waiting, key=lambda each: each[:3])
        self._running: list[tuple[float, int, av.VideoFrame, Iterator[Picture]]] = []
        self._opened = 0
        self._latest: Picture | None = None

    def at(self, time: float) -> Picture | None:
        """(capture time, picture) of the last picture not after ``time``, if there is any."""
        while self._waiting and self._waiting[0][0] <= time:
            *_, stream, codec = self._waiting.pop(0)
            self._opened += 1
            self._advance(self._opened, self._decode(stream, codec))
        while self._running and self._running[0][0] <= time:
            wall, order, frame, pictures = heapq.heappop(self._running)
            self._latest = (wall, frame)
            self._advance(order, pictures)
        return self._latest

    def _advance(self, order: int, pictures: Iterator[Picture]) -> None:
        picture = next(pictures, None)
        if picture is not None:
            heapq.heappush(self._running, (picture[0], order, picture[1], pictures))

    def _decode(self, stream: Stream, codec: str) -> Iterator[Picture]:
        decoder = PictureDecoder(codec)
        for frame in assemble(stream, codec):
            yield from decoder.decode(frame)
        self.skipped += decoder.skipped
