"""How much may be sent to one subscriber, out of what was sent and what the browser says arrived."""

from collections import deque

from media_gateway.sfu.bandwidth.delay import (
    NORMAL,
    OVERUSE,
    OWN_DRAIN,
    OWN_MOST,
    SMOOTHING,
    SMOOTHING_MOST,
    SPACING,
    UNDERUSE,
    DelayDetector,
)
from media_gateway.sfu.bandwidth.feedback import read
from media_gateway.sfu.bandwidth.loss import HELD, TOLERATED, LossControl
from media_gateway.sfu.bandwidth.probing import Probe, Prober
from media_gateway.sfu.bandwidth.rate import RateControl
from media_gateway.sfu.bandwidth.throughput import Throughput

Run = tuple[int, int, int, float, int]
"""(first number, packets, bytes of each, sent at, probe or 0): packets that were handed over together."""

HISTORY = 4096
HISTORY_TIME = 6.0
"""Runs kept, and for how many seconds: far less than what makes 16-bit numbers ambiguous."""
MISSING = 1024
LATE = 2.0
"""Lost packets remembered, and for about how many seconds, in case they come late."""
SILENCE = 0.5
"""Seconds, and a round trip, for which sending may go on without any feedback."""
SILENCE_RUNS = 10
SILENCE_FACTOR = 0.7
SILENCE_STEP = 0.3
CLOCK_JUMP_MS = 5_000.0
CALM = 1.0
"""Seconds without overuse before a probe."""
CALM_QUEUE_MS = 60.0
OFFERED = 1.1
"""A cut for losses starts at this many times what is really sent."""
UNKNOWN_ROUND_TRIP = 0.1
UNSURE = 0.5
"""Seconds after silence for which a first probe is awaited."""
REPORT_FRESH = 5.0
REPORT_INSTEAD = 2.0
TRIP_BUCKET = 5.0
LIMIT_KNOWN = 15.0
"""Seconds after which it is forgotten that a line could not do more."""


