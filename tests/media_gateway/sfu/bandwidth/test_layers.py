"""Estimator and allocator together: which pictures a subscriber sees on which line."""

import pytest

from tests.media_gateway.sfu.bandwidth.layered import AUDIO, LAYERS, LayeredWorld
from tests.media_gateway.sfu.bandwidth.simulator import Line

SEEDS = (1, 2, 3)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("rate", [3e6, 8e6, 50e6])
def test_top_layer_soon_and_for_good_where_there_is_room(rate: float, seed: int) -> None:
    world = LayeredWorld(Line(rate, jitter=0.003), seed=seed).run(60)
    assert next(when for when, _, layer in world.switches if layer == 2) < 4
    assert world.at_layer(0, 2, 5, 60) > 0.97
    assert world.changes(0, 5, 60) <= 2
    assert world.probes <= 6


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("rate", "layer"), [(0.3e6, 0), (0.4e6, 0), (0.9e6, 1), (1.3e6, 1)])
def test_the_layer_that_fits(rate: float, layer: int, seed: int) -> None:
    world = LayeredWorld(Line(rate, jitter=0.003), seed=seed).run(90)
    assert world.at_layer(0, layer, 15, 90) > 0.85
    assert world.at_layer(0, layer + 1, 15, 90) < 0.05
    assert world.changes(0, 30, 90) <= 6
    queues = [sample.queue for sample in world.between(15, 90)]
    assert sum(queues) / len(queues) < 0.1


@pytest.mark.parametrize("seed", SEEDS)
def test_a_line_on_the_edge_does_not_flap(seed: int) -> None:
    """The top layer needs 1.74 of 1.9 Mbit/s and has key frames: now and then it is tried."""
    world = LayeredWorld(Line(1.9e6, jitter=0.003), seed=seed).run(120)
    assert world.changes(0, 30, 120) <= 16
    assert world.at_layer(0, 1, 5, 120) > 0.97


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("wide", "narrow", "layer"), [(8e6, 0.6e6, 0), (3e6, 0.3e6, 0), (3e6, 1e6, 1)])
def test_rate_limit_set_and_lifted(wide: float, narrow: float, layer: int, seed: int) -> None:
    world = LayeredWorld(Line(wide, jitter=0.003), seed=seed).run(15)
    assert world.layers[0] == 2
    world.line.rate = narrow
    world.run(20)
    fallen = next(when for when, _, to in world.switches if when > 15 and to <= layer) - 15
    assert fallen < 1.5
    assert world.first(17, lambda sample: sample.queue < 0.15) < 3
    world.line.rate = wide
    world.run(15)
    back = next(when for when, _, to in world.switches if when > 35 and to == 2) - 35
    assert back < 4
    assert world.at_layer(0, 2, 45, 50) > 0.9


@pytest.mark.parametrize("size", [200, 1200])
@pytest.mark.parametrize(("rate", "start", "layer"), [(3e6, 150e3, 2), (0.9e6, 100e3, 1), (0.4e6, 60e3, 0)])
def test_probes_of_whatever_packets_there_are(rate: float, start: float, layer: int, size: int) -> None:
    """Resent packets have the size they had, padding is small."""
    world = LayeredWorld(Line(rate, jitter=0.003), start=start, probe_size=size).run(20)
    assert next(when for when, _, to in world.switches if to == layer) < 8
    assert world.at_layer(0, layer, 10, 20) > 0.7


@pytest.mark.parametrize("seed", SEEDS)
def test_outage(seed: int) -> None:
    world = LayeredWorld(Line(3e6, jitter=0.003), seed=seed).run(15)
    world.line.up = False
    world.run(2)
    world.line.up = True
    world.run(15)
    back = next(when for when, _, to in world.switches if when > 17 and to == 2) - 17
    assert back < 6


@pytest.mark.parametrize("seed", SEEDS)
def test_loss_does_not_take_the_picture_away(seed: int) -> None:
    world = LayeredWorld(Line(3e6, jitter=0.003, loss=0.05), seed=seed).run(60)
    assert world.at_layer(0, 2, 10, 60) > 0.8
    world = LayeredWorld(Line(3e6, jitter=0.003, loss=0.15), seed=seed).run(60)
    assert world.at_layer(0, 1, 10, 60) > 0.8


@pytest.mark.parametrize("seed", SEEDS)
def test_long_round_trip_with_jitter(seed: int) -> None:
    world = LayeredWorld(Line(3e6, delay=0.1, jitter=0.03), seed=seed).run(60)
    assert world.at_layer(0, 2, 10, 60) > 0.9


@pytest.mark.parametrize("seed", SEEDS)
def test_many_pictures_on_a_line_for_some(seed: int) -> None:
    world = LayeredWorld(Line(3e6, jitter=0.003), cameras=5, seed=seed).run(60)
    for camera in range(5):
        assert world.at_layer(camera, 0, 5, 60) > 0.97, "everyone is seen"
    assert world.at_layer(0, 2, 5, 60) > 0.6
    assert max(sample.queue for sample in world.between(10, 60)) < 0.4


def test_nothing_wanted_nothing_probed() -> None:
    world = LayeredWorld(Line(3e6), cameras=0).run(20)
    assert world.probes == 0


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("jitter", [0.01, 0.03, 0.06])
@pytest.mark.parametrize("delay", [0.02, 0.1])
def test_jitter_alone_costs_nothing(delay: float, jitter: float, seed: int) -> None:
    """However the packets come: as long as the line carries them, what may be sent is not lowered."""
    world = LayeredWorld(Line(20e6, delay=delay, jitter=jitter), seed=seed).run(60)
    assert world.at_layer(0, 2, 3, 60) == 1.0
    assert min(sample.estimate for sample in world.between(3, 60)) > LAYERS[2] + AUDIO


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("jitter", [0.0, 0.03])
def test_a_longer_way_does_not_cost_the_picture(jitter: float, seed: int) -> None:
    """From a near line to a far one: one step of the delay, and no queue behind it."""
    world = LayeredWorld(Line(20e6, delay=0.001), seed=seed).run(15)
    world.line.delay, world.line.jitter = 0.085, jitter
    world.run(30)
    assert world.changes(0, 15, 45) == 0


@pytest.mark.parametrize("seed", range(4))
def test_a_narrow_line_is_left_at_once_and_its_queue_stays_short(seed: int) -> None:
    """To 30 % of what is needed: the queue is gone within two seconds and does not come again."""
    world = LayeredWorld(Line(2.5e6, delay=0.01, queue=0.3), seed=seed).run(15)
    world.line.rate = 0.75e6
    world.run(12)
    assert next(when for when, _, to in world.switches if when > 15 and to < 2) - 15 < 0.6
    standing = [sample for sample in world.between(17, 27) if sample.queue > 0.15]
    assert len(standing) <= 5, "a probe or a key frame, tenths of a second each"
    world.line.rate = 2.5e6
    world.run(10)
    back = next(when for when, _, to in world.switches if when > 27 and to == 2) - 27
    assert back < 3
    assert world.changes(0, 27, 37) <= 2
