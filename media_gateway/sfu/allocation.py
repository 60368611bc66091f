"""Which layer of which picture a subscriber gets: its line's estimate and what it shows, turned into aims."""

from collections.abc import Callable, Hashable, Mapping
from typing import Any

from .allocator import Allocator, Demand, limit_for
from .downtrack import DownTrack
from .sender import Sender

EVERY, SATISFIED_EVERY = 0.2, 1.0
"""Seconds between two looks, if nothing special happened: while something is wanted, and else."""
SHRUNK = 0.9
"""A budget below this share of what was shared out last is acted on at once."""
SOUND = 48_000.0
"""bit/s counted for each voice, at least."""
GROWN = 1.15
"""A budget of this many times what was shared out last is acted on at once, when something falls short."""
NOMINAL = {1: (1_200_000.0,), 2: (300_000.0, 1_200_000.0), 3: (150_000.0, 500_000.0, 1_700_000.0)}
"""bit/s of layers that are not being sent, by how many there are."""
UNKNOWN_LINE = 2_500_000.0
"""bit/s assumed of a line that has not told anything yet: most carry it, and pictures begin sharp."""
LEARNING = 1.5
"""Seconds from the first packet on for which that is assumed."""
NEVER_TELLS = 20_000_000.0
"""bit/s for a subscriber that gives no feedback at all."""

View = dict[tuple[str, str], tuple[int, int, int]]
"""(peer, source) -> (width, height, priority) of what is shown"""


class Allocation:
    """`paused(tracks)` gets the list of pictures that the line has no room for, when it changed."""

    def __init__(
        self, sender: Sender, downs: Mapping[Any, DownTrack], paused: Callable[[list[dict[str, Any]]], None]
    ) -> None:
        self.sender = sender
        self.downs: Mapping[Hashable, DownTrack] = downs
        self.paused = paused
        self.view: View | None = None
        """None: everything counts as shown"""
        self.limit_bitrate: float | None = None
        """bit/s the subscriber itself asked for (REMB)"""
        self.has_feedback = False
        """the answer took transport-wide feedback"""
        self.allocator = Allocator()
        self.wanted = 0.0
        """bit/s that would show every picture at its best, with the sound; 0 when there is none"""
        self.next_at = 0.0
        self.squeezed: set[tuple[str, str]] = set()
        self.shortfall: tuple[int | None, int | None] = (None, None)
        """(layer, layer of use) of the picture that falls short most; Nones when none is shown"""
        self._first_at: float | None = None
        self._shared_out = 0.0

    def show(self, view: View, now: float) -> None:
        """The subscriber shows these from now on, and nothing else."""
        self.view = view
        # Before that a picture would begin on its way to nowhere, and its key frame be lost.
        if self.sender.transport.ready:
            self.run(now)

    def budget(self, now: float) -> float:
        """bit/s that may be sent."""
        estimator = self.sender.estimator
        if not self.has_feedback or not estimator.feedbacks:
            return self.limit_bitrate or NEVER_TELLS
        if self._first_at is None and self.sender.packets:
            self._first_at = now
        if self._first_at is None or now - self._first_at < LEARNING:
            return max(estimator.estimate, UNKNOWN_LINE)
        if estimator.unsure(now):
            # An outage says nothing of what the line carries: each layer changed for it is two key frames.
            return max(estimator.estimate, self._shared_out)
        if estimator.eager and self._shared_out:
            # The next probe tells more at once: one switch instead of two.
            return min(estimator.estimate, self._shared_out)
        return float(estimator.estimate)

    def shows(self, down: DownTrack) -> bool:
        """Whether this picture is to be sent now."""
        key = (down.source.peer, down.source.name)
        return key not in self.squeezed and (self.view is None or key in self.view)

    def due(self, now: float) -> bool:
        return now >= self.next_at or self.sender.stale

    @property
    def short(self) -> bool:
        """Whether a picture is not as good as it could be shown."""
        place, best = self.shortfall
        return place != best

    def changed(self, now: float) -> bool:
        """Whether there is clearly less to share out than last time, or more and that is needed."""
        budget, before = self.budget(now), self._shared_out
        return budget < SHRUNK * before or (budget > GROWN * before and self.short)

    def run(self, now: float) -> None:
        """Decide anew and aim every picture at its layer."""
        self.sender.stale = False
        pictures: dict[Hashable, DownTrack] = {}
        sound = 0.0
        for number, down in self.downs.items():
            if not down.attached:
                continue
            if down.is_audio:
                sound += max(SOUND, 0.0 if down.layer is None else down.layer.wire_rate)
            else:
                pictures[number] = down
        self._shared_out = self.budget(now)
        budget = self._shared_out - sound
        demands = [self._demand(number, down, now) for number, down in pictures.items()]
        chosen = self.allocator.allocate(max(0.0, budget), demands, now)
        pictures_want = self.allocator.wanted
        self.wanted = pictures_want + sound if pictures_want else 0.0
        squeezed = set()
        self.shortfall = (None, None)
        worst = -1
        for demand in demands:
            down = pictures[demand.key]
            place = chosen.get(demand.key, -1)
            if place < 0 and demand.limit >= 0:
                squeezed.add((down.source.peer, down.source.name))
            if demand.limit - place > worst:
                worst, self.shortfall = demand.limit - place, (place, demand.limit)
            down.aim(down.source.layers[place] if place >= 0 else None)
        self.next_at = now + (EVERY if worst > 0 else SATISFIED_EVERY)
        if squeezed != self.squeezed:
            self.squeezed = squeezed
            tracks = [
                {"peer": peer, "source": source, "reason": "bandwidth"} for peer, source in sorted(squeezed)
            ]
            self.paused(tracks)

    def _demand(self, number: Hashable, down: DownTrack, now: float) -> Demand:
        source = down.source
        layers, supply = source.layers, source.look(now)
        limit, priority = len(layers) - 1, 0
        if self.view is not None:
            shown = self.view.get((source.peer, source.name))
            if shown is None:
                limit = -1
            else:
                width, height, priority = shown
                limit = limit_for(width, height, supply.sizes)
        while limit > 0 and supply.left_out[limit]:
            limit -= 1
        nominal = NOMINAL.get(len(layers)) or (*NOMINAL[3], *NOMINAL[3][-1:] * (len(layers) - 3))
        place = down.layer or down.target
        return Demand(
            key=number,
            kind="screen" if source.name == "screen" else "camera",
            priority=priority,
            rates=supply.rates,
            nominal=nominal,
            limit=limit,
            current=layers.index(place) if place in layers else -1,
            peak=layers[limit].peak if limit >= 0 else 0.0,
        )

    def describe(self) -> dict[str, object]:
        """For `room.stats`."""
        return {
            "shown": None if self.view is None else len(self.view),
            "wanted": round(self.wanted),
            "squeezed": sorted(map(list, self.squeezed)),
        }
