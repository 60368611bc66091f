"""When a publisher sends packets of which size: made-up bursts, or a camera as Chromium sent it."""

import json
from dataclasses import dataclass
from pathlib import Path

TRACES = Path(__file__).parent.parent / "traces"
FRAME_PACKETS, FRAME_RATE = 9, 30
PACKET = 1100
"""Bytes of an RTP packet with header and extensions, without what SRTP adds."""
SECOND_BURST = 0.004
OVERHEAD = 24
"""Header and extensions of the packets that `publish` makes."""


@dataclass(frozen=True, slots=True)
class Slot:
    """One packet of a schedule."""

    at: float
    """seconds from the start of the loop"""
    size: int
    """bytes of payload, the codec's descriptor included"""
    starts: bool
    """whether a frame starts here"""
    marker: bool


@dataclass(frozen=True, slots=True)
class Schedule:
    """Packets that are sent again and again, `period` seconds a loop."""

    slots: tuple[Slot, ...]
    period: float
    kind: str = "video"
    size: tuple[int, int] = (1280, 720)

    @property
    def rate(self) -> float:
        """Packets a second."""
        return len(self.slots) / self.period

    def at_speed(self, factor: float) -> "Schedule":
        """The same packets, `factor` times as fast."""
        slots = tuple(Slot(s.at / factor, s.size, s.starts, s.marker) for s in self.slots)
        return Schedule(slots, self.period / factor, self.kind, self.size)


def bursts(frame_packets: int = FRAME_PACKETS, frame_rate: float = FRAME_RATE) -> Schedule:
    """Frames of equal packets; a frame leaves in two bursts, as if paced."""
    slots = tuple(
        Slot(
            0.0 if place <= frame_packets // 2 else SECOND_BURST,
            PACKET - OVERHEAD,
            place == 0,
            place == frame_packets - 1,
        )
        for place in range(frame_packets)
    )
    return Schedule(slots, 1 / frame_rate)


def camera(layer: str = "f", name: str = "camera-720p") -> Schedule:
    """A layer of the recorded camera; `traces/README.md` says how it was made."""
    recorded = json.loads((TRACES / f"{name}.json").read_text())
    found = recorded["layers"][layer]
    slots, at = [], 0.0
    for step_us, size, flags in found["packets"]:
        at += step_us / 1e6
        slots.append(Slot(at, size, bool(flags & 1), bool(flags & 2)))
    return Schedule(tuple(slots), recorded["seconds"], "video", tuple(found["size"]))


def microphone() -> Schedule:
    """Opus at about 32 kbit/s: a packet of 80 bytes every 20 ms."""
    return Schedule((Slot(0.0, 80, True, False),), 0.02, "audio")
