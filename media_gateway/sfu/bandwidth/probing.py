"""Probes: short bursts above the estimate that find out whether more would get through.

What is forwarded comes in steps (simulcast layers), so the traffic itself seldom shows that the line could
carry more. At the start the estimate grows threefold, sixfold and so on, as long as each step is confirmed;
later, while the subscriber wants more than the estimate allows, a probe for it, of three and a half times the
estimate at most, goes out every 0.4 to 4 s: as often as half of the room that is left allows, and slowly less
often while it brings nothing. After a drop the first one aims at what was there before.
"""

from typing import NamedTuple

FIRST_SCALES = (3.0, 6.0)
SCALE = 3.5
CONFIRMED = 0.7
"""A probe that shows this share of its rate is followed by the next step at once."""
DURATION = 0.025
"""Seconds a probe takes: enough packets to measure, too few to disturb."""
PACKETS, PACKETS_SLOW, SLOW, PACKET_BYTES = 6, 5, 1_000_000.0, 1200
"""Packets at least, and under the rate `SLOW`: there they fill the line for longer."""
PATIENCE = 0.25
RECEIVED = 0.8
"""Share of a probe's packets without which it says nothing."""
SATURATED = 0.9
USABLE = 0.95
"""Share of a measured capacity that is believed."""
INTERVAL, INTERVAL_MAX, INTERVAL_GROWTH = 0.4, 4.0, 1.02
SHARE = 0.5
"""Of the room that is left, what probes may take."""
PROGRESS, PROGRESS_INTERVAL = 1.15, 0.2
STRETCH = 2.0
"""A probe that shows less than it tried, but more than the estimate by the first factor, is soon followed by
another that takes longer: it may have been jitter."""
COMPLETE = 0.95
TIMEOUT = 1.0
"""Seconds after a probe's deadline for which its outcome is awaited."""
DROP = 0.66
AIM = 0.85
RECOVER_AFTER = 1.0
NEED = 1.25
"""The allocator switches up with room of 1.1 times what it switches to, and of so much after a mistake."""
REACH = 1.06
"""Probes go so far beyond the need."""


class Probe(NamedTuple):
    """What to send: `packets` and `bytes` at least, evenly at `bitrate` (bit/s), before `deadline`.

    They come on top of the media, as RTX of recent packets or as padding of any size; each is reported to
    `BandwidthEstimator.sent` with the probe's `id`. In three bursts or more it measures best.
    """

    id: int
    bitrate: float
    packets: int
    bytes: int
    deadline: float


