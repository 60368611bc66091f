"""Intervals, and who is seen when."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from media_gateway.recorder.timeline import current, subtract, union

intervals = st.lists(
    st.tuples(st.integers(0, 100), st.integers(0, 100)).map(
        lambda pair: (float(min(pair)), float(max(pair)))
    ),
    max_size=8,
)


def covers(spans: list[tuple[float, float]], at: float) -> bool:
    return any(start <= at < end for start, end in spans)


@settings(deadline=None)
@given(intervals, intervals)
def test_union_and_difference_agree_with_their_points(some: list, others: list) -> None:
    merged, left = union(some), subtract(union(some), union(others))
    assert merged == sorted(merged)
    for a, b in pairwise(merged):
        assert a[1] < b[0]
    for half in range(-1, 203):
        at = half / 2 + 0.25
        assert (current(merged, at) is not None) == covers(some, at)
        assert covers(left, at) == (covers(some, at) and not covers(others, at))


def test_short_gaps_are_bridged() -> None:
    assert union([(0, 1), (3, 4), (10, 11)], bridge=2) == [(0, 4), (10, 11)]
