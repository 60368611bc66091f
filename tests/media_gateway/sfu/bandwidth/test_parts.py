"""The parts of the estimator one by one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media_gateway.sfu.bandwidth import BandwidthEstimator, Probe
from media_gateway.sfu.bandwidth.delay import NORMAL, OVERUSE, UNDERUSE, DelayDetector
from media_gateway.sfu.bandwidth.loss import LossControl
from media_gateway.sfu.bandwidth.probing import INTERVAL, PATIENCE, TIMEOUT, Prober
from media_gateway.sfu.bandwidth.rate import RateControl
from media_gateway.sfu.bandwidth.throughput import Throughput

# the trend of the delay


def trend(slope: float, seconds: float = 3.0) -> set[str]:
    """States while the delay changes by `slope` ms a second, after a quiet second; feedback each 60 ms."""
    detector = DelayDetector()
    states = set()
    delay = 50.0
    for step in range(round((1.0 + seconds) / 0.02)):
        now = step * 20.0
        if now > 1000:
            delay += slope * 0.02
        detector.times.append(now)
        detector.delays.append(delay)
        if step % 3 == 2:
            states.add(detector.update(3, delay, delay))
    return states


def test_trends() -> None:
    assert trend(0) == {NORMAL}
    assert OVERUSE in trend(100) and UNDERUSE not in trend(100)
    assert UNDERUSE in trend(-100) and OVERUSE not in trend(-100)
    assert trend(1) == {NORMAL}, "clocks drift apart by less than that"


def noisy(size: float) -> DelayDetector:
    detector = DelayDetector()
    for step in range(600):
        detector.times.append(step * 20.0)
        detector.delays.append(50.0 + (size if step // 10 % 2 else 0.0))
        if step % 3 == 2:
            detector.update(3, 50.0, 50.0)
    return detector


def test_threshold_follows_noise_but_no_events() -> None:
    assert noisy(0.0).threshold == pytest.approx(6.0)
    detector = noisy(12.0)
    assert detector.threshold > 8
    before = detector.threshold
    detector.times.append(12_020.0)
    detector.delays.append(5000.0)
    detector.update(1, 5000.0, 5000.0)
    assert detector.threshold == before


def after_a_rise(rises: list[float], doubtful: bool = True) -> list[str]:
    """States while the delay rises by so much (ms) from one feedback to the next, after two quiet seconds."""
    detector = DelayDetector()
    detector.doubtful = doubtful
    states = []
    delay, now = 50.0, 0.0
    for rise in [0.0] * 33 + rises:
        for _ in range(3):
            now += 20.0
            detector.times.append(now)
            detector.delays.append(delay + rise)
        delay += rise
        states.append(detector.update(3, delay, delay, delay))
    return states[33:]


def test_one_step_of_the_delay_is_a_longer_way_and_a_second_one_a_queue() -> None:
    assert OVERUSE not in after_a_rise([85.0] + [0.0] * 30)
    assert OVERUSE in after_a_rise([85.0] * 4)[:4], "what goes on to rise does so without a doubt"
    assert OVERUSE in after_a_rise([85.0, *[0.0] * 5, *[20.0] * 8]), (
        "nor does a step hide what comes after it"
    )
    assert OVERUSE in after_a_rise([30.0] * 5, doubtful=False)[:3], "a line that was full is so again"


# the delivered rate


def test_throughput_measures_over_windows() -> None:
    throughput = Throughput()
    for step in range(60):
        throughput.add(7500, step * 60.0)
    assert throughput.rate == pytest.approx(1e6)
    throughput.add(10**9, 50_000.0)
    assert throughput.rate == pytest.approx(1e6), "a long gap starts a new window"
    throughput.add(10**9, 10.0)
    assert throughput.rate == pytest.approx(1e6), "time that goes back, too"


# losses


def play(control: LossControl, capacity: float, random: float, seconds: float, rate: float = 300.0) -> float:
    """The rate (packets/s) of an obedient sender; the line carries `capacity` and loses `random` besides."""
    now = 0.0
    for _ in range(round(seconds / 0.06)):
        now += 0.06
        sent = rate * 0.06
        got = min(sent, capacity * 0.06) * (1 - random)
        rate *= control.add(round(100 * got), round(100 * (sent - got)), now, 0.05)
    return rate


def test_cuts_until_the_line_is_not_too_full() -> None:
    control = LossControl(0.0)
    assert play(control, 100.0, 0.0, 20) == pytest.approx(108, abs=6)
    assert control.inherent < 0.05


@pytest.mark.parametrize("loss", [0.12, 0.15, 0.25])
def test_does_not_go_down_for_losses_that_cuts_do_not_change(loss: float) -> None:
    control = LossControl(0.0)
    assert play(control, 1e9, loss, 20) > 0.7 * 300
    assert control.inherent > loss - 0.1


def test_tolerates_a_tenth() -> None:
    assert play(LossControl(0.0), 1e9, 0.09, 20) == 300


def test_gives_up_cutting_what_cannot_be_cut() -> None:
    """Audio goes on at its rate whatever the estimate."""
    control = LossControl(0.0)
    factors = [control.add(35, 15, step * 0.5, 0.05) for step in range(1, 40)]
    assert 0 < sum(factor < 1 for factor in factors) <= 9


@given(st.lists(st.tuples(st.integers(0, 500), st.integers(0, 500), st.floats(0, 3)), max_size=60))
def test_loss_stays_within_bounds(story: list[tuple[int, int, float]]) -> None:
    control, now = LossControl(0.0), 0.0
    for received, lost, pause in story:
        now += pause
        assert 0.5 <= control.add(received, lost, now, 0.1) <= 1.0
        assert 0 <= control.smoothed <= 1
        assert 0 <= control.inherent <= 1


# the rate


def control(start: float = 1e6) -> RateControl:
    return RateControl(0.0, start, 60e3, 20e6)


def test_grows_by_eight_percent_a_second_with_evidence_only() -> None:
    used, idle = control(), control()
    for step in range(1, 101):
        used.update(NORMAL, used.target, used.target, 0, 0, 0.05, step * 0.1)
        idle.update(NORMAL, 0.2e6, 0.2e6, 0, 0, 0.05, step * 0.1)
    assert used.estimate == pytest.approx(1e6 * 1.08**10, rel=0.01)
    assert idle.estimate == 1e6


def test_goes_under_what_arrives_and_drains_a_long_queue() -> None:
    rate = control(2e6)
    rate.update(OVERUSE, 1e6, 1e6, 300, 300, 0.05, 1.0)
    assert rate.target == pytest.approx(0.85e6)
    assert rate.estimate < 0.6 * rate.target + 1
    rate.update(NORMAL, 1e6, 1e6, 100, 100, 0.05, 1.1)
    assert rate.estimate < rate.target
    rate.update(NORMAL, 0.5e6, 0.5e6, 5, 5, 0.05, 1.5)
    assert rate.estimate == rate.target


def test_an_alarm_without_a_queue_is_jitter() -> None:
    rate = control(2e6)
    rate.update(OVERUSE, 1.9e6, 1.9e6, 30, 30, 0.05, 1.0)
    assert rate.estimate == 2e6


def test_while_little_is_used_an_alarm_is_one_step() -> None:
    rate = control(2e6)
    rate.update(OVERUSE, 0.2e6, 0.2e6, 60, 60, 0.05, 1.0)
    assert rate.estimate == pytest.approx(1.7e6)
    rate.update(OVERUSE, 0.2e6, 0.2e6, 60, 60, 0.05, 1.05)
    assert rate.estimate == pytest.approx(1.7e6), "once in a while only"


@given(
    st.lists(
        st.tuples(
            st.sampled_from([NORMAL, OVERUSE, UNDERUSE]),
            st.floats(0, 50e6),
            st.floats(0, 50e6),
            st.floats(0, 5000),
            st.floats(0, 5000),
            st.floats(0, 5),
            st.floats(0, 2),
        ),
        max_size=60,
    )
)
def test_rate_stays_within_bounds(story: list[tuple[str, float, float, float, float, float, float]]) -> None:
    rate, now = control(), 0.0
    for state, delivered, latest, queue, behind, trip, pause in story:
        now += pause
        rate.update(state, delivered, latest, queue, behind, trip, now)
        assert 60e3 <= rate.estimate <= rate.target <= 20e6


# probes


def answer(prober: Prober, probe: Probe, capacity: float, lose: int = 0) -> float:
    """The outcome when the probe goes out in single packets, over an empty line of `capacity` bit/s."""
    size = -(-probe.bytes // probe.packets)
    free = 0.0
    for index in range(probe.packets):
        sent = index * size * 8 / probe.bitrate
        free = max(free, sent) + size * 8 / capacity
        got = 0 if index < lose else 1
        prober.acknowledged(probe.id, index * size, 1, got, size, sent, free * 1000, free * 1000)
    return prober.outcome(1.0, 0.0)


def ask(prober: Prober, now: float, estimate: float = 1e6, wanted: float = 10e6) -> Probe | None:
    return prober.next(now, wanted, estimate, 20e6, True, spare=20e6)


def test_start_goes_up_in_big_steps_while_confirmed() -> None:
    prober = Prober(0.0)
    probe = ask(prober, 0.0)
    assert probe and probe.bitrate == 3e6
    assert probe.packets >= 8 and probe.bytes >= 0.02 * 3e6 / 8
    assert ask(prober, 0.1) is None, "one at a time"
    assert answer(prober, probe, 100e6) == pytest.approx(3e6, rel=0.05)
    probe = ask(prober, 0.2, 3e6)
    assert probe and probe.bitrate > 9e6


def test_stops_when_not_confirmed_and_waits_longer_each_time() -> None:
    prober, now, waits = Prober(0.0), 0.0, []
    for _ in range(130):
        began = now
        while (probe := ask(prober, now)) is None:
            now += 0.1
        waits.append(now - began)
        assert answer(prober, probe, 1.05e6) == pytest.approx(1e6, rel=0.1)
        prober._due += now - 1.0
    assert waits[0] == 0
    assert waits[1] == pytest.approx(INTERVAL, abs=0.2)
    assert waits[-1] == pytest.approx(4.0, abs=0.2)


def test_probes_take_half_of_the_room_at_most() -> None:
    for spare, least in ((20e6, INTERVAL), (100e3, 1.1), (20e3, 4.0), (0.0, 4.0)):
        prober = Prober(0.0)
        probe = prober.next(0.0, 10e6, 1e6, 20e6, True, spare)
        assert probe is not None
        answer(prober, probe, 1.05e6)
        times = [t / 10 for t in range(10, 60) if t]
        again = next(t for t in times if prober.next(t, 10e6, 1e6, 20e6, True, spare) is not None) - 1.0
        assert least - 0.11 <= again <= 4.1
        assert spare <= 0.1e6 or again < 0.8


def test_shows_the_capacity_when_saturated() -> None:
    prober = Prober(0.0)
    probe = ask(prober, 0.0)
    assert probe is not None
    assert answer(prober, probe, 2e6) == pytest.approx(0.95 * 2e6, rel=0.05)


def test_says_nothing_when_much_of_it_is_lost() -> None:
    prober = Prober(0.0)
    probe = ask(prober, 0.0)
    assert probe is not None
    assert answer(prober, probe, 100e6, lose=3) == 0
    assert prober.failed == 1


def test_unanswered_is_given_up() -> None:
    prober = Prober(0.0)
    assert ask(prober, 0.0) is not None
    assert ask(prober, PATIENCE + TIMEOUT - 0.1) is None
    assert prober.outstanding is not None
    assert ask(prober, PATIENCE + TIMEOUT + 0.1) is None, "a pause first"
    assert prober.outstanding is None
    assert prober.failed == 1


def test_nothing_wanted_or_enough_already() -> None:
    prober = Prober(0.0)
    assert ask(prober, 0.0, 1e6, 0.0) is None
    assert ask(prober, 0.0, 1.26e6, 1e6) is None
    assert prober.next(0.0, 10e6, 1e6, 20e6, False) is None, "not while there is congestion"
    probe = ask(prober, 0.0, 1e6, 1e6)
    assert probe and 1.1e6 < probe.bitrate < 1.4e6, "no more than is wanted"


def test_after_a_drop_the_old_rate_is_tried() -> None:
    prober = Prober(0.0)
    prober.dropped(4e6, 0.5e6, 10.0)
    assert ask(prober, 10.5, 0.5e6) is None
    probe = ask(prober, 12.0, 0.5e6)
    assert probe and probe.bitrate == pytest.approx(0.85 * 4e6)


def test_results_of_another_probe_do_not_count() -> None:
    prober = Prober(0.0)
    probe = ask(prober, 0.0)
    assert probe is not None
    assert answer(prober, probe._replace(id=probe.id + 1), 100e6) == 0
    assert prober.outstanding is probe


def test_no_probe_before_the_first_feedback() -> None:
    estimator = BandwidthEstimator(0.0)
    assert estimator.next_probe(0.1, 5e6) is None
