"""From RTP timestamps to one wall clock.

A packet's arrival time is its true time plus a delay that is never negative. So the true clock is the line
that lies below all arrivals and touches them: the lower convex hull's edge under the mean (Moon, Skelly,
Towsley: Estimation and removal of clock skew, INFOCOM 1999). Jitter, bursts and retransmissions only add
delay and do not move that line.

All times are float seconds after an origin that the caller chooses.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

MAX_SKEW = 5e-4  # 500 ppm: crystals stay below 100, the rest is for stretched audio clocks
MIN_SKEW_SPAN_S = 60.0  # in less time the jitter is larger than any drift
BUCKET_S = 1.0
JUMP_S = 0.3
GAP_S = 1.0
LOOK_S = 3.0


@dataclass(frozen=True, slots=True)
class Line:
    """``y = offset + slope * x``: how far the wall clock is ahead of the media clock."""

    offset: float
    slope: float = 0.0

    def at(self, x: Floats | float) -> Floats | float:
        return self.offset + self.slope * x


def fit_lower(x: Floats, y: Floats) -> Line:
    """The line below all points (x, y) that touches them; flat when they span little time. Needs one
    point."""
    span = float(x.max() - x.min())
    if span < MIN_SKEW_SPAN_S:
        return Line(float(y.min()))
    hull = _lower_hull(*_bucket_minima(x, y))
    middle = float(x.mean())
    for (x0, y0), (x1, y1) in pairwise(hull):
        if x0 <= middle <= x1 and x1 > x0:
            slope = (y1 - y0) / (x1 - x0)
            if abs(slope) <= MAX_SKEW:
                return Line(y0 - slope * x0, slope)
            break
    return Line(float(y.min()))


def fit_middle(x: Floats, y: Floats) -> Line:
    """The line through the middle of all points, indifferent to outliers (Theil and Sen). Needs one point."""
    if len(x) > 200:
        chosen = np.linspace(0, len(x) - 1, 200).astype(int)
        x, y = x[chosen], y[chosen]
    slope = 0.0
    if x.max() - x.min() >= MIN_SKEW_SPAN_S:
        first, second = np.triu_indices(len(x), 1)
        across = x[second] - x[first]
        far = np.abs(across) > 1.0
        slope = float(np.median((y[second] - y[first])[far] / across[far]))
        if abs(slope) > MAX_SKEW:
            slope = 0.0
    return Line(float(np.median(y - slope * x)), slope)


def split_epochs(media: Floats, arrivals: Floats) -> list[slice]:
    """Stretches in which the media clock runs with the wall clock, given packets in order of sequence number.

    A sender that stops may go on later as if no time had passed, or jump. A network that stalls and then
    delivers everything at once looks alike at first, but its delay falls back within the burst.
    """
    delay = arrivals - media
    starts = [0]
    for index in np.flatnonzero(np.abs(np.diff(delay)) > GAP_S) + 1:
        before = delay[starts[-1] : index]
        recent = arrivals[starts[-1] : index] >= arrivals[index - 1] - LOOK_S
        after = delay[index:][arrivals[index:] <= arrivals[index] + LOOK_S]
        if abs(float(after.min()) - float(before[recent].min())) > JUMP_S:
            starts.append(int(index))
    return [slice(a, b) for a, b in zip(starts, [*starts[1:], len(media)], strict=True)]


def _bucket_minima(x: Floats, y: Floats) -> tuple[Floats, Floats]:
    order = np.lexsort((y, np.floor(x / BUCKET_S)))
    buckets = np.floor(x[order] / BUCKET_S)
    _, first = np.unique(buckets, return_index=True)
    chosen = order[first]
    return x[chosen], y[chosen]


def _lower_hull(x: Floats, y: Floats) -> list[tuple[float, float]]:
    hull: list[tuple[float, float]] = []
    for point in zip(x.tolist(), y.tolist(), strict=True):
        while len(hull) >= 2 and _turns_right(hull[-2], hull[-1], point):
            hull.pop()
        hull.append(point)
    return hull


def _turns_right(a: tuple[float, float], b: tuple[float, float], c: tuple[float, float]) -> bool:
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]) <= 0
