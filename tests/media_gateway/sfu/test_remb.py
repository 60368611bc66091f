"""The receiver's estimate: what it must not do first, then how it follows a line."""

from media_gateway.sfu.remb import CEILING, FLOOR, START, TICKS, WRAP, RateEstimator


class Line:
    """A link of `capacity` bit/s with a queue, fed at `rate` with packets of 1,200 bytes."""

    def __init__(self, capacity: float) -> None:
        self.capacity = capacity
        self.estimator = RateEstimator()
        self.now = 100.0
        self.free_at = 0.0

    def run(self, seconds: float, rate: float, *, follow: bool = False) -> int:
        """Send for a while; with `follow` the sender keeps to what it is told. The last estimate."""
        told, ask_at, end = rate, self.now, self.now + seconds
        estimate = 0
        while self.now < end:
            self.free_at = max(self.free_at, self.now) + 8 * 1200 / self.capacity
            self.estimator.add(int(self.now * TICKS) % WRAP, 1200, self.free_at + 0.02)
            if self.now >= ask_at:
                ask_at = self.now + 0.2
                estimate = self.estimator.estimate(self.free_at + 0.02)
                told = min(rate, estimate) if follow else rate
            self.now += 8 * 1200 / told
        return estimate


def test_nothing_heard_is_nothing_claimed() -> None:
    estimator = RateEstimator()
    assert estimator.estimate(1.0) == START
    assert FLOOR <= estimator.estimate(1000.0) <= CEILING


def test_a_clear_line_is_never_held_back() -> None:
    line = Line(50_000_000)
    estimates = [line.run(1, 1_500_000) for _ in range(20)]
    assert min(estimates) >= START and max(estimates) <= CEILING


def test_disorder_repetition_and_pauses_change_nothing() -> None:
    line = Line(50_000_000)
    line.run(2, 1_000_000)
    line.estimator.add(int((line.now - 1) * TICKS) % WRAP, 1200, line.now)
    line.estimator.add(int((line.now - 1) * TICKS) % WRAP, 1200, line.now)
    line.now += 40  # a pause of more than half of what the send time can count
    assert line.run(2, 1_000_000) >= START


def test_a_narrow_line_is_found_and_kept_to() -> None:
    line = Line(800_000)
    line.run(15, 2_000_000, follow=True)
    estimate = line.run(10, 2_000_000, follow=True)
    assert 300_000 < estimate < 1_300_000
    assert line.free_at - line.now < 1.5, "the queue does not grow without end"


def test_a_line_that_widens_is_used_again() -> None:
    line = Line(500_000)
    line.run(15, 2_000_000, follow=True)
    line.capacity = 20_000_000
    assert line.run(40, 2_000_000, follow=True) > 1_500_000
