"""What a link does to datagrams, as plain values that travel as JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any


@dataclass(frozen=True, slots=True)
class Burst:
    """Gilbert-Elliott loss: a good state without loss and a bad one in which `loss` of the datagrams go.

    `enter` and `leave` are the chances, at each datagram, of coming into the bad state and out of it.
    """

    enter: float
    leave: float
    loss: float = 1.0


@dataclass(frozen=True, slots=True)
class Conditions:
    """One direction of a link. A datagram meets an outage, loss, the queue of the rate and the delay, so.

    Changing the conditions starts the seeded draws, the pattern and the clock of the outages anew; what is
    under way stays under way.
    """

    seed: int = 1
    loss: float = 0.0
    """share of datagrams lost, each by itself"""
    pattern: tuple[int, ...] = ()
    """1 loses a datagram, 0 lets it pass; begins again at its end"""
    burst: Burst | None = None
    delay_ms: float = 0.0
    jitter_ms: float = 0.0
    """the delay is anything between `delay_ms` less and more this much, evenly spread"""
    reorder: bool = False
    """whether jitter may change the order; without, a late datagram holds up those behind it"""
    rate: float | None = None
    """bit/s, the 28 bytes of IPv4 and UDP headers counted in"""
    queue_bytes: int = 64_000
    queue_ms: float = 300.0
    """a datagram that would wait longer, or would make the queue longer than `queue_bytes`, is dropped"""
    outages: tuple[tuple[float, float], ...] = ()
    """(begin, length) in seconds from when these conditions are set: nothing passes"""

    def __post_init__(self) -> None:
        if not 0 <= self.loss <= 1:
            raise ValueError("loss is a share")
        if self.rate is not None and self.rate <= 0:
            raise ValueError("a rate is positive; for nothing at all there are outages")
        if self.jitter_ms < 0 or self.delay_ms < 0:
            raise ValueError("times are positive")

    @classmethod
    def of(cls, values: dict[str, Any]) -> Conditions:
        """Out of JSON. TypeError or ValueError when it is none."""
        values = dict(values)
        if values.get("burst") is not None:
            values["burst"] = Burst(**values["burst"])
        for name in ("pattern", "outages"):
            if name in values:
                values[name] = tuple(tuple(v) if isinstance(v, list) else v for v in values[name])
        return cls(**values)

    def as_json(self) -> dict[str, Any]:
        """Only what differs from a link that does nothing."""
        whole = asdict(self)
        return {f.name: whole[f.name] for f in fields(self) if getattr(self, f.name) != f.default}
