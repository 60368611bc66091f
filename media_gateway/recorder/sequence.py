"""Sequence numbers and timestamps that wrap around, put into order (RFC 3550, section 5.1)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

LONG_SILENCE_NS = 5_000_000_000

Ints = NDArray[np.int64]


def unwrap(values: Ints, bits: int) -> Ints:
    """Continue counters modulo 2**bits over their wrap-arounds.

    Each value is taken as the nearest to the one before it, so a packet that comes late or a single wild
    value does not disturb the rest. The first value is kept as it is.
    """
    if len(values) == 0:
        return values.astype(np.int64)
    half, full = 1 << (bits - 1), 1 << bits
    steps = (values[1:] - values[:-1] + half) % full - half
    return np.concatenate(([values[0]], values[0] + np.cumsum(steps)))


def unwrap_sequence(numbers: Ints, arrivals_ns: Ints) -> Ints:
    """Extended sequence numbers of packets in order of arrival.

    After a long silence the numbers may have gone on by more than half their range; then they are taken as
    later ones, for nothing is reordered over seconds.
    """
    if len(numbers) == 0:
        return numbers.astype(np.int64)
    steps = numbers[1:] - numbers[:-1]
    near = (steps + 0x8000) % 0x10000 - 0x8000
    latest = np.maximum.accumulate(arrivals_ns)
    silent = latest[1:] - latest[:-1] > LONG_SILENCE_NS
    steps = np.where(silent, steps % 0x10000, near)
    return np.concatenate(([numbers[0]], numbers[0] + np.cumsum(steps)))


def order_packets(numbers: Ints, arrivals_ns: Ints) -> tuple[Ints, Ints]:
    """(indices of the packets in order of sequence number with duplicates left out, their extended numbers).

    Of duplicates the one that came first is kept. ``numbers`` are 16-bit sequence numbers in order of
    arrival.
    """
    extended = unwrap_sequence(numbers, arrivals_ns)
    unique, first = np.unique(extended, return_index=True)
    return first.astype(np.int64), unique


def runs(times: NDArray[np.float64], longest_gap: float) -> list[tuple[float, float]]:
    """(first, last) of each stretch of ascending times in which no two neighbours are further apart."""
    if len(times) == 0:
        return []
    breaks = np.flatnonzero(np.diff(times) > longest_gap)
    starts = np.concatenate(([0], breaks + 1))
    ends = np.concatenate((breaks, [len(times) - 1]))
    return [(float(times[a]), float(times[b])) for a, b in zip(starts, ends, strict=True)]
