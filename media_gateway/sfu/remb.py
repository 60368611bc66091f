"""How much a publishing connection can carry, for browsers that have no transport-wide feedback but REMB.

A queue that builds up somewhere makes packets arrive further apart than they were sent. The send times are in
the abs-send-time extension (24 bit, 6.18 fixed point seconds), so the growth of the delay can be seen here,
in the manner of "A Google Congestion Control Algorithm for Real-Time Communication"
(draft-ietf-rmcat-gcc-02, section 5). Pure: no clock of its own.
"""

from collections import deque

WRAP = 1 << 24
TICKS = 1 << 18
"""Units of abs-send-time a second."""
START = 2_500_000
"""bit/s told until something speaks against it: with less, cameras begin small and stay small."""
FLOOR, CEILING = 100_000, 20_000_000
GROUP = 0.005
"""Seconds of sending that are looked at as one."""
WINDOW = 20
"""Groups whose delays the trend is taken over."""
OVERUSE = 0.0125
"""Growth of the delay, scaled as below, that means a queue."""
GAIN = 4.0
RATE_WINDOW = 0.5
HOLD = 0.3
"""Seconds between two reductions: the first must reach the sender before it can show."""


class RateEstimator:
    """Fed with every packet's send time, size and arrival; `estimate(now)` is what to tell the sender."""

    def __init__(self) -> None:
        self.bitrate = float(START)
        self._group: tuple[int, int, float] | None = None
        """the group under way: first and last send time, last arrival"""
        self._before: tuple[int, float] | None = None
        self._delay = self._smooth = 0.0
        self._trend: deque[tuple[float, float]] = deque(maxlen=WINDOW)
        self._sizes: deque[tuple[float, int]] = deque()
        self._bytes = 0
        self._limited = False
        self._reduced_at = self._raised_at = 0.0

    def add(self, send_time: int, size: int, now: float) -> None:
        """One packet: its 24-bit send time, its bytes, when it came."""
        self._sizes.append((now, size))
        self._bytes += size
        while self._sizes[0][0] < now - RATE_WINDOW:
            self._bytes -= self._sizes.popleft()[1]
        group = self._group
        if group is None:
            self._group = (send_time, send_time, now)
            return
        first, last, _ = group
        since = (send_time - first) % WRAP
        if since >= WRAP // 2:
            return  # sent before the group began: reordered
        if since <= GROUP * TICKS:
            newest = send_time if (send_time - last) % WRAP < WRAP // 2 else last
            self._group = (first, newest, now)
            return
        self._close(group)
        self._group = (send_time, send_time, now)

    def _close(self, group: tuple[int, int, float]) -> None:
        _, sent, arrived = group
        if self._before is not None:
            apart = (sent - self._before[0]) % WRAP / TICKS
            if apart > 2:  # nothing was sent for long: another beginning
                self._trend.clear()
                self._delay = self._smooth = 0.0
            else:
                self._delay += arrived - self._before[1] - apart
                self._smooth = 0.9 * self._smooth + 0.1 * self._delay
                self._trend.append((arrived, self._smooth))
        self._before = (sent, arrived)

    def _slope(self) -> float:
        """Seconds of delay that come with each second, over the last groups (least squares)."""
        count = len(self._trend)
        if count < WINDOW:
            return 0.0
        mean_x = sum(x for x, _ in self._trend) / count
        mean_y = sum(y for _, y in self._trend) / count
        spread = sum((x - mean_x) ** 2 for x, _ in self._trend)
        if spread == 0:
            return 0.0
        return sum((x - mean_x) * (y - mean_y) for x, y in self._trend) / spread

    def estimate(self, now: float) -> int:
        """bit/s the sender may use. Call every few hundred milliseconds at most."""
        while self._sizes and self._sizes[0][0] < now - RATE_WINDOW:
            self._bytes -= self._sizes.popleft()[1]
        rate = 8 * self._bytes / RATE_WINDOW
        growth = self._slope() * GAIN * len(self._trend) / 100
        span = min(1.0, now - self._raised_at) if self._raised_at else 0.0
        self._raised_at = now
        if growth > OVERUSE:
            if now - self._reduced_at > HOLD and rate:
                self.bitrate = min(self.bitrate, 0.85 * rate)
                self._reduced_at = now
                self._limited = True
        elif growth > -OVERUSE:
            raised = self.bitrate * 1.08**span + 4000 * span
            # What is not used is not known to fit: beyond it a limited line is felt out step by step.
            self.bitrate = min(raised, max(self.bitrate, 1.5 * rate + 50_000)) if self._limited else raised
        self.bitrate = min(float(CEILING), max(float(FLOOR), self.bitrate))
        return int(self.bitrate)
