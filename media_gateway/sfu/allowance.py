"""A token bucket: what may be spent on somebody, at once and in the long run."""


class Allowance:
    """So much at once, so much a second."""

    __slots__ = ("_at", "_left", "burst", "rate")

    def __init__(self, rate: float, burst: float) -> None:
        self.rate = rate
        self.burst = burst
        self._left = burst
        self._at = 0.0

    def take(self, now: float, amount: float = 1.0) -> bool:
        """Whether `amount` more is allowed at `now` (monotonic seconds)."""
        self._left = min(self.burst, self._left + max(0.0, now - self._at) * self.rate)
        self._at = now
        if self._left < amount:
            return False
        self._left -= amount
        return True
