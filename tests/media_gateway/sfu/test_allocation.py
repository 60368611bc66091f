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
    layers = [SimpleNamespace(rid=rid) for rid in ("q", "h", "f")]
    rates, sizes = (150e3, 500e3, 1700e3), tuple((320 << at, 180 << at) for at in range(3))
    supply = Supply((False,) * 3, (True,) * 3, rates, sizes)
    source = SimpleNamespace(peer="ann", name=name, layers=layers, look=lambda now: supply)
    return Down(attached=True, is_audio=is_audio, source=source, layer=None, target=None, aimed=None)


def allocation(downs: dict[int, Any]) -> Allocation:
    sender: Any = SimpleNamespace(estimator=BandwidthEstimator(0.0), packets=0)
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
