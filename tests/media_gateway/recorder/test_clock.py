"""The wall clock is found under jitter, drift, stalls and jumps."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from media_gateway.recorder.clock import fit_lower, fit_middle, split_epochs


@settings(max_examples=40, deadline=None)
@given(st.floats(-1e-4, 1e-4), st.floats(-100, 100), st.integers(0, 2**32 - 1))
def test_drift_is_found_under_jitter(drift: float, offset: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    media = np.arange(0, 1800, 0.1)
    delay = 0.02 + rng.exponential(0.05, len(media))
    line = fit_lower(media, offset + drift * media + delay)
    error = offset + 0.02 + drift * media - line.at(media)
    assert np.abs(error).max() < 0.02


def test_short_stretch_takes_the_quickest_packet() -> None:
    line = fit_lower(np.array([0.0, 1.0, 2.0]), np.array([0.3, 0.1, 0.2]))
    assert line.offset == pytest.approx(0.1)
    assert line.slope == 0


def test_line_never_lies_above_a_point() -> None:
    rng = np.random.default_rng(2)
    x = np.sort(rng.uniform(0, 600, 3000))
    y = 1e-4 * x + rng.exponential(0.1, 3000)
    line = fit_lower(x, y)
    assert (y - line.at(x)).min() > -1e-6


def test_outliers_do_not_move_the_middle() -> None:
    x = np.arange(0, 100, 1.0)
    y = 5 + 1e-4 * x
    y[::10] += 3
    line = fit_middle(x, y)
    assert line.at(50.0) == pytest.approx(5.005, abs=1e-3)


def test_absurd_slopes_are_not_believed() -> None:
    x = np.arange(0, 100, 1.0)
    assert fit_middle(x, 0.5 * x).slope == 0
    assert fit_lower(x, 0.5 * x).slope == 0


def test_burst_after_a_stall_is_no_jump() -> None:
    media = np.arange(0, 20, 0.02)
    arrivals = media + 0.03
    stalled = (media > 8) & (media < 12)
    arrivals[stalled] = 12.03  # all at once
    assert split_epochs(media, arrivals) == [slice(0, len(media))]


def test_sender_that_paused_its_clock_starts_an_epoch() -> None:
    media = np.arange(0, 20, 0.02)
    arrivals = media + 0.03 + np.where(media >= 10, 30.0, 0.0)
    split = int(np.argmax(media >= 10))
    assert split_epochs(media, arrivals) == [slice(0, split), slice(split, len(media))]


def test_sender_that_jumped_ahead_starts_an_epoch() -> None:
    arrivals = np.arange(0, 20, 0.02)
    media = arrivals + np.where(arrivals >= 10, 500.0, 0.0)
    assert [part.start for part in split_epochs(media, arrivals)] == [0, 500]
