"""What a subscriber's pictures want is told to the estimator with the sound beside them."""

from types import SimpleNamespace
from typing import Any

from media_gateway.sfu.allocation import SOUND, Allocation
from media_gateway.sfu.bandwidth import BandwidthEstimator
from media_gateway.sfu.supply import Supply


class Down(SimpleNamespace):
    def aim(self, layer: Any) -> None:
        self.aimed = layer


def down(name: str, *, is_audio: bool = False) -> Down:
    layers = [SimpleNamespace(rid=rid, peak=0.0) for rid in ("q", "h", "f")]
    rates, sizes = (150e3, 500e3, 1700e3), tuple((320 << at, 180 << at) for at in range(3))
    supply = Supply((False,) * 3, (True,) * 3, rates, sizes)
    source = SimpleNamespace(peer="ann", name=name, layers=layers, look=lambda now: supply)
    return Down(attached=True, is_audio=is_audio, source=source, layer=None, target=None, aimed=None)


def allocation(downs: dict[int, Any]) -> Allocation:
    transport = SimpleNamespace(ready=True)
    sender: Any = SimpleNamespace(
        estimator=BandwidthEstimator(0.0), packets=0, stale=False, transport=transport
    )
    return Allocation(sender, downs, lambda tracks: None)


def test_sound_is_wanted_too() -> None:
    voices = {number: down("mic", is_audio=True) for number in range(10)}
    chosen = allocation({99: down("camera"), **voices})
    chosen.run(1.0)
    assert chosen.wanted == 1700e3 + 10 * SOUND


def test_sound_alone_needs_no_probes() -> None:
    chosen = allocation({1: down("mic", is_audio=True)})
    chosen.run(1.0)
    assert chosen.wanted == 0.0


def test_an_outage_changes_no_layer() -> None:
    """Nothing tells what the line carries; a layer changed for it is a key frame now and one after."""
    chosen = allocation({1: down("camera")})
    chosen.has_feedback = True
    estimator = chosen.sender.estimator
    estimator.feedbacks, estimator.estimate, chosen._first_at = 1, 3e6, -10.0
    chosen.run(1.0)
    assert chosen.budget(1.0) == 3e6
    estimator.estimate, estimator._unsilenced = 0.4e6, 3e6
    assert chosen.budget(2.0) == 3e6 and not chosen.changed(2.0)
    estimator._unsilenced, estimator._unsure_until = 0.0, 3.0
    assert chosen.budget(2.9) == 3e6, "nor before the first probe is back"
    assert chosen.budget(3.0) == 0.4e6 and chosen.changed(3.0)


def test_while_probes_follow_each_other_nothing_goes_up() -> None:
    chosen = allocation({1: down("camera")})
    chosen.has_feedback = True
    estimator = chosen.sender.estimator
    estimator.feedbacks, estimator.estimate, chosen._first_at = 1, 0.5e6, -10.0
    chosen.run(1.0)
    estimator.estimate, estimator._prober.chained = 1e6, True
    assert not chosen.changed(1.1)
    estimator.estimate, estimator._prober.chained = 2.5e6, False
    assert chosen.changed(1.2)


def test_what_is_shown_before_there_is_a_connection_waits_for_it() -> None:
    picture = down("camera")
    chosen = allocation({1: picture})
    chosen.sender.transport.ready = False  # type: ignore[misc]
    chosen.show({("ann", "camera"): (320, 180, 0)}, 1.0)
    assert picture.aimed is None
    chosen.sender.transport.ready = True  # type: ignore[misc]
    chosen.run(1.1)
    assert picture.aimed is picture.source.layers[0]
