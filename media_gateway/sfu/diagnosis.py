"""Finds where media stops on its way, says so, and does what may help (docs/protocol.md section 1.9).

Three counts are compared for each publisher and subscriber of a source: what the publisher's browser says
it sent, what came in and went out here, and what the subscriber's browser says it received and played. Each
second one step of the way is judged by whether its counter moved while the one before it did. Pure: gets
the time, emits through its owner.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .downtrack import DownTrack
from .source import Source

SILENT_AFTER = 3.0
"""Seconds without a packet that are no pause: sound that sends nothing when quiet (DTX) sends every 0.4 s."""
REPORT_EVERY = 2.0
"""Seconds between a browser's reports."""
STALE = 3 * REPORT_EVERY
"""A report older than this says nothing of the present."""
LADDER = ("keyframe", "resubscribe", "restart", "reconnect")
STEP_AFTER = 3.0
"""Seconds given to each step of healing."""


@dataclass(slots=True)
class Counter:
    """A number that should rise, and when it last did."""

    value: int = -1
    moved_at: float = 0.0

    def see(self, value: int, now: float) -> None:
        if value != self.value:
            self.value, self.moved_at = value, now

    def still(self, now: float) -> float:
        """Seconds for which it has not moved; 0 before it was ever seen."""
        return 0.0 if self.value < 0 else now - self.moved_at


class Reports:
    """What one peer's browser said last: (source) -> sent packets, (peer, source) -> packets and frames."""

    def __init__(self) -> None:
        self.at = 0.0
        self.sent: dict[str, Counter] = {}
        self.packets: dict[tuple[str, str], Counter] = {}
        self.frames: dict[tuple[str, str], Counter] = {}
        self.last_in: dict[tuple[str, str], dict[str, Any]] = {}

    def take(self, publish: list[dict[str, Any]], subscribe: list[dict[str, Any]], now: float) -> None:
        """A report of section 1.9, checked. A source's layers count together."""
        self.at = now
        sent: dict[str, int] = {}
        for out in publish:
            sent[out["source"]] = sent.get(out["source"], 0) + out["packets"]
        for source, packets in sent.items():
            self.sent.setdefault(source, Counter()).see(packets, now)
        for stat in subscribe:
            key = (stat["peer"], stat["source"])
            self.packets.setdefault(key, Counter()).see(stat["packets"], now)
            self.frames.setdefault(key, Counter()).see(stat["frames"], now)
            self.last_in[key] = stat

    def fresh(self, now: float) -> bool:
        return now - self.at < STALE

    def forget(self, peer: str) -> None:
        """Somebody left; a new track of theirs counts anew."""
        for table in (self.packets, self.frames, self.last_in):
            for key in [key for key in table if key[0] == peer]:
                del table[key]  # type: ignore[attr-defined]


class Trouble:
    """One silent hop, from when it was named until it is healed."""

    __slots__ = ("action", "began", "hop", "step", "stepped_at")

    def __init__(self, hop: str, now: float) -> None:
        self.hop = hop
        self.began = self.stepped_at = now
        self.step = -1
        self.action = "none"


class Way:
    """One source to one subscriber, or (without one) from its publisher to here."""

    def __init__(self) -> None:
        self.came = Counter()
        self.went = Counter()
        self.expected_since: float | None = None
        self.trouble: Trouble | None = None


Emit = Callable[[Source, DownTrack | None, Trouble, str], None]
"""(source, subscriber or None, trouble, "silent" or "healed")"""


