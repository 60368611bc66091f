"""Makes one MP4 of a recording's journals: pictures in a grid or beside a shared screen, all sound mixed."""

from __future__ import annotations

import fractions
import math
import os
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import av
import numpy as np

from . import lettering
from .frames import DECODERS
from .mixer import CHANNELS, Mixer, measure
from .reader import Journal, read_recording
from .sound import RATE, Samples
from .stage import Stage
from .timeline import Person, gather_people

WIDTH, HEIGHT = 1280, 720
FPS = 25
KEYFRAME_S = 2
AAC_FRAME = 1024
AAC_BIT_RATE = 128_000
MEASURE_SHARE = 0.1  # of the work, for progress
STALE_PART_S = 3600
NEEDED_CODECS = (
    ("libx264", "w"), ("aac", "w"), ("libopus", "r"), *((name, "r") for name in DECODERS.values()),
)  # fmt: skip


@dataclass(frozen=True)
class CompositionResult:
    """What was made; ``tracks`` counts sources of people, ``loudness_lufs`` is the mix before levelling."""

    duration_s: float
    width: int
    height: int
    size_bytes: int
    tracks: int
    participants: int
    lost_packets: int
    loudness_lufs: float | None
    elapsed_s: float
    warnings: list[str] = field(default_factory=list)


def missing_codecs() -> list[str]:
    """Codecs that composition needs and this installation lacks."""
    missing = []
    for name, mode in NEEDED_CODECS:
        try:
            av.Codec(name, mode)  # type: ignore[arg-type]
        except av.codec.codec.UnknownCodecError:
            missing.append(name)
    return missing


