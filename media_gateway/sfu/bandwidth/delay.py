"""Is the queue on the way growing? The delay side of congestion control.

A trend line through the smoothed one-way delay (draft-ietf-rmcat-gcc-02 section 5.3 in its later, linear
regression form) and the detector with an adaptive threshold of section 5.4. Constants are those in wide use:
a window of 20 samples, gain 4, threshold 12.5 kept between 6 and 600, gains 0.0087 up and
0.039 down a millisecond.

Three things differ from the draft. Delay is taken of the *first* packet of a burst: what is sent at once
waits for itself, and a big frame would look like a queue. What a line with the capacity believed in would
delay a packet anyhow, behind a key frame for instance, is taken off: only what shows that it has less
remains. And the detector runs once a feedback, not once a sample, because nobody acts in between.
"""

from collections import deque
from operator import mul

WINDOW = 20
WINDOW_MS = 2_000.0
SMOOTHING, SMOOTHING_MOST = 6.0, 0.2
"""Weight of a sample for each second since the one before, and at most: frames sent whole are few samples."""
GAIN = 4.0
FULL = 60
"""Samples from which on the trend counts fully."""
SPACING = 0.005
"""Seconds between the sending of two samples at least: bursts count once."""
OWN_DRAIN, OWN_MOST = 1.1, 60.0
"""What was sent just before a sample delays it on any line: as much as one with this many times the target
would delay it, but so many ms at most, is put down to that."""
OVERUSE_MS = 10.0
RISE_MS, RISE_OVER_MS = 5.0, 120.0
"""An alarm counts while the least delay of a feedback is so much above that of one this long before: a longer
way is one step up, a queue goes on to grow."""
STEP_MS, STEP_AGAIN, STEP_WITHIN_MS = 30.0, 0.25, 300.0
"""A rise by so much from one feedback to the next waits for the one after it: when that does not rise by this
share of it again, the way has become longer."""
LEVEL_MS = 30.0
"""What the delay may rise above that level without being a queue, until the level is the new base."""
PATIENCE_MS = 1_000.0
"""An alarm of such length counts anyhow."""
THRESHOLD, THRESHOLD_MIN, THRESHOLD_MAX = 12.5, 6.0, 600.0
ADAPT_UP, ADAPT_DOWN = 0.0087, 0.039
ADAPT_REACH = 15.0
"""A trend this far above the threshold does not move it: it is an event, not noise."""
BASE_BUCKET_MS = 10_000.0
"""The lowest delay of the last 10 to 20 s is that of an empty queue."""
STANDING_MS = 2_000.0
"""What still stands so long after the last overuse, with less being sent, is a longer way and no queue."""

NORMAL, OVERUSE, UNDERUSE = "normal", "overuse", "underuse"