class Diagnosis:
    """Of one room. Each way is looked at every second; `emit` tells, `heal` does one step of the ladder."""

    def __init__(self, emit: Emit, heal: Callable[[Source, DownTrack | None, str], bool]) -> None:
        self._emit = emit
        self._heal = heal
        self._ways: dict[tuple[int, int], Way] = {}
        self._seen: set[tuple[int, int]] = set()

    def begin(self) -> None:
        """A round of looks begins."""
        self._seen = set()

    def end(self) -> None:
        """Ways that were not looked at are gone."""
        for key in [key for key in self._ways if key not in self._seen]:
            del self._ways[key]

    def _way(self, key: tuple[int, int], expected: bool, now: float) -> Way:
        self._seen.add(key)
        way = self._ways.setdefault(key, Way())
        if not expected:
            way.expected_since = None
        elif way.expected_since is None:
            way.expected_since = now
        return way

    def look_up(self, source: Source, reports: Reports, now: float) -> None:
        """The way from the publisher to here."""
        expected = source.exposed and not source.blocked and source.name != "screen_audio"
        way = self._way((source.number, 0), expected, now)
        way.came.see(sum(layer.offered_packets for layer in source.layers), now)
        hop = None
        if way.expected_since is not None:
            quiet = min(now - way.expected_since, way.came.still(now))
            sent = reports.sent.get(source.name)
            sending = sent is not None and reports.fresh(now) and sent.still(now) < SILENT_AFTER
            if quiet >= SILENT_AFTER:
                if sending or not uses_report(reports, now):
                    hop = "uplink"
                elif source.name != "screen":  # a still screen sends nothing, and nothing is wrong
                    hop = "device"
        self._judge(way, source, None, hop, now)

    def look_down(self, down: DownTrack, index: int, reports: Reports, shown: bool, now: float) -> None:
        """The way from here to one subscriber; `shown`: it is to get this source now."""
        source = down.source
        flowing = any(layer.flowing(now) for layer in source.layers)
        expected = shown and flowing and down.attached and not source.blocked
        way = self._way((source.number, index), expected, now)
        way.went.see(down.counts()[0], now)
        hop = None
        if way.expected_since is not None:
            since = now - way.expected_since
            key = (source.peer, source.name)
            packets, frames = reports.packets.get(key), reports.frames.get(key)
            quiet = SILENT_AFTER + (0 if packets is None else REPORT_EVERY / 2)
            if min(since, way.went.still(now)) >= SILENT_AFTER and not down.withheld:
                hop = "server"
            elif since >= quiet and reports.fresh(now) and packets is not None and way.went.still(now) < 1:
                if packets.still(now) >= quiet:
                    hop = "downlink"
                elif not down.is_audio and frames is not None and frames.still(now) >= quiet:
                    hop = "player"
        self._judge(way, source, down, hop, now)

    def _judge(self, way: Way, source: Source, down: DownTrack | None, hop: str | None, now: float) -> None:
        trouble = way.trouble
        if hop is None:
            if trouble is not None:
                way.trouble = None
                self._emit(source, down, trouble, "healed")
            return
        if trouble is None or trouble.hop != hop:
            trouble = way.trouble = Trouble(hop, now)
        elif now - trouble.stepped_at < STEP_AFTER:
            return
        if trouble.step + 1 < len(LADDER) or trouble.step < 0:
            self._next_step(trouble, source, down, now)
            self._emit(source, down, trouble, "silent")

    def _next_step(self, trouble: Trouble, source: Source, down: DownTrack | None, now: float) -> None:
        """Do the next thing that can be done at all."""
        trouble.stepped_at = now
        trouble.action = "none"
        while trouble.step + 1 < len(LADDER):
            trouble.step += 1
            if self._heal(source, down, LADDER[trouble.step]):
                trouble.action = LADDER[trouble.step]
                return

    def troubles(self) -> list[dict[str, Any]]:
        """What is wrong now, for `room.stats`."""
        return [
            {"track": number, "subscriber": index, "hop": way.trouble.hop, "action": way.trouble.action}
            for (number, index), way in self._ways.items()
            if way.trouble is not None
        ]


def uses_report(reports: Reports, now: float) -> bool:
    """Whether the publisher's own counts can be asked at all."""
    return bool(reports.sent) and reports.fresh(now)
