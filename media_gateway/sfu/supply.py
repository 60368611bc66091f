"""What the layers of a source are like now, as a subscriber's choice sees them."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .layer import Layer

UNAFFORDABLE = 1e12
"""bit/s of a layer that its sender leaves out."""


@dataclass(frozen=True, slots=True)
class Supply:
    """A value for each layer, lowest first."""

    left_out: tuple[bool, ...] = ()
    flowing: tuple[bool, ...] = ()
    rates: tuple[float, ...] = ()
    """bit/s; 0 for one that does not come but could, `UNAFFORDABLE` for one that is left out"""
    sizes: tuple[tuple[int, int], ...] = ()


def supply_of(layers: "list[Layer]", now: float) -> Supply:
    """Look at them once, for everybody who chooses among them."""
    latest = max((layer.last_at for layer in layers), default=0.0)
    left_out = tuple(layer.left_out(latest, now) for layer in layers)
    flowing = tuple(layer.flowing(now) for layer in layers)
    rates = tuple(
        UNAFFORDABLE if out else layer.wire_rate if flows else 0.0
        for layer, out, flows in zip(layers, left_out, flowing, strict=True)
    )
    return Supply(left_out, flowing, rates, tuple((layer.width, layer.height) for layer in layers))
