"""Loudness against the standard's own test signals, and the limiter."""

from __future__ import annotations

import fractions

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from media_gateway.recorder.loudness import RATE, Limiter, block_powers, integrated_loudness


def stereo(samples: np.ndarray) -> np.ndarray:
    return np.repeat(samples[:, None], 2, axis=1).astype(np.float32)


def sine(frequency: float, dbfs: float, seconds: float) -> np.ndarray:
    return stereo(10 ** (dbfs / 20) * np.sin(2 * np.pi * frequency * np.arange(round(seconds * RATE)) / RATE))


def loudness(*parts: np.ndarray) -> float | None:
    return integrated_loudness(block_powers(np.concatenate(parts)))


def test_ebu_tech_3341_case_1() -> None:
    assert loudness(sine(1000, -23, 20)) == pytest.approx(-23, abs=0.1)


def test_ebu_tech_3341_case_2() -> None:
    assert loudness(sine(1000, -33, 20)) == pytest.approx(-33, abs=0.1)


def test_ebu_tech_3341_case_3_relative_gate() -> None:
    assert loudness(sine(1000, -36, 10), sine(1000, -23, 60), sine(1000, -36, 10)) == pytest.approx(
        -23, abs=0.1
    )


def test_ebu_tech_3341_case_4_absolute_gate() -> None:
    parts = [
        sine(1000, level, seconds)
        for level, seconds in ((-72, 10), (-36, 10), (-23, 60), (-36, 10), (-72, 10))
    ]
    assert loudness(*parts) == pytest.approx(-23, abs=0.1)


def test_silence_has_no_loudness() -> None:
    assert loudness(np.zeros((RATE, 2), dtype=np.float32)) is None


def test_shorter_than_a_window() -> None:
    assert loudness(sine(1000, -20, 0.1)) is not None


def test_speechlike_noise_as_a_true_filter_measures_it() -> None:
    rng = np.random.default_rng(3)
    noise = np.cumsum(rng.normal(size=RATE * 10))
    noise -= np.convolve(noise, np.full(480, 1 / 480), mode="same")
    noise *= np.sin(np.arange(len(noise)) * 2 * np.pi * 1.5 / RATE) ** 2 * 0.3 / np.abs(noise).max()
    samples = stereo(noise)
    assert loudness(samples) == pytest.approx(_reference(samples), abs=0.3)


def _reference(samples: np.ndarray) -> float:
    """The library's own meter, sample by sample."""
    graph = av.filter.Graph()
    source = graph.add_abuffer(
        format="fltp", sample_rate=RATE, layout="stereo", time_base=fractions.Fraction(1, RATE)
    )
    meter = graph.add("ebur128", "metadata=1")
    sink = graph.add("abuffersink")
    source.link_to(meter)
    meter.link_to(sink)
    graph.configure()
    value = None
    for start in range(0, len(samples), RATE):
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(samples[start : start + RATE].T), format="fltp", layout="stereo"
        )
        frame.sample_rate, frame.pts = RATE, start
        frame.time_base = fractions.Fraction(1, RATE)
        graph.push(frame)
        while True:
            try:
                value = graph.pull().metadata.get("lavfi.r128.I", value)
            except (av.error.BlockingIOError, av.error.EOFError):
                break
    assert value is not None
    return float(value)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0.1, 30), st.integers(1, 6))
def test_limiter_lets_no_peak_through_and_loses_nothing(seed: int, loud: float, chunks: int) -> None:
    rng = np.random.default_rng(seed)
    samples = (
        rng.normal(size=(4800 * chunks, 2)) * loud * rng.uniform(0, 1, (4800 * chunks, 1)) ** 4
    ).astype(np.float32)
    limiter = Limiter(0.8, 2)
    parts = [limiter.process(samples[start : start + 4800]) for start in range(0, len(samples), 4800)]
    result = np.concatenate([*parts, limiter.process(np.zeros((4800, 2), dtype=np.float32))])
    assert np.abs(result).max() <= 0.8 + 1e-6
    shifted = result[limiter.delay : limiter.delay + len(samples)]
    assert np.all(np.abs(shifted) <= np.abs(samples) + 1e-6)
    assert np.all(shifted * samples >= 0)


def test_limiter_leaves_alone_what_is_quiet_enough() -> None:
    samples = sine(440, -6, 1)
    limiter = Limiter(0.8, 2)
    result = np.concatenate((limiter.process(samples), limiter.process(np.zeros_like(samples))))
    assert np.allclose(result[limiter.delay : limiter.delay + len(samples)], samples, atol=1e-6)


def test_limiter_turns_down_smoothly_not_by_clipping() -> None:
    samples = sine(100, 6, 0.5)
    limiter = Limiter(0.8, 2)
    result = limiter.process(samples)[4800:, 0]
    spectrum = np.abs(np.fft.rfft(result * np.hanning(len(result))))
    bins = np.fft.rfftfreq(len(result), 1 / RATE)
    third = spectrum[np.argmin(np.abs(bins - 300))]
    assert third < 0.05 * spectrum.max()  # clipped like this, it would have a fifth of it
