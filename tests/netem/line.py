"""One direction of a link, without sockets and without a clock: the caller says what time it is.

The same seed and the same order of datagrams give the same losses, whatever the times; with the same times
everything comes out the same.
"""

from __future__ import annotations

import heapq
import random
from collections import deque
from typing import Any, Generic, TypeVar

from tests.netem.conditions import Conditions

HEADERS = 28
"""Bytes of IPv4 and UDP headers, which a line carries too."""

T = TypeVar("T")


class Losses:
    """Decides which datagrams of a direction are lost.

    Each kind of loss draws once a datagram from a generator of its own, whether it is in use or not.
    """

    def __init__(self, conditions: Conditions, name: str) -> None:
        self._loss = conditions.loss
        self._pattern = conditions.pattern
        self._burst = conditions.burst
        self._even = random.Random(f"{conditions.seed} {name} even")
        self._bursts = random.Random(f"{conditions.seed} {name} burst")
        self._bad = False
        self._count = 0

    def lost(self) -> bool:
        """Whether the next datagram is lost."""
        lost = self._even.random() < self._loss
        if self._pattern:
            lost |= bool(self._pattern[self._count % len(self._pattern)])
        self._count += 1
        if self._burst is not None:
            turn, fate = self._bursts.random(), self._bursts.random()
            self._bad = turn >= self._burst.leave if self._bad else turn < self._burst.enter
            lost |= self._bad and fate < self._burst.loss
        return lost


class Line(Generic[T]):
    """Takes datagrams (`push`) and gives them back when they arrive (`pop`)."""

    def __init__(self, name: str, conditions: Conditions | None = None, now: float = 0.0) -> None:
        self.name = name
        self.count: dict[str, int] = dict.fromkeys(("in", "out", "lost", "queue", "outage", "bytes"), 0)
        self.longest_queue = 0
        # Waiting for their turn at the rate: (size with headers, datagram). The first is being sent since
        # `_begun`.
        self._queue: deque[tuple[int, T]] = deque()
        self._queued = 0
        self._begun = 0.0
        # Under way: (arrival, serial, datagram).
        self._flight: list[tuple[float, int, T]] = []
        self._serial = 0
        self._last_arrival = 0.0
        self._begin(conditions or Conditions(), now)

    def set(self, conditions: Conditions, now: float) -> None:
        """Take on other conditions from `now` on."""
        self._serve(now)
        # The datagram whose turn it is begins again, at the new rate.
        self._begun = max(self._begun, now)
        self._begin(conditions, now)

    def _begin(self, conditions: Conditions, now: float) -> None:
        self.conditions = conditions
        self._set_at = now
        self._losses = Losses(conditions, self.name)
        self._jitter = random.Random(f"{conditions.seed} {self.name} jitter")

    def push(self, size: int, datagram: T, now: float) -> str:
        """A datagram of `size` bytes enters; its fate: `sent`, `lost`, `queue` (full) or `outage`."""
        fate = self._fate(size + HEADERS, now)
        self.count["in"] += 1
        if fate != "sent":
            self.count[fate] += 1
            return fate
        if self.conditions.rate is None and not self._queue:
            self._send_off(datagram, size + HEADERS, now)
        else:
            if not self._queue:
                self._begun = now
            self._queue.append((size + HEADERS, datagram))
            self._queued += size + HEADERS
            self.longest_queue = max(self.longest_queue, self._queued)
        return fate

    def _fate(self, size: int, now: float) -> str:
        conditions = self.conditions
        lost = self._losses.lost()
        since = now - self._set_at
        if any(begin <= since < begin + length for begin, length in conditions.outages):
            return "outage"
        if lost:
            return "lost"
        if conditions.rate is not None:
            self._serve(now)
            full = self._queued + size > conditions.queue_bytes
            if self._queue and (full or self._queued * 8000 / conditions.rate > conditions.queue_ms):
                return "queue"
        return "sent"

    def _serve(self, now: float) -> None:
        """Send off what had its turn by `now`."""
        rate = self.conditions.rate
        while self._queue:
            size, datagram = self._queue[0]
            done = self._begun + (size * 8 / rate if rate is not None else 0.0)
            if done > now:
                return
            self._queue.popleft()
            self._queued -= size
            self._begun = done
            self._send_off(datagram, size, done)

    def _send_off(self, datagram: T, size: int, now: float) -> None:
        conditions = self.conditions
        draw = 2 * self._jitter.random() - 1
        arrival = now + max(0.0, conditions.delay_ms + draw * conditions.jitter_ms) / 1000
        if not conditions.reorder:
            arrival = self._last_arrival = max(arrival, self._last_arrival)
        self.count["bytes"] += size
        self._serial += 1
        heapq.heappush(self._flight, (arrival, self._serial, datagram))

    def pop(self, now: float) -> list[T]:
        """What arrives by `now`, in the order of arrival."""
        self._serve(now)
        arrived = []
        while self._flight and self._flight[0][0] <= now:
            arrived.append(heapq.heappop(self._flight)[2])
        self.count["out"] += len(arrived)
        return arrived

    def next_time(self) -> float | None:
        """When `pop` may have something new, or None when nothing is under way."""
        times = [self._flight[0][0]] if self._flight else []
        if self._queue:
            rate = self.conditions.rate
            times.append(self._begun + (self._queue[0][0] * 8 / rate if rate is not None else 0.0))
        return min(times, default=None)

    def stats(self) -> dict[str, Any]:
        """Counts of datagrams since the beginning, `bytes` with headers, and the queue now."""
        return {**self.count, "queued_bytes": self._queued, "longest_queue_bytes": self.longest_queue}