class DelayDetector:
    """`times`, `delays` (ms) are the window; whoever reads feedback appends and then calls `update`.

    The caller keeps `smoothed` and `sampled` (s, when the last sample was sent) too.
    """

    __slots__ = (
        "_base",
        "_base_next",
        "_base_since",
        "_calm_least",
        "_calm_since",
        "_last",
        "_level",
        "_level_until",
        "_lows",
        "_over_count",
        "_over_ms",
        "_over_since",
        "_step",
        "_trend",
        "backlog",
        "backlog_at",
        "behind",
        "count",
        "delays",
        "doubtful",
        "offset",
        "queue",
        "sampled",
        "smoothed",
        "state",
        "threshold",
        "times",
    )

    def __init__(self) -> None:
        self.threshold = THRESHOLD
        self.doubtful = True
        """whether a sudden rise may well be something else than a queue: the line never seemed to be full"""
        self.restart(0.0)

    def restart(self, offset: float) -> None:
        """Forget the past. `offset` (ms), receiver's minus sender's clock, keeps delays small numbers."""
        self.offset = offset
        self.times: deque[float] = deque(maxlen=WINDOW)
        self.delays: deque[float] = deque(maxlen=WINDOW)
        self.smoothed = 0.0
        self.sampled = -1e9
        self.backlog = 0.0
        self.backlog_at = 0.0
        self.count = 0
        self.state = NORMAL
        self.queue = self.behind = 0.0
        self._trend = 0.0
        self._last = 0.0
        self._over_ms = 0.0
        self._over_count = 0
        self._over_since = 0.0
        self._step = 0.0
        self._level, self._level_until = 0.0, float("-inf")
        self._lows: deque[tuple[float, float]] = deque(maxlen=16)
        self._base = self._base_next = float("inf")
        self._base_since = float("-inf")
        self._calm_least = float("inf")
        self._calm_since = 0.0

    def update(self, samples: int, raw: float, excess: float, low: float | None = None) -> str:
        """The state after `samples` (1 or more) new entries.

        `raw` is the last one's delay, `excess` what of it is not due to what was sent just before (ms), `low`
        the least of them all.
        """
        times, delays = self.times, self.delays
        now = times[-1]
        low = raw if low is None else low
        if self._stepped(now, low):
            return self.state
        self._follow_base(now, delays[-1], raw, excess)
        self.count += samples
        elapsed = now - self._last
        self._last = now
        while now - times[0] > WINDOW_MS:
            times.popleft()
            delays.popleft()
        n = len(times)
        if n < 4:
            return self.state
        middle, mean = sum(times) / n, sum(delays) / n
        spread = sum(map(mul, times, times)) / n - middle * middle
        if spread < 1e-3:
            return self.state
        trend = (sum(map(mul, times, delays)) / n - middle * mean) / spread
        scaled = min(self.count, FULL) * trend * GAIN
        threshold = self.threshold
        if scaled > threshold:
            if not self._over_ms and not self._over_count and self.state != OVERUSE:
                self._over_since = now
            self._over_ms += elapsed
            self._over_count += samples
            if self._over_ms > OVERUSE_MS and self._over_count > 1 and trend >= self._trend:
                self._over_ms = 0.0
                self._over_count = 0
                self.state = OVERUSE if self._rising(now) else UNDERUSE
        else:
            self._over_ms = 0.0
            self._over_count = 0
            self.state = UNDERUSE if scaled < -threshold else NORMAL
        if self.state == OVERUSE:
            self._calm_since, self._calm_least = now, float("inf")
        self._trend = trend
        size = abs(scaled)
        if size <= threshold + ADAPT_REACH and elapsed > 0:
            gain = ADAPT_DOWN if size < threshold else ADAPT_UP
            threshold += gain * (size - threshold) * min(elapsed, 100.0)
            self.threshold = min(max(threshold, THRESHOLD_MIN), THRESHOLD_MAX)
        return self.state

    def _stepped(self, now: float, low: float) -> bool:
        """Whether the delay rose at a step that is to be understood before anybody acts."""
        lows, step = self._lows, self._step
        self._step = 0.0
        rise = low - lows[-1][1] if lows and now - lows[-1][0] < STEP_WITHIN_MS else 0.0
        lows.append((now, low))
        if step:
            if rise < STEP_AGAIN * step:
                self._level, self._level_until = low, now + STANDING_MS
            else:
                self.doubtful = False
        elif self.doubtful and rise > STEP_MS and self.state != OVERUSE and now >= self._level_until:
            self._step = rise
            return True
        return False

    def _rising(self, now: float) -> bool:
        """Whether the delay still grows, or has for long."""
        low = self._lows[-1][1]
        if now < self._level_until and low < self._level + LEVEL_MS:
            return False
        before = next((least for at, least in reversed(self._lows) if now - at >= RISE_OVER_MS), None)
        return before is None or low > before + RISE_MS or now - self._over_since > PATIENCE_MS

    def _follow_base(self, now: float, delay: float, raw: float, excess: float) -> None:
        if delay < self._base_next:
            self._base_next = delay
            if delay < self._base:
                self._base = delay
        if now - self._base_since > BASE_BUCKET_MS:
            self._base_since = now
            self._base = self._base_next
            self._base_next = delay
        self._calm_least = min(self._calm_least, delay)
        if now - self._calm_since > STANDING_MS:
            self._base = self._base_next = max(self._base, self._calm_least)
            self._calm_since, self._calm_least = now, delay
        # No jitter passes for a queue, as the smoothed delay is below its peaks; and its end is seen at once.
        self.queue = max(0.0, min(delay, raw) - self._base)
        self.behind = max(0.0, excess - self._base)
