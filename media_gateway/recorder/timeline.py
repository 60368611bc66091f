"""Who was there, whose camera was on and who shared a screen, at any moment of a recording."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from .reader import Journal
from .sequence import runs

Interval = tuple[float, float]

FREEZE_S = 4.0  # so long a camera that sends nothing keeps its last picture
BRIDGE_S = 15.0  # a person whose tracks all come back so soon, say after a media worker's crash, was not away


def union(intervals: Iterable[Interval], *, bridge: float = 0.0) -> list[Interval]:
    """Sorted, without overlaps; gaps up to ``bridge`` seconds are closed."""
    merged: list[Interval] = []
    for start, end in sorted(interval for interval in intervals if interval[1] > interval[0]):
        if merged and start <= merged[-1][1] + bridge:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((start, end))
    return merged


def subtract(intervals: Sequence[Interval], holes: Sequence[Interval]) -> list[Interval]:
    """What of the intervals lies in no hole."""
    left = list(intervals)
    for hole_start, hole_end in holes:
        cut: list[Interval] = []
        for start, end in left:
            cut += [(start, min(end, hole_start)), (max(start, hole_end), end)]
        left = [(start, end) for start, end in cut if end > start]
    return left


def current(intervals: Sequence[Interval], at: float) -> Interval | None:
    """The interval that holds ``at``, of a list as union() gives it."""
    index = bisect_right(intervals, (at, float("inf"))) - 1
    return intervals[index] if index >= 0 and at < intervals[index][1] else None


@dataclass
class Shown:
    """A picture source of a person: its journals and when it is to be seen."""

    journals: list[Journal] = field(default_factory=list)
    on: list[Interval] = field(default_factory=list)


@dataclass
class Person:
    """Everything one participant sent, over all reconnections and media workers."""

    peer: str
    name: str
    present: list[Interval]
    camera: Shown
    screen: Shown
    audio: list[Journal]


@dataclass(frozen=True)
class Scene:
    """What is to be seen: indices into the list of people; ``screen`` is who shares, if anyone does."""

    people: tuple[int, ...] = ()
    cameras: frozenset[int] = frozenset()
    screen: int | None = None


def gather_people(journals: Sequence[Journal], names: Mapping[str, str]) -> list[Person]:
    """One Person a peer, in order of first appearance; ``names`` (peer to name) goes before the journal."""
    by_peer: dict[str, list[Journal]] = {}
    for journal in sorted(journals, key=lambda journal: journal.start):
        by_peer.setdefault(journal.info.peer, []).append(journal)
    people = []
    for peer, own in by_peer.items():
        cameras = [journal for journal in own if journal.info.source == "camera"]
        screens = [journal for journal in own if journal.info.source == "screen"]
        people.append(
            Person(
                peer=peer,
                name=names.get(peer) or own[-1].info.name or peer,
                present=union(((journal.start, journal.end) for journal in own), bridge=BRIDGE_S),
                camera=Shown(cameras, union(span for journal in cameras for span in _camera_on(journal))),
                screen=Shown(screens, union(span for journal in screens for span in _screen_on(journal))),
                audio=[journal for journal in own if journal.info.kind == "audio"],
            )
        )
    return people


def _camera_on(journal: Journal) -> list[Interval]:
    spans = [
        (first, min(last + FREEZE_S, journal.end))
        for stream in journal.streams
        for first, last in runs(stream.wall, FREEZE_S)
    ]
    return subtract(union(spans), journal.pauses)


def _screen_on(journal: Journal) -> list[Interval]:
    """A screen on which nothing moves sends nothing: it is there until it is taken away."""
    firsts = [float(stream.wall[0]) for stream in journal.streams]
    return subtract([(min(firsts), journal.end)], journal.pauses) if firsts else []


class Scenes:
    """The scene at each moment; to be asked with times that do not go back."""

    def __init__(self, people: Sequence[Person]) -> None:
        self._people = people
        bounds = {
            bound
            for person in people
            for spans in (person.present, person.camera.on, person.screen.on)
            for span in spans
            for bound in span
        }
        self._bounds = sorted(bounds)
        self._index = -1
        self._scene = Scene()

    def at(self, time: float) -> Scene:
        index = bisect_right(self._bounds, time)
        if index != self._index:
            self._index = index
            self._scene = self._build(time)
        return self._scene

    def _build(self, time: float) -> Scene:
        there = [index for index, person in enumerate(self._people) if current(person.present, time)]
        cameras = frozenset(index for index in there if current(self._people[index].camera.on, time))
        sharing = [
            (span[0], index) for index in there if (span := current(self._people[index].screen.on, time))
        ]
        return Scene(tuple(there), cameras, max(sharing)[1] if sharing else None)
