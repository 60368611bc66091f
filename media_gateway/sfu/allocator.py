"""Who gets which layer of what a subscriber may be sent.

Audio is never paused and comes off the budget first. Then everything shown gets its lowest layer, in the
order screen share, pinned, speaker, the rest; then the screen share goes up as far as it is useful, then what
is pinned, then the speaker, then the rest, all of one class a layer at a time. What does not fit even once is
paused.

Down is at once. Up takes room: the least budget of the last 0.8 s must be 1.1 times what would then be sent,
or the budget of now 1.2 times: so much more was shown by a probe just now.
An up-switch that the budget takes back within ten seconds was a mistake: its key then waits (longer each
time) and for a while needs more room, so that a budget that swings does not make pictures swing.
"""

from collections import deque
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Literal

ROOM = 1.1
ROOM_AT_ONCE = 1.2
ROOM_AFTER_MISTAKE = 1.23
CAUTION = 30.0
"""Seconds for which a mistake asks for more room."""
STEADY = 0.8
"""Seconds that the room must have been there; also the first wait after a mistake."""
WAIT_MOST = 10.0
PROBATION = 10.0
"""Seconds after which an up-switch was no mistake."""
NO_LAYER = 1 << 30
ENOUGH = 0.75
"""A picture is sharp enough at this share of the size shown."""


@dataclass(slots=True)
class Demand:
    """One track a subscriber gets.

    `rates` are the bit rates of its layers, lowest first, as measured now; 0.0 for a layer that is not sent
    now but would be, then `nominal` counts. `priority` is 0 (one of many), 1 (speaker) or 2 (pinned). `limit`
    is the highest layer of use for the size shown, -1 when it is not shown. `current` is the layer being
    sent, -1 when paused; it counts when the allocator meets the key for the first time, later it knows
    itself. `peak` is what its highest layer had at times (bit/s).
    """

    key: Hashable
    kind: Literal["audio", "screen", "camera"]
    priority: int
    rates: tuple[float, ...]
    nominal: tuple[float, ...]
    limit: int
    current: int = -1
    peak: float = 0.0

    def cost(self, layer: int) -> float:
        """bit/s of a layer; 0 for -1."""
        return (self.rates[layer] or self.nominal[layer]) if layer >= 0 else 0.0

    def rank(self) -> int:
        """The class: 0 comes first."""
        return 0 if self.kind == "screen" else 3 - min(max(self.priority, 0), 2)

    def top(self) -> int:
        """The highest layer it may get."""
        return min(self.limit, len(self.rates) - 1)


class _Memory:
    """What the allocator knows of a key."""

    __slots__ = ("blocked_until", "cautious_until", "layer", "raised_at", "raised_rank", "wait")

    def __init__(self, layer: int) -> None:
        self.layer = layer
        self.raised_at = float("-inf")
        self.raised_rank = 0
        self.wait = STEADY
        self.blocked_until = float("-inf")
        self.cautious_until = float("-inf")


