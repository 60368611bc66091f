"""Looks into a finished MP4: streams, codes in decoded frames, pitches in decoded sound."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np

from tests.e2e.codes import find_codes, pitch_of


def probe(path: Path) -> dict[str, float | str]:
    """`{"duration": seconds, "video": codec, "audio": codec}`."""
    with av.open(str(path)) as container:
        assert container.duration is not None
        return {
            "duration": container.duration / av.time_base,
            "video": container.streams.video[0].codec_context.name,
            "audio": container.streams.audio[0].codec_context.name,
        }


def codes_at(path: Path, seconds: float) -> set[int]:
    """Codes found in the frame shown at `seconds`, reached by seeking."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.time_base is not None
        container.seek(int(seconds / stream.time_base), stream=stream)
        for frame in container.decode(stream):
            if frame.time is not None and frame.time >= seconds:
                return find_codes(frame.to_ndarray(format="rgb24"))
    return set()


def pitches(path: Path, candidates: tuple[int, ...]) -> dict[int, float]:
    """Strength of each candidate pitch (dB over the median) in the whole sound track."""
    with av.open(str(path)) as container:
        resampler = av.AudioResampler(format="flt", layout="mono", rate=48_000)
        parts = [
            out.to_ndarray().ravel()
            for frame in container.decode(container.streams.audio[0])
            for out in resampler.resample(frame)
        ]
    return pitch_of(np.concatenate(parts), 48_000, candidates)