class Prober:
    """Decides when to probe and measures the outcome."""

    __slots__ = (
        "_before",
        "_due",
        "_estimate",
        "_first_arrival",
        "_first_bytes",
        "_first_sent",
        "_first_total",
        "_id",
        "_interval",
        "_last_arrival",
        "_last_bytes",
        "_last_sent",
        "_last_total",
        "_pause",
        "_received",
        "_resolved",
        "_resolved_bytes",
        "_scales",
        "_stretch",
        "chained",
        "confirmed",
        "failed",
        "outstanding",
        "saturated",
    )

    def __init__(self, now: float) -> None:
        self._id = 0
        self.outstanding: Probe | None = None
        """The probe whose outcome is awaited."""
        self._estimate = 0.0
        self._stretch = 1.0
        self._scales = list(FIRST_SCALES)
        self.chained = False
        """the last probe showed more than was known: the next one need not wait"""
        self.saturated = False
        """the last outcome was less than what was tried: it is all that the line can do"""
        self._before = 0.0
        self._interval = INTERVAL
        self._pause = 0.0
        self._due = now
        self.confirmed = 0
        self.failed = 0
        self._clear()

    def _clear(self) -> None:
        self._resolved = self._resolved_bytes = self._received = 0
        self._first_total = self._last_total = self._first_bytes = self._last_bytes = 0
        self._first_sent = self._last_sent = self._first_arrival = self._last_arrival = 0.0

    @property
    def pursuing(self) -> bool:
        """Whether the last probe showed more than was known, and the next one will tell how much more."""
        return self.chained or self._stretch > 1.0

    def dropped(self, before: float, after: float, now: float) -> None:
        """The estimate was lowered; probe for the old one soon, when it was a big drop."""
        self.chained = False
        self._scales.clear()
        if after < DROP * before:
            self._before = max(self._before, before)
            self._interval = INTERVAL
        self._due = max(self._due, now + RECOVER_AFTER)

    def recover(self, before: float, now: float) -> None:
        """The line is back after silence: find out at once whether it carries what it did."""
        self._before = before
        self.outstanding = None
        self._interval = INTERVAL
        self._due = now

    def next(
        self, now: float, wanted: float, estimate: float, maximum: float, calm: bool, spare: float = 0.0
    ) -> Probe | None:
        """The probe to send now, or None. `spare` is what of the estimate is not used (bit/s)."""
        if self.outstanding is not None:
            if now < self.outstanding.deadline + TIMEOUT:
                return None
            self._fail(now)
        need = min(NEED * wanted, maximum)
        if estimate >= need or estimate >= 0.98 * maximum:
            self._rest()
            return None
        if not calm:
            self._rest()
            return None
        if now < self._due and not self.chained:
            return None
        rate = SCALE * estimate
        if self._scales:
            rate = self._scales.pop(0) * estimate
        elif self._before:
            rate = max(AIM * self._before, rate)
            self._before = 0.0
        self.chained = False
        rate = min(rate, REACH * need, maximum)
        size = self._stretch * rate * DURATION / 8
        self._stretch = 1.0
        packets = max(PACKETS if rate >= SLOW else PACKETS_SLOW, -int(-size // PACKET_BYTES))
        room = max(SHARE * spare, 1.0)
        self._pause = min(8 * packets * PACKET_BYTES / room, INTERVAL_MAX)
        patience = max(PATIENCE, 2.0 * packets * PACKET_BYTES * 8 / rate)
        self._id += 1
        self._clear()
        self._estimate = estimate
        self.outstanding = probe = Probe(self._id, rate, packets, int(size), now + patience)
        return probe

    def acknowledged(
        self,
        identity: int,
        total: int,
        count: int,
        got: int,
        size: int,
        sent: float,
        first: float,
        last: float,
    ) -> None:
        """Of a run of `count` probe packets `got` came, the first at `first`, the last at `last` (ms).

        `total` is how many bytes, of whatever, came before this run.
        """
        probe = self.outstanding
        if probe is None or probe.id != identity:
            return
        self._resolved += count
        self._resolved_bytes += count * size
        if not got:
            return
        if not self._received:
            self._first_total, self._first_bytes = total, size
            self._first_sent, self._first_arrival = sent, first
        self._received += got
        self._last_total, self._last_bytes = total, got * size
        self._last_sent = sent
        self._last_arrival = max(self._last_arrival, last)

    def outcome(self, now: float, loss: float) -> float:
        """What the awaited probe has shown (bit/s), once; else 0. `loss` is what the line loses anyhow."""
        probe = self.outstanding
        if probe is None or self._resolved < probe.packets or self._resolved_bytes < COMPLETE * probe.bytes:
            return 0.0
        if self._received < RECEIVED * (1.0 - loss) * self._resolved:
            self._fail(now)
            return 0.0
        self.saturated = False
        rate = self._measure(probe)
        self.outstanding = None
        if rate >= CONFIRMED * probe.bitrate:
            self.confirmed += 1
            self._interval = INTERVAL
            self.chained = rate > PROGRESS * self._estimate
            if not self.chained:
                self._due = now + max(self._interval, self._pause)
        else:
            self._miss(now)
            if rate > PROGRESS * self._estimate:
                self._due = now + PROGRESS_INTERVAL
                self._stretch = STRETCH
        return rate

    def _measure(self, probe: Probe) -> float:
        taken = (self._last_arrival - self._first_arrival) / 1000
        received = (self._last_total - self._first_total + self._last_bytes - self._first_bytes) * 8
        sending = self._last_sent - self._first_sent
        offered = probe.bitrate
        if sending > 0.001:
            # All of the bursts but the last one, in the time between the first and the last.
            offered = min(offered, (self._last_total - self._first_total) * 8 / sending)
        if taken <= 0.0005:
            return offered  # all at once: the line is faster than the probe
        arrived = received / taken
        self.saturated = arrived < SATURATED * offered
        return USABLE * arrived if self.saturated else min(arrived, offered)

    def _rest(self) -> None:
        self.chained = False
        self._stretch = 1.0

    def _fail(self, now: float) -> None:
        self.outstanding = None
        self._miss(now)

    def _miss(self, now: float) -> None:
        self.failed += 1
        self.chained = False
        self._scales.clear()
        self._due = now + max(self._interval, self._pause)
        self._interval = min(self._interval * INTERVAL_GROWTH, INTERVAL_MAX)
