"""The rate that may be sent: additive increase, multiplicative decrease (draft-ietf-rmcat-gcc-02, 5.5).

Increase is multiplicative (8 % a second) while the capacity is unknown and additive (about a packet a
response time) near the capacity of the last decrease. Decrease goes to 0.85 of what arrives. It differs from
the draft where the draft is slow or rash: a long queue is drained with a lower rate for a moment, instead of
the seconds that 15 % below capacity takes; an alarm without a queue worth the name is jitter, and only ends
growth; and growth needs evidence, so a rate that nobody uses stays where it is.
"""

from math import sqrt

from media_gateway.sfu.bandwidth.delay import NORMAL, OVERUSE
from media_gateway.sfu.bandwidth.throughput import WINDOW_MS

BETA = 0.85
GROWTH = 0.08
EVIDENCE = 1.3
"""The estimate grows by itself to this many times what arrives; further only by a probe."""
EVIDENCE_OFFSET = 20_000.0
PACKET_BITS = 9_600.0
BUSY = 0.75
"""Share of the estimate that must arrive for it to be what the line can do."""
QUEUE_MS = 40.0
"""A queueing delay that is no jitter. When little is sent, only `DRAIN_MS` is not: there are key frames."""
PASSES = 1.05
"""While little of the estimate is used, an alarm never lowers below this many times what arrives."""
DRAIN_MS = 75.0
DRAINED_MS = 40.0
DRAIN_FACTOR = 0.6
DRAIN_LIMIT = 3.0
CAPACITY_WEIGHT = 0.05


class RateControl:
    """`estimate` (bit/s) is what may be sent now."""

    __slots__ = (
        "_capacity",
        "_decreased",
        "_deviation",
        "_drain_until",
        "_updated",
        "estimate",
        "limited_at",
        "maximum",
        "minimum",
        "target",
    )

    def __init__(self, now: float, start: float, minimum: float, maximum: float) -> None:
        self.minimum = minimum
        self.maximum = maximum
        self.estimate = self.target = min(max(start, minimum), maximum)
        """`target` is what the line is believed to carry; `estimate` is less while a queue is drained."""
        self.limited_at = float("-inf")
        """when it was last seen that the line cannot do more, and not only that it does as much"""
        self._capacity = 0.0
        self._deviation = 0.4
        self._decreased = -1e9
        self._updated = now
        self._drain_until = 0.0

    def update(
        self,
        state: str,
        delivered: float,
        latest: float,
        queue: float,
        behind: float,
        round_trip: float,
        now: float,
    ) -> None:
        """After each feedback. Rates in bit/s, `queue` and `behind` in ms, `round_trip` and `now` in s."""
        elapsed = min(now - self._updated, 1.0)
        self._updated = now
        if state == OVERUSE:
            self._decrease(delivered, latest, queue, behind, round_trip, now)
        elif self._drain_until:
            self._drain(queue, now)
        elif state == NORMAL:
            self._increase(delivered, round_trip, elapsed)

    def raise_to(self, rate: float, limited: bool, now: float) -> None:
        """A probe has shown that so much gets through; `limited` when more does not."""
        rate = min(rate, self.maximum)
        if limited:
            self.limited_at = now
        if rate > self.target:
            self.target = rate
            if self._capacity and rate > self._upper():
                self._capacity = 0.0
            if not self._drain_until:
                self.estimate = rate

    def cut(self, factor: float, ceiling: float = float("inf")) -> None:
        """Lower to `factor` of the target, or of `ceiling` (bit/s) if that is less."""
        self.target = max(self.minimum, min(self.target, ceiling) * factor)
        self.estimate = min(self.estimate, self.target)

    def _increase(self, delivered: float, round_trip: float, elapsed: float) -> None:
        target = self.target
        ceiling = min(EVIDENCE * delivered + EVIDENCE_OFFSET, self.maximum)
        if target >= ceiling:
            return
        if self._capacity and delivered > self._upper():
            self._capacity = 0.0
        if self._capacity:
            grown = target + max(4_000.0, PACKET_BITS / (2.0 * (round_trip + 0.1)) * 2.0) * elapsed
        else:
            grown = target * (1.0 + GROWTH) ** elapsed
        self.target = self.estimate = min(grown, ceiling)

    def _decrease(
        self, delivered: float, latest: float, queue: float, behind: float, round_trip: float, now: float
    ) -> None:
        deep = behind >= DRAIN_MS and queue >= QUEUE_MS
        if not deep and queue < QUEUE_MS:
            return
        full = delivered > 0 and (deep or delivered > BUSY * self.target)
        wait = min(max(round_trip, 0.1), 0.25)
        if now - self._decreased < wait and not (full and delivered < 0.5 * self.target):
            return
        self._decreased = now
        # While there was a queue, what arrived is what the line can do; before that it is only what was sent.
        arrives = min(delivered, latest) if behind >= WINDOW_MS else max(delivered, latest)
        lowered = BETA * arrives
        if full:
            self.limited_at = now
            self._learn(arrives)
        else:
            lowered = max(lowered, BETA * self.target, PASSES * min(delivered, latest))
        if lowered < self.target:
            self.target = max(self.minimum, lowered)
        self.estimate = self.target
        if deep:
            self._drain_until = now + DRAIN_LIMIT
            self.estimate = max(self.minimum, DRAIN_FACTOR * self.target)

    def _drain(self, queue: float, now: float) -> None:
        if queue < DRAINED_MS or now >= self._drain_until:
            self._drain_until = 0.0
            self.estimate = self.target

    def _learn(self, rate: float) -> None:
        """Follow the capacity seen at decreases; its spread says how near to it `near` is."""
        if not self._capacity or abs(rate - self._capacity) > 3 * self._spread():
            self._capacity = rate
            return
        error = self._capacity - rate
        self._capacity -= CAPACITY_WEIGHT * error
        relative = error * error / max(self._capacity, 1.0) / 1000.0
        deviation = (1 - CAPACITY_WEIGHT) * self._deviation + CAPACITY_WEIGHT * relative
        self._deviation = min(max(deviation, 0.4), 2.5)

    def _spread(self) -> float:
        return sqrt(self._deviation * self._capacity / 1000.0) * 1000.0

    def _upper(self) -> float:
        return self._capacity + 3 * self._spread()
