"""The networks under which servers are compared, and what a call looked like under each."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any

from tests.netem import metrics
from tests.netem.call import Call
from tests.netem.conditions import Conditions
from tests.netem.metrics import pictures_of

NEEDED = {"ann up": 3_200_000, "bob down": 2_500_000}
"""bit/s that a link must carry for all layers, and for the top one alone: with headers, redundant sound, and
a quarter more for key frames and retransmissions."""
CALM = Conditions()


@dataclass(frozen=True)
class Change:
    """`after` seconds from the beginning of the cell, one direction ("bob down") of a link changes."""

    after: float
    direction: str
    conditions: Conditions


@dataclass(frozen=True)
class Cell:
    """A timeline of conditions. `before` holds from a while before the beginning on.

    `recoveries` are the times (s) from which on the call must recover; `to_height` when that means the full
    picture and not only a moving one.
    """

    name: str
    title: str
    seconds: float
    changes: tuple[Change, ...]
    before: tuple[Change, ...] = ()
    recoveries: tuple[float, ...] = ()
    to_height: int = 0


def everywhere(after: float, conditions: Conditions) -> tuple[Change, ...]:
    return tuple(
        Change(after, f"{link} {direction}", conditions)
        for link in ("ann", "bob")
        for direction in ("up", "down")
    )


def _limited(name: str, title: str, direction: str) -> Cell:
    def line(share: float) -> Conditions:
        return Conditions(rate=share * NEEDED[direction], delay_ms=10)

    return Cell(
        name, title, 26.0,
        before=(Change(0, direction, line(1.0)),),
        changes=(Change(0, direction, line(0.3)), Change(12, direction, line(1.0))),
        recoveries=(12.0,), to_height=720,
    )  # fmt: skip


OUTAGE = Conditions(outages=((0.0, 2.0),))
CELLS = (
    Cell("loss5", "5 % loss, all ways", 20.0, everywhere(0, Conditions(loss=0.05))),
    Cell("loss15", "15 % loss, all ways", 20.0, everywhere(0, Conditions(loss=0.15))),
    Cell(
        "outage", "2 s outage, Ann's link, then Bob's", 24.0,
        (Change(2, "ann up", OUTAGE), Change(2, "ann down", OUTAGE),
         Change(13, "bob up", OUTAGE), Change(13, "bob down", OUTAGE)),
        recoveries=(4.0, 15.0),
    ),
    _limited("limit_down", "100 → 30 → 100 % to Bob", "bob down"),
    _limited("limit_up", "100 → 30 → 100 % from Ann", "ann up"),
    Cell(
        "far", "200 ± 30 ms round trip on both links", 20.0,
        everywhere(0, Conditions(delay_ms=100, jitter_ms=15)),
    ),
)  # fmt: skip


@dataclass
class Outcome:
    """What Bob got. Times are seconds since 1970."""

    cell: Cell
    begin: float
    end: float
    bob: dict[str, Any]
    ann: dict[str, Any]
    links: dict[str, Any]
    recovered: list[float | None] = field(default_factory=list)

    @property
    def pictures(self) -> list[metrics.Picture]:
        return pictures_of(self.bob)

    def summary(self) -> dict[str, Any]:
        """The cell's figures; `recover_s` is the longest of its recoveries, None when one never came."""
        found: dict[str, Any] = metrics.summary(self.bob, self.begin, self.end)
        if self.cell.recoveries:
            times = self.recovered
            found["recover_s"] = None if None in times else round(max(t for t in times if t is not None), 2)
        return found


def _apply(call: Call, changes: tuple[Change, ...]) -> None:
    for change in changes:
        link, way = change.direction.split()
        call.emulator.set(link, **{way: change.conditions})


async def run_cell(call: Call, cell: Cell, *, settle: float = 4.0) -> Outcome:
    """Let a running call live through a cell; afterwards the links are calm again."""
    _apply(call, cell.before)
    await asyncio.sleep(settle)
    begin = time.time()
    for after in sorted({change.after for change in cell.changes}):
        await asyncio.sleep(max(0.0, begin + after - time.time()))
        _apply(call, tuple(change for change in cell.changes if change.after == after))
    await asyncio.sleep(max(0.0, begin + cell.seconds - time.time()))
    end = time.time()
    links = call.emulator.stats()["links"]
    _apply(call, everywhere(0, CALM))
    # Pictures up to the end are still on their way through the page.
    await asyncio.sleep(0.3)
    outcome = Outcome(cell, begin, end, await call.measured("bob"), await call.measured("ann"), links)
    for after in cell.recoveries:
        if cell.to_height:
            back = metrics.height_again(outcome.pictures, begin + after, cell.to_height)
        else:
            back = metrics.moving_again(outcome.pictures, begin + after)
        outcome.recovered.append(back)
    return outcome