def compose(
    directory: Path | str,
    output_path: Path | str,
    *,
    started_at_ns: int | None = None,
    stopped_at_ns: int | None = None,
    participants: Mapping[str, str] | None = None,
    title: str = "",
    progress: Callable[[float], None] = lambda share: None,
    width: int = WIDTH,
    height: int = HEIGHT,
    threads: int = 2,
) -> CompositionResult:
    """Compose the journals in ``directory`` into an MP4 (H.264 and AAC, index in front) at ``output_path``.

    The file lasts from ``started_at_ns`` to ``stopped_at_ns`` (Unix nanoseconds), whatever tracks there
    are; what is not given is taken from the journals. ``participants`` (peer id to name) goes before the
    journaled names; ``title`` is shown while nobody is there. ``progress`` gets shares from 0 to 1; an
    exception out of it ends the work.

    The output appears by a rename when it is complete, so a repetition after a crash finds either nothing
    or a whole file. The journals are only read. Raises ValueError (times, size), OSError, and
    av.error.FFmpegError.
    """
    if width % 2 or height % 4:
        raise ValueError("the width must be even, the height a multiple of 4")
    began = time.monotonic()
    directory, output = Path(directory), Path(output_path)
    journals, origin_ns, warnings = read_recording(directory, origin_ns=started_at_ns)
    if stopped_at_ns is None:
        stopped_at_ns = origin_ns + round(max((journal.end for journal in journals), default=1.0) * 1e9)
    if stopped_at_ns < origin_ns:
        raise ValueError("the recording stops before it starts")
    frames = max(1, round((stopped_at_ns - origin_ns) / 1e9 * FPS))
    people = gather_people(_within(journals, frames / FPS), participants or {})
    warnings += _font_warnings([*(person.name for person in people), title])

    seconds = math.ceil(frames / FPS)
    levels = measure(people, seconds, lambda share: progress(share * MEASURE_SHARE))
    stage = Stage(people, levels.speaking, title=title, width=width, height=height)
    mixer = Mixer(people, levels)

    output.parent.mkdir(parents=True, exist_ok=True)
    _remove_stale_parts(output)
    descriptor, name = tempfile.mkstemp(prefix=f".{output.name}.", suffix=".part", dir=output.parent)
    os.close(descriptor)
    part = Path(name)
    try:
        with _Writer(part, width, height, threads) as writer:
            for second in range(seconds):
                first = second * FPS
                for number in range(first, min(first + FPS, frames)):
                    writer.write_picture(stage.draw(number / FPS).to_frame(), number)
                samples = mixer.read()
                writer.write_sound(samples[: max(0, frames * RATE // FPS - second * RATE)])
                progress(MEASURE_SHARE + (1 - MEASURE_SHARE) * min(first + FPS, frames) / frames)
        _publish(part, output)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    warnings += _media_warnings(people, stage)
    return CompositionResult(
        duration_s=frames / FPS,
        width=width,
        height=height,
        size_bytes=output.stat().st_size,
        tracks=len({(journal.info.peer, journal.info.source) for journal in journals}),
        participants=len(people),
        lost_packets=sum(stream.lost for journal in journals for stream in journal.streams),
        loudness_lufs=levels.loudness,
        elapsed_s=time.monotonic() - began,
        warnings=warnings,
    )


class _Writer:
    """The MP4 under construction."""

    def __init__(self, path: Path, width: int, height: int, threads: int) -> None:
        self._container = av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"})
        video = self._container.add_stream("libx264", rate=FPS)
        video.width, video.height, video.pix_fmt = width, height, "yuv420p"
        video.options = {
            "preset": "veryfast",
            "crf": "24",
            "g": str(FPS * KEYFRAME_S),
            "threads": str(threads),
        }
        context = video.codec_context
        context.time_base = fractions.Fraction(1, FPS)
        # BT.601, limited range: as the browsers' pictures came.
        context.colorspace, context.color_primaries, context.color_trc, context.color_range = 6, 6, 6, 1
        audio = self._container.add_stream("aac", rate=RATE)
        audio.layout, audio.format, audio.bit_rate = "stereo", "fltp", AAC_BIT_RATE
        audio.codec_context.time_base = fractions.Fraction(1, RATE)
        self._video, self._audio = video, audio
        self._waiting: Samples = np.zeros((0, CHANNELS), dtype=np.float32)
        self._samples = 0

    def __enter__(self) -> _Writer:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            if len(self._waiting):
                self._encode(self._waiting)
            self._container.mux(self._video.encode(None))
            self._container.mux(self._audio.encode(None))
        self._container.close()

    def write_picture(self, frame: av.VideoFrame, number: int) -> None:
        frame.pts, frame.time_base = number, fractions.Fraction(1, FPS)
        self._container.mux(self._video.encode(frame))

    def write_sound(self, samples: Samples) -> None:
        waiting = np.concatenate((self._waiting, samples))
        whole = len(waiting) // AAC_FRAME * AAC_FRAME
        for start in range(0, whole, AAC_FRAME):
            self._encode(waiting[start : start + AAC_FRAME])
        self._waiting = waiting[whole:]

    def _encode(self, samples: Samples) -> None:
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples.T), format="fltp", layout="stereo")
        frame.sample_rate, frame.pts = RATE, self._samples
        frame.time_base = fractions.Fraction(1, RATE)
        self._samples += len(samples)
        self._container.mux(self._audio.encode(frame))


def make_poster(video_path: Path | str, image_path: Path | str, *, width: int = 640) -> None:
    """Write a JPEG of the most telling of a few moments. Raises OSError and av.error.FFmpegError."""
    best: tuple[float, av.VideoFrame] | None = None
    with av.open(str(video_path)) as container:
        stream = container.streams.video[0]
        length = container.duration or 0
        for share in (0.1, 0.3, 0.5, 0.7, 0.9):
            container.seek(int(length * share), backward=True)
            frame = next(container.decode(stream), None)
            if frame is None:
                continue
            luma = frame.to_ndarray(format="gray")
            detail = float(luma[::4, ::4].std())
            if best is None or detail > best[0]:
                best = (detail, frame)
    if best is None:
        raise av.error.InvalidDataError(0, "no picture in the video", str(video_path))
    image = best[1].to_image()
    image.thumbnail((width, width))
    output = Path(image_path)
    descriptor, name = tempfile.mkstemp(prefix=f".{output.name}.", suffix=".part", dir=output.parent)
    with os.fdopen(descriptor, "wb") as file:
        image.save(file, "JPEG", quality=85, optimize=True)
    _publish(Path(name), output)


def _within(journals: Sequence[Journal], duration: float) -> list[Journal]:
    return [journal for journal in journals if journal.start < duration and journal.end > 0]


def _publish(part: Path, output: Path) -> None:
    """Give a complete file its name, in a way that survives a power cut."""
    descriptor = os.open(part, os.O_RDONLY)
    try:
        os.fchmod(descriptor, 0o640)  # the group, because a web server may deliver it
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    part.replace(output)


def _remove_stale_parts(output: Path) -> None:
    """What a killed composition left; one that still runs keeps writing to its own."""
    for part in output.parent.glob(f".{output.name}.*.part"):
        if time.time() - part.stat().st_mtime > STALE_PART_S:
            part.unlink(missing_ok=True)


def _font_warnings(texts: Sequence[str]) -> list[str]:
    missing = {script for text in texts for script in lettering.missing_scripts(text)}
    return [f"no font for {script} text" for script in sorted(missing)]


def _media_warnings(people: Sequence[Person], stage: Stage) -> list[str]:
    warnings = []
    for person, camera, screen in zip(people, stage.cameras, stage.screens, strict=True):
        for track in (camera, screen):
            if track.unknown_codecs:
                warnings.append(f"{person.peer}: cannot decode {', '.join(sorted(track.unknown_codecs))}")
            if track.skipped:
                warnings.append(f"{person.peer}: {track.skipped} damaged pictures left out")
    return warnings