class Allocator:
    """Layers for one subscriber. No clock of its own; call it each 100 to 200 ms and on any change."""

    __slots__ = ("_budget", "_budgets", "_memories", "wanted")

    def __init__(self) -> None:
        self._memories: dict[Hashable, _Memory] = {}
        self._budgets: deque[tuple[float, float]] = deque()
        self._budget: float | None = None
        self.wanted = 0.0
        """bit/s that would satisfy every demand of the last call at its limit."""

    def allocate(self, budget: float, demands: Sequence[Demand], now: float) -> dict[Hashable, int]:
        """The layer for each key, -1 for none. `budget` is bit/s, `now` seconds of a monotonic clock."""
        least = self._least(budget, now)
        given: dict[Hashable, int] = {}
        used = wanted = 0.0
        videos: list[Demand] = []
        for demand in demands:
            if demand.kind == "audio":
                layer = given[demand.key] = max(demand.top(), 0)
                used += demand.cost(layer)
            else:
                given[demand.key] = -1
                if demand.limit >= 0 and demand.rates:
                    videos.append(demand)
                    wanted += max(demand.cost(demand.top()), demand.peak)
        self.wanted = used + wanted
        memories = self._memories
        for demand in videos:
            if demand.key not in memories:
                memories[demand.key] = _Memory(min(demand.current, demand.top()))
        self._share(budget, least, used, videos, given, now)
        self._remember(demands, given, now)
        return given

    def _least(self, budget: float, now: float) -> float:
        """The least budget of the last `STEADY` seconds."""
        budgets, before = self._budgets, self._budget
        if before is not None:
            # Each with the time until which it held; one that is not less than the next never counts again.
            while budgets and budgets[-1][1] >= before:
                budgets.pop()
            budgets.append((now, before))
        self._budget = budget
        while budgets and budgets[0][0] < now - STEADY:
            budgets.popleft()
        return min(budget, budgets[0][1]) if budgets else budget

    def _share(
        self,
        budget: float,
        least: float,
        used: float,
        videos: list[Demand],
        given: dict[Hashable, int],
        now: float,
    ) -> None:
        memories = self._memories
        # Who waits after a mistake keeps the room it will need, and nobody who matters less gets ahead of it.
        kept = 0.0
        blocked = cautious = NO_LAYER
        for demand, layer in _steps(videos, memories):
            key = demand.key
            memory = memories[key]
            total = used + demand.cost(layer) - demand.cost(given[key])
            if layer <= memory.layer:
                fits = total <= budget
            else:
                needed = total + kept
                fits = needed * ROOM <= least or needed * ROOM_AT_ONCE <= budget
                if fits:
                    if now < memory.blocked_until:
                        blocked = min(blocked, layer)
                    if now < memory.cautious_until:
                        cautious = min(cautious, layer)
                    if layer >= blocked or (layer >= cautious and needed * ROOM_AFTER_MISTAKE > budget):
                        kept += total - used
                        fits = False
            if fits:
                given[key] = layer
                used = total

    def _remember(self, demands: Sequence[Demand], given: dict[Hashable, int], now: float) -> None:
        memories = self._memories
        for demand in demands:
            memory = memories.get(demand.key)
            if memory is None:
                continue
            layer = given[demand.key]
            if layer > memory.layer:
                memory.raised_at = now
                memory.raised_rank = demand.rank()
            elif layer < memory.layer <= demand.limit and demand.rank() <= memory.raised_rank:
                if now - memory.raised_at < PROBATION:
                    memory.blocked_until = now + memory.wait
                    memory.cautious_until = now + CAUTION
                    memory.wait = min(2 * memory.wait, WAIT_MOST)
                memory.raised_at = float("-inf")
            elif now - memory.raised_at >= PROBATION and now >= memory.cautious_until:
                memory.wait = STEADY
            memory.layer = layer
        if len(memories) > len(given):
            for key in [key for key, memory in memories.items() if key not in given]:
                if now >= memories[key].cautious_until:
                    del memories[key]
                else:
                    memories[key].layer = -1


def _steps(videos: list[Demand], memories: dict[Hashable, _Memory]) -> list[tuple[Demand, int]]:
    """What to try, in order. Of equals, those come first that have the layer already."""
    classes: list[list[Demand]] = [[], [], [], []]
    for demand in sorted(videos, key=lambda demand: -demand.priority):
        classes[demand.rank()].append(demand)
    steps: list[tuple[Demand, int]] = []
    for members in classes:
        steps += _level(members, 0, memories)
    for members in classes:
        for layer in range(1, max((member.top() for member in members), default=0) + 1):
            steps += _level(members, layer, memories)
    return steps


def _level(members: list[Demand], layer: int, memories: dict[Hashable, _Memory]) -> list[tuple[Demand, int]]:
    reached = [member for member in members if member.top() >= layer]
    having = [(member, layer) for member in reached if memories[member.key].layer >= layer]
    return having + [(member, layer) for member in reached if memories[member.key].layer < layer]


def limit_for(width: int, height: int, layers: Sequence[tuple[int, int]]) -> int:
    """The lowest layer that is sharp enough at `width` x `height` device pixels; -1 when not shown.

    `layers` are sizes, lowest first; (0, 0) is one not known yet: taken to be half of the next.
    """
    if width <= 0 or height <= 0 or not layers:
        return -1
    top = len(layers) - 1
    known = next(
        (index for index in range(top, -1, -1) if layers[index][0] > 0 and layers[index][1] > 0), None
    )
    if known is None:
        return top
    for index, size in enumerate(layers):
        if size[0] <= 0 or size[1] <= 0:
            scale = 2.0 ** (index - known)
            across, down = layers[known][0] * scale, layers[known][1] * scale
        else:
            across, down = size
        if across >= ENOUGH * width and down >= ENOUGH * height:
            return index
    return top