class BandwidthEstimator:
    """Bandwidth estimate of one transport that sends with transport-wide numbers. No clock of its own.

    Rates are bit/s, times are seconds of one monotonic clock. `sent` and `feedback` are hot.
    """

    __slots__ = (
        "_before_silence",
        "_delay",
        "_feedback_at",
        "_lossy",
        "_maximum",
        "_missed_at",
        "_missing",
        "_origin",
        "_overused_at",
        "_prober",
        "_rate",
        "_received",
        "_reference",
        "_reported_at",
        "_runs",
        "_silence_at",
        "_skew",
        "_throughput",
        "_trip_least",
        "_trip_next",
        "_trip_since",
        "_unsilenced",
        "_unsure_until",
        "acknowledged",
        "estimate",
        "feedbacks",
        "loss",
        "record",
        "round_trip",
        "state",
    )

    def __init__(
        self,
        now: float,
        *,
        start: float = 1_000_000.0,
        minimum: float = 60_000.0,
        maximum: float = 20_000_000.0,
    ) -> None:
        self._runs: deque[Run] = deque(maxlen=HISTORY)
        self.record = self._runs.append
        """`sent` for whoever sends much: takes a run as it is stored"""
        self._missing: set[int] = set()
        self._missed_at = now
        self._delay = DelayDetector()
        self._throughput = Throughput()
        self._lossy = LossControl(now)
        self._rate = RateControl(now, start, minimum, maximum)
        self._prober = Prober(now)
        self._maximum = maximum
        self._received = 0
        self._reference: int | None = None
        self._origin = 0
        self._skew = 0.0
        self._overused_at = -1e9
        self._feedback_at = now
        self._silence_at = now
        self._unsilenced = self._before_silence = self._unsure_until = 0.0
        self._reported_at = -1e9
        self._trip_least = self._trip_next = float("inf")
        self._trip_since = now
        self.estimate = self._rate.estimate
        """bit/s that may be sent."""
        self.acknowledged = 0.0
        """bit/s that arrive."""
        self.round_trip: float | None = None
        """Seconds."""
        self.loss = 0.0
        """Recent share of packets lost, 0..1."""
        self.state = NORMAL
        """What the queue does: `normal`, `overuse` (grows) or `underuse` (shrinks)."""
        self.feedbacks = 0

    def sent(self, first: int, count: int, size: int, now: float, probe: int = 0) -> None:
        """`count` packets of `size` bytes went out, with transport-wide numbers from `first` on (16 bit)."""
        self.record((first, count, size, now, probe))

    def feedback(self, body: bytes, now: float) -> None:
        """Use one feedback; ValueError when malformed, and then nothing changed.

        Numbers that were never sent, or are long settled, are passed over.
        """
        base, total, reference, statuses, ticks = read(body)
        runs = self._runs
        if not runs:
            self._found(base, total, statuses)
            return
        last = runs[-1]
        total = min(total, (last[0] + last[1] - base + 0x8000 & 0xFFFF) - 0x8000)
        first, count, size, when, probe = runs[0]
        at = (first - base + 0x8000 & 0xFFFF) - 0x8000
        if at > 0 and self._missing:
            self._found(base, min(at, total), statuses)
        if at >= total or total <= 0:
            return
        zero = self._clock(reference, now)
        gap = False
        if at < 0:
            # What lies between was told in a feedback that got lost.
            first, count, size, when, probe = self._skip(base)
            at = first - base & 0xFFFF
            gap = True

        delay = self._delay
        sampled, smoothed = delay.sampled, delay.smoothed
        shift = zero - delay.offset
        times, delays = delay.times, delay.delays
        backlog, backlog_at = delay.backlog, delay.backlog_at
        drain = OWN_DRAIN * self._rate.target / 8000.0  # bytes a millisecond
        samples = packets = lost = rank = counted = 0
        received = self._received
        head = arrival = 0
        raw = excess = 0.0
        low = 1e9
        got_at = when
        while at < total:
            backlog -= (when - backlog_at) * 1000.0 * drain
            backlog_at = when
            if backlog < 0.0:
                backlog = 0.0
            end = at + count
            if end > total:
                runs[0] = (first + total - at & 0xFFFF, end - total, size, when, probe)
                end = total
            else:
                runs.popleft()
            got = end - at
            if statuses is None:
                head, arrival = ticks[at], ticks[end - 1]
            else:
                rank += at - counted - statuses.count(0, counted, at)
                counted = end
                absent = statuses.count(0, at, end)
                if absent:
                    got -= absent
                    lost += absent
                    self._miss(base, at, end, statuses)
                if got:
                    head, arrival = ticks[rank], ticks[rank + got - 1]
                    rank += got
            if got:
                packets += got
                got_at = when
                if (apart := when - sampled) >= SPACING:
                    sampled = when
                    stamp = head * 0.25
                    raw = stamp + shift - when * 1000.0
                    if raw < low:
                        low = raw
                    own = backlog / drain
                    excess = raw - (own if own < OWN_MOST else OWN_MOST)
                    if times:
                        if excess < smoothed:
                            excess = smoothed if smoothed < raw else raw
                        weight = SMOOTHING * apart
                        smoothed += (weight if weight < SMOOTHING_MOST else SMOOTHING_MOST) * (
                            excess - smoothed
                        )
                    else:
                        smoothed = excess
                    times.append(stamp + zero)
                    delays.append(smoothed)
                    samples += 1
            if probe:
                self._prober.acknowledged(
                    probe, received, end - at, got, size, when, zero + head * 0.25, zero + arrival * 0.25
                )
            received += got * size
            backlog += (end - at) * size
            if not runs:
                break
            first, count, size, when, probe = runs[0]
            at = first - base & 0xFFFF

        delay.sampled, delay.smoothed = sampled, smoothed
        delay.backlog, delay.backlog_at = backlog, backlog_at
        arrived, self._received = received - self._received, received
        if gap:
            self._throughput.skip(zero + arrival * 0.25)
            arrived = 0
        self.feedbacks += 1
        came = zero + arrival * 0.25
        self._conclude(packets, lost, arrived, samples, raw, excess, low, came, now - got_at, now)

    def report(self, fraction_lost: float, round_trip: float | None, now: float) -> None:
        """Use a receiver report (RFC 3550): its round trip, and without feedback its losses (0..1)."""
        if round_trip is not None:
            self.round_trip = round_trip
            self._reported_at = now
        if now - self._feedback_at > REPORT_INSTEAD:
            lost = round(100 * min(max(fraction_lost, 0.0), 1.0))
            self._judge_loss(100 - lost, lost, now)

    def tick(self, now: float) -> None:
        """Every 100 ms or so: forget what is too old; lower the estimate while nothing is answered."""
        runs = self._runs
        horizon = now - HISTORY_TIME
        while runs and runs[0][3] < horizon:
            runs.popleft()
        if self._missing and now - self._missed_at > LATE:
            self._missing.clear()
        if not self.feedbacks or len(runs) < SILENCE_RUNS or now < self._silence_at:
            return
        patience = SILENCE + (self.round_trip or UNKNOWN_ROUND_TRIP)
        if now - self._feedback_at < patience or now - runs[0][3] < patience or now - runs[-1][3] > SILENCE:
            return
        self._silence_at = now + SILENCE_STEP
        self._unsilenced = self._unsilenced or self._rate.target
        self._rate.cut(SILENCE_FACTOR)
        self.estimate = self._rate.estimate

    def next_probe(self, now: float, wanted: float) -> Probe | None:
        """The probe to send now, if any; `wanted` is what the subscriber could use (bit/s), 0 for nothing."""
        calm = (
            self.feedbacks > 0
            and self.state != OVERUSE
            and now - self._overused_at >= CALM
            and self._delay.queue < CALM_QUEUE_MS
            and self._lossy.excess <= TOLERATED
            and now - self._feedback_at < SILENCE
        )
        spare = max(0.0, self.estimate - self.acknowledged)
        return self._prober.next(now, wanted, self._rate.target, self._maximum, calm, spare)

    @property
    def silent(self) -> bool:
        """Whether nothing is answered for long while something is sent."""
        return self._unsilenced > 0.0

    def unsure(self, now: float) -> bool:
        """Whether the line is not answering, or has begun to just now and is being tried out."""
        return self._unsilenced > 0.0 or now < self._unsure_until

    def remembered(self, now: float) -> float:
        """bit/s before the line fell silent, while it is not known what it carries since; else 0."""
        return max(self._unsilenced, self._before_silence) if self.unsure(now) else 0.0

    @property
    def lag(self) -> float:
        """Seconds from sending something to hearing of it, with the queue that there is now."""
        least = self._trip_least if self._trip_least < float("inf") else 0.0
        return max(self.round_trip or 0.0, least + self._delay.queue / 1000.0)

    @property
    def eager(self) -> bool:
        """Whether more is known to get through, and the next probe, soon, will tell how much."""
        return self._prober.pursuing

    def limited(self, now: float) -> bool:
        """Whether the estimate is about what the line can do, and not just what was tried so far."""
        return now - self._rate.limited_at < LIMIT_KNOWN

    def describe(self) -> dict[str, object]:
        """For statistics: rates in bit/s, times in ms."""
        return {
            "estimate": round(self.estimate),
            "acknowledged": round(self.acknowledged),
            "round_trip_ms": None if self.round_trip is None else round(self.round_trip * 1000, 1),
            "loss": round(self.loss, 4),
            "inherent_loss": round(self._lossy.inherent, 4),
            "state": self.state,
            "queue_ms": round(self._delay.queue, 1),
            "threshold": round(self._delay.threshold, 1),
            "feedbacks": self.feedbacks,
            "probes_confirmed": self._prober.confirmed,
            "probes_failed": self._prober.failed,
        }

    def _clock(self, reference: int, now: float) -> float:
        """The reference time in ms of a clock that does not wrap."""
        known = self._reference
        if known is None:
            self._origin = reference
        else:
            reference = known + (reference - known + 0x800000 & 0xFFFFFF) - 0x800000
        self._reference = reference
        zero = (reference - self._origin) * 64.0
        skew = zero - now * 1000.0
        if known is None or abs(skew - self._skew) > CLOCK_JUMP_MS:
            self._delay.restart(skew)
            self._throughput.restart(zero)
        self._skew = skew
        return zero

    def _skip(self, base: int) -> Run:
        """Drop the runs before `base`; the first one of the rest."""
        runs = self._runs
        run = runs[0]
        while (ahead := base - run[0] & 0xFFFF) and ahead < 0x8000:
            if ahead < run[1]:
                run = runs[0] = (base, run[1] - ahead, run[2], run[3], run[4])
                break
            runs.popleft()
            run = runs[0]
        return run

    def _miss(self, base: int, at: int, end: int, statuses: bytes) -> None:
        """Remember lost packets: they may have been overtaken only."""
        missing = self._missing
        if len(missing) > MISSING:
            missing.clear()
        self._missed_at = self._feedback_at
        at = statuses.find(0, at, end)
        while at >= 0:
            missing.add(base + at & 0xFFFF)
            at = statuses.find(0, at + 1, end)

    def _found(self, base: int, end: int, statuses: bytes | None) -> None:
        """Packets told as lost before may be told as received in a feedback that goes back to them."""
        missing = self._missing
        if end < len(missing):
            places = [at for at in range(end) if base + at & 0xFFFF in missing]
        else:
            places = [at for number in missing if (at := number - base & 0xFFFF) < end]
        found = [base + at & 0xFFFF for at in places if statuses is None or statuses[at]]
        missing.difference_update(found)
        self._lossy.late(len(found))

    def _conclude(
        self,
        packets: int,
        lost: int,
        arrived: int,
        samples: int,
        raw: float,
        excess: float,
        low: float,
        arrival: float,
        trip: float,
        now: float,
    ) -> None:
        rate, prober = self._rate, self._prober
        if not packets:
            self._judge_loss(0, lost, now)
            return
        if self._unsilenced:
            prober.recover(self._unsilenced, now)
            self._before_silence = self._unsilenced
            self._unsilenced = 0.0
            self._unsure_until = now + UNSURE
            self._lossy.discard(now + SILENCE)
            self._delay.restart(self._skew)
            self._throughput.restart(arrival)
            self._overused_at = -1e9
            self.state = NORMAL
            samples = 0
        self._feedback_at = now
        self._measure_trip(trip, now)
        throughput = self._throughput
        if throughput.add(arrived, arrival):
            self.acknowledged = throughput.rate
        before = rate.target
        if samples:
            self._delay.doubtful = not self.limited(now)
            self.state = state = self._delay.update(samples, raw, excess, low)
            if state == OVERUSE:
                self._unsure_until = 0.0
            rate.update(
                UNDERUSE if state == NORMAL and self._lossy.excess > HELD else state,
                throughput.rate,
                throughput.latest,
                self._delay.queue,
                self._delay.behind,
                self.round_trip or UNKNOWN_ROUND_TRIP,
                now,
            )
            if rate.target < before:
                # An alarm that lowers nothing may be the last probe itself: it does not forbid the next one.
                self._overused_at = now
                prober.dropped(before, rate.target, now)
        if prober.outstanding and (shown := prober.outcome(now, self._lossy.inherent)):
            rate.raise_to(shown, prober.saturated, now)
            self._unsure_until = 0.0
        self.estimate = rate.estimate
        self._judge_loss(packets, lost, now)

    def _judge_loss(self, packets: int, lost: int, now: float) -> None:
        lossy = self._lossy
        factor = lossy.add(packets, lost, now, self.round_trip or UNKNOWN_ROUND_TRIP)
        self.loss = lossy.smoothed
        if factor < 1.0:
            before = self._rate.target
            # How much more was allowed than is really sent does not matter: that much is too much already.
            offered = self.acknowledged / max(1.0 - self.loss, 0.1)
            self._rate.cut(factor, OFFERED * offered if offered else before)
            self._prober.dropped(before, self._rate.target, now)
            self.estimate = self._rate.estimate

    def _measure_trip(self, trip: float, now: float) -> None:
        """The least time from sending to feedback of the last 5 to 10 s, unless reports tell better."""
        if trip < self._trip_next:
            self._trip_next = trip
            if trip < self._trip_least:
                self._trip_least = trip
        if now - self._trip_since > TRIP_BUCKET:
            self._trip_since = now
            self._trip_least, self._trip_next = self._trip_next, trip
        if now - self._reported_at > REPORT_FRESH:
            self.round_trip = self._trip_least
