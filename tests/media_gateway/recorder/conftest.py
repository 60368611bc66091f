"""A recorder, and what a composed file holds."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import av
import numpy as np
import pytest

from media_gateway.recorder.compose import CompositionResult, compose
from media_gateway.recorder.service import RecorderService

from .feeder import SECOND, START_NS, Stream, Worker, send_all

RATE = 48_000


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[RecorderService]:
    recorder = RecorderService(tmp_path / "recordings", flush_interval=0.05, min_free_bytes=0)
    await recorder.start()
    yield recorder
    await recorder.stop()


class Studio:
    """One recording from the first datagram to the file."""

    def __init__(self, service: RecorderService) -> None:
        self.service = service
        self.directory = service.root / "meeting"
        self.output = service.root.parent / "meeting.mp4"
        self.workers: list[Worker] = []

    async def start(self, instance: str = "instance-1") -> Worker:
        """Start or resume, and a media worker to send."""
        answer = await self.service.handle("recording.start", {"recording": "r1", "directory": "meeting"})
        worker = Worker(answer, instance)
        self.workers.append(worker)
        return worker

    async def stop(self) -> dict:
        return await self.service.handle("recording.stop", {"recording": "r1"})

    async def record(self, *streams: Stream) -> dict:
        await send_all(*streams)
        return await self.stop()

    def compose(self, seconds: float, *, full: bool = False, **options) -> Film:
        """In a small size unless ``full``: four times as quick."""
        if not full:
            options |= {"width": 640, "height": 360}
        result = compose(
            self.directory,
            self.output,
            started_at_ns=START_NS,
            stopped_at_ns=START_NS + round(seconds * SECOND),
            **options,
        )
        return Film(self.output, result)


@pytest.fixture
async def studio(service: RecorderService) -> AsyncIterator[Studio]:
    studio = Studio(service)
    yield studio
    for worker in studio.workers:
        worker.close()


class Film:
    """A composed file, decoded again."""

    def __init__(self, path: Path, result: CompositionResult) -> None:
        self.path = path
        self.result = result
        self.pictures: list[tuple[float, av.VideoFrame]] = []
        parts = []
        with av.open(str(path)) as container:
            self.video, self.audio = container.streams.video[0], container.streams.audio[0]
            self.duration = container.duration / av.time_base
            self.video_duration = float(self.video.duration * self.video.time_base)
            self.audio_duration = float(self.audio.duration * self.audio.time_base)
            for frame in container.decode(self.video, self.audio):
                if isinstance(frame, av.VideoFrame):
                    self.pictures.append((frame.time, frame))
                else:
                    parts.append((frame.time, frame.to_ndarray()))
        self.sound = np.zeros((2, round(self.duration * RATE) + 4096), dtype=np.float32)
        for at, part in parts:
            start = round(at * RATE)
            if start < 0:
                part, start = part[:, -start:], 0
            self.sound[:, start : start + part.shape[1]] = part[:, : self.sound.shape[1] - start]

    def picture(self, at: float) -> np.ndarray:
        """The RGB picture that a player shows at a time."""
        frame = [frame for time, frame in self.pictures if time <= at + 1e-3][-1]
        return frame.to_ndarray(format="rgb24")

    def color(self, at: float, x: float, y: float, size: int = 30) -> tuple[int, int, int]:
        """The mean colour round a place given in shares of the width and height."""
        rgb = self.picture(at)
        row, column = int(y * rgb.shape[0]), int(x * rgb.shape[1])
        part = rgb[max(0, row - size) : row + size, max(0, column - size) : column + size]
        return tuple(int(value) for value in part.reshape(-1, 3).mean(axis=0))

    def pitch(self, start: float, end: float, channel: int = 0) -> float:
        """The strongest frequency in Hz."""
        part = self.sound[channel, round(start * RATE) : round(end * RATE)]
        spectrum = np.abs(np.fft.rfft(part * np.hanning(len(part))))
        return float(np.argmax(spectrum) * RATE / len(part))

    def strength(self, frequency: float, start: float, end: float) -> float:
        """The amplitude of a tone."""
        part = self.sound[0, round(start * RATE) : round(end * RATE)]
        window = np.hanning(len(part))
        wave = np.exp(-2j * np.pi * frequency * np.arange(len(part)) / RATE)
        return float(2 * np.abs((part * window * wave).sum()) / window.sum())

    def level(self, start: float, end: float) -> float:
        """Root mean square."""
        return float(np.sqrt((self.sound[0, round(start * RATE) : round(end * RATE)] ** 2).mean()))


def near(color: tuple[int, ...], other: tuple[int, ...], tolerance: int = 24) -> bool:
    return all(abs(a - b) <= tolerance for a, b in zip(color, other, strict=True))
