"""Order, wrap-around and duplicates."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from media_gateway.recorder.sequence import order_packets, runs, unwrap, unwrap_sequence


@settings(deadline=None)
@given(
    st.integers(0, 65_535),
    st.lists(st.integers(1, 300), min_size=1, max_size=60),
    st.integers(0, 2**32 - 1),
)
def test_any_disorder_is_undone(first: int, gaps: list[int], seed: int) -> None:
    """Numbers sent upwards with gaps; each comes up to 20 places early or late, some twice."""
    sent = first + np.cumsum([0, *gaps])
    rng = np.random.default_rng(seed)
    doubled = np.concatenate((np.arange(len(sent)), rng.integers(0, len(sent), len(sent) // 4)))
    arrived = doubled[np.argsort(doubled + rng.uniform(0, 20, len(doubled)), kind="stable")]
    numbers = sent[arrived] % 65_536
    order, extended = order_packets(numbers, np.arange(len(numbers)) * 1_000_000)
    assert np.array_equal(np.diff(extended), gaps)
    assert np.array_equal(sent[arrived[order]], sent)


@settings(deadline=None)
@given(st.lists(st.integers(-(2**30), 2**30), max_size=50), st.integers(0, 2**32 - 1))
def test_unwrapped_counters_keep_their_steps(steps: list[int], first: int) -> None:
    values = first + np.cumsum([0, *steps])
    assert np.array_equal(np.diff(unwrap(values % 2**32, 32)), steps)


def test_nothing_is_nothing() -> None:
    empty = np.empty(0, dtype=np.int64)
    assert len(unwrap(empty, 16)) == 0
    assert [len(part) for part in order_packets(empty, empty)] == [0, 0]


def test_first_of_duplicates_is_kept() -> None:
    order, extended = order_packets(np.array([5, 6, 5, 7]), np.arange(4))
    assert order.tolist() == [0, 1, 3]
    assert extended.tolist() == [5, 6, 7]


def test_after_long_silence_numbers_have_gone_on() -> None:
    numbers = np.array([10, 11, 50_000, 50_001])
    second = 1_000_000_000
    quick = unwrap_sequence(numbers, np.array([0, 1, 2, 3]) * 1000)
    late = unwrap_sequence(numbers, np.array([0, 1, 60 * second, 61 * second]))
    assert quick.tolist() == [10, 11, 50_000 - 65_536, 50_001 - 65_536]
    assert late.tolist() == numbers.tolist()


def test_runs_are_split_at_long_gaps() -> None:
    assert runs(np.array([0.0, 1.0, 1.5, 9.0, 9.5]), 4.0) == [(0.0, 1.5), (9.0, 9.5)]
    assert runs(np.empty(0), 4.0) == []
