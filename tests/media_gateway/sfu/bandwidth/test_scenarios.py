"""The loop closed over a simulated line: what people notice of the estimator."""

import pytest

from tests.media_gateway.sfu.bandwidth.simulator import Line, World

SEEDS = (1, 2, 3)


@pytest.mark.parametrize("paced", [True, False])
@pytest.mark.parametrize("rate", [300e3, 600e3, 1e6, 1.5e6, 2.5e6, 4e6, 8e6])
def test_converges_to_the_capacity(rate: float, paced: bool) -> None:
    world = World(Line(rate), paced=paced).run(40)
    assert 0.70 * rate <= world.mean(10, 40) <= 1.05 * rate
    queues = [sample.queue for sample in world.between(10, 40)]
    assert sum(queues) / len(queues) < 0.1
    assert world.received * 8 / 40 > 0.7 * rate


@pytest.mark.parametrize("rate", [1.5e6, 2.5e6, 8e6])
def test_is_there_soon_after_the_start(rate: float) -> None:
    world = World(Line(rate)).run(10)
    assert world.first(0, lambda sample: sample.estimate > 0.7 * rate) < 4


def test_a_wide_line_is_found_within_a_second() -> None:
    world = World(Line(50e6), wanted=8e6).run(5)
    assert world.first(0, lambda sample: sample.estimate >= 1.1 * 8e6) < 1.0
    assert world.estimator.estimate <= 20e6


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("paced", [True, False])
def test_drop_and_lift(seed: int, paced: bool) -> None:
    world = World(Line(2.5e6, queue=3.0, jitter=0.004), paced=paced, seed=seed).run(15)
    world.line.rate = 0.6e6
    world.run(20)
    assert world.first(15, lambda sample: sample.estimate <= 0.6e6) < 1.5
    worst = max(sample.queue for sample in world.between(15, 20))
    assert worst < 2.0
    assert world.first(16.5, lambda sample: sample.queue < 0.1) < 3
    assert max(sample.queue for sample in world.between(20, 35)) < 0.3
    assert 0.7 * 0.6e6 <= world.mean(19, 35) <= 1.05 * 0.6e6
    world.line.rate = 2.5e6
    world.run(10)
    assert world.first(35, lambda sample: sample.estimate > 2e6) < 6


@pytest.mark.parametrize("seed", SEEDS)
def test_five_percent_of_random_loss(seed: int) -> None:
    world = World(Line(2.5e6, loss=0.05), seed=seed).run(60)
    assert world.mean(10, 60) > 0.6 * 2.5e6
    assert min(sample.estimate for sample in world.between(10, 60)) > 0.4 * 2.5e6
    assert 0.03 < world.estimator.loss < 0.08


@pytest.mark.parametrize("seed", SEEDS)
def test_fifteen_percent_of_random_loss(seed: int) -> None:
    world = World(Line(2.5e6, loss=0.15), seed=seed).run(60)
    assert world.mean(15, 60) > 0.5 * 2.5e6
    assert min(sample.estimate for sample in world.between(0, 60)) > 0.2 * 2.5e6


@pytest.mark.parametrize("seed", SEEDS)
def test_a_policer_without_queue_is_obeyed(seed: int) -> None:
    """Nothing but loss tells of it."""
    world = World(Line(2.5e6, queue=0.015), seed=seed, start=4e6).run(30)
    world.line.rate = 1e6
    world.run(30)
    assert world.mean(34, 60) < 1.25 * 1e6
    late = [sample.loss for sample in world.between(34, 60)]
    assert sum(late) / len(late) < 0.15


@pytest.mark.parametrize("seed", SEEDS)
def test_long_round_trip_with_jitter(seed: int) -> None:
    world = World(Line(2.5e6, delay=0.1, jitter=0.03), seed=seed).run(60)
    assert world.mean(10, 60) > 0.7 * 2.5e6
    assert min(sample.estimate for sample in world.between(10, 60)) > 0.35 * 2.5e6


@pytest.mark.parametrize("seed", SEEDS)
def test_a_way_that_becomes_longer_is_no_queue_for_long(seed: int) -> None:
    """As when a phone goes from one network to another."""
    steps = (200e3, 600e3, 1.9e6)
    world = World(Line(20e6, delay=0.001), steps=steps, wanted=1.9e6, start=2.5e6, seed=seed).run(10)
    assert world.estimator.estimate >= 1.9e6
    world.line.delay, world.line.jitter = 0.085, 0.03
    world.run(20)
    back = world.first(10.5, lambda sample: sample.estimate >= 1.1 * 1.9e6)
    assert back < 5
    assert min(sample.estimate for sample in world.between(15, 30)) >= 1.9e6


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("delay", [0.02, 0.1])
def test_outage_of_two_seconds(seed: int, delay: float) -> None:
    world = World(Line(2.5e6, delay=delay, jitter=0.004), seed=seed).run(15)
    world.line.up = False
    world.run(2)
    assert world.estimator.estimate < 0.65e6, "nothing was heard for long: send less"
    world.line.up = True
    world.run(15)
    assert world.first(17, lambda sample: sample.estimate > 0.7 * 2.5e6) < 3
    assert world.mean(20, 32) > 0.65 * 2.5e6


def test_after_silence_the_old_rate_is_remembered_until_a_probe_tells() -> None:
    world = World(Line(2.5e6)).run(15)
    before = world.estimator.estimate
    assert not world.estimator.unsure(world.now) and world.estimator.remembered(world.now) == 0
    world.line.up = False
    world.run(2)
    assert world.estimator.silent and world.estimator.unsure(world.now)
    assert world.estimator.remembered(world.now) > 0.9 * before > world.estimator.estimate
    world.line.up = True
    world.run(1.5)
    assert not world.estimator.silent and not world.estimator.unsure(world.now)
    assert world.estimator.remembered(world.now) == 0


def test_application_limited_keeps_its_estimate() -> None:
    """Little traffic is no evidence, neither for more nor for less."""
    world = World(Line(5e6), application=0.2e6, wanted=0.0).run(60)
    assert world.probes == 0
    assert all(0.9e6 <= sample.estimate <= 1e6 for sample in world.samples)


def test_application_limited_grows_by_probes_only() -> None:
    world = World(Line(5e6), application=0.2e6, wanted=3e6).run(20)
    assert 1.1 * 3e6 <= world.estimator.estimate <= 1.35 * 3e6
    assert world.probes <= 4
    assert world.estimator.acknowledged < 0.3e6


def test_little_traffic_over_a_line_of_jitter() -> None:
    world = World(Line(5e6, delay=0.05, jitter=0.03), application=0.3e6, wanted=2.5e6).run(60)
    assert world.estimator.estimate > 2e6
    assert min(sample.estimate for sample in world.between(10, 60)) > 1e6


@pytest.mark.parametrize("seed", SEEDS)
def test_key_frames_are_no_congestion(seed: int) -> None:
    world = World(Line(5e6), application=1.5e6, wanted=2e6, keyframe_every=3.0, seed=seed).run(60)
    assert min(sample.estimate for sample in world.between(5, 60)) > 1.5e6


@pytest.mark.parametrize("every", [0.05, 0.1, 0.25])
def test_any_rhythm_of_feedback(every: float) -> None:
    world = World(Line(2.5e6, jitter=0.005), feedback_every=every).run(40)
    assert 0.7 * 2.5e6 < world.mean(10, 40) < 1.05 * 2.5e6
