"""How a call looks and sounds over bad networks: real Chromium at both ends, each behind an emulated link.

    python -m benchmarks.bench_impaired [--servers plenum janus] [--cells loss5 far] [--rounds 1]

The same pages, clip, layers (180/360/720 lines at 150/500/1700 kbit/s) and networks with our gateway and with
Janus' videoroom (1.1.2 of Debian, ICE-lite, one event loop, Opus FEC as by default). What arrives is decoded
and looked at. Prints a table and writes benchmarks/results/impaired.json; cells left out keep their figures.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.janus import Janus
from tests.netem.call import call
from tests.netem.cells import CELLS, NEEDED, Cell, run_cell
from tests.netem.clip import Clip, write_clip
from tests.netem.servers import LAYERS, MediaServer, OnOffer, PlenumServer

RESULT = Path(__file__).parent / "results" / "impaired.json"
SHOWN = (
    ("freezes_per_minute", "freezes/min", "lower"),
    ("frozen_share", "frozen", "lower"),
    ("concealed_share", "concealed", "lower"),
    ("median_height", "height", "higher"),
    ("recover_s", "recover s", "lower"),
    ("wrong_pictures", "damaged", "lower"),
)


class JanusServer:
    """Janus with a room of its own."""

    # It takes the best layer first.
    encodings = [LAYERS[2], LAYERS[1], LAYERS[0]]

    async def start(self) -> None:
        self._janus = await Janus().__aenter__()

    async def stop(self) -> None:
        await self._janus.__aexit__(None, None, None)

    async def publish(self, sdp: str, tracks: list[dict[str, str]]) -> str:
        self._publisher, self._feed, answer = await self._janus.publish("ann", sdp)
        return answer

    async def view(self, offer: OnOffer) -> None:
        await self._janus.up(self._publisher)
        self._handle, sdp = await self._janus.subscribe([self._feed])
        offer({"version": 1, "sdp": sdp})

    async def answer(self, version: int, sdp: str) -> None:
        await self._janus.start(self._handle, sdp)


async def measure(kind: str, cell: Cell, clip: Clip) -> dict[str, Any]:
    """One call through one cell."""
    server: MediaServer = JanusServer() if kind == "janus" else PlenumServer()
    async with call(server, clip) as made:
        await made.begin()
        await made.until_height(720)
        return (await run_cell(made, cell)).summary()


def middle(rounds: list[dict[str, Any]]) -> dict[str, Any]:
    """The median of each figure; a recovery that never came counts as longer than any."""
    found: dict[str, Any] = {}
    for name in rounds[0]:
        value = statistics.median(float("inf") if one[name] is None else one[name] for one in rounds)
        found[name] = None if value == float("inf") else round(value, 4)
    return found


def better(name: str, direction: str, ours: float | None, theirs: float | None) -> bool:
    """Whether ours is as good at least."""
    if name == "recover_s":
        return theirs is None or (ours is not None and ours <= theirs)
    assert ours is not None and theirs is not None
    return ours <= theirs if direction == "lower" else ours >= theirs


def compare(cells: dict[str, Any]) -> None:
    """Add to each cell the ratios ours to theirs, and in what ours is worse."""
    for cell in cells.values():
        ours, theirs = cell.get("plenum"), cell.get("janus")
        if not ours or not theirs:
            continue
        cell["ratio"] = {
            name: round(ours[name] / theirs[name], 3)
            for name, _, _ in SHOWN
            if ours.get(name) is not None and theirs.get(name)
        }
        cell["worse_in"] = [
            name
            for name, _, direction in SHOWN
            if name in ours and not better(name, direction, ours[name], theirs[name])
        ]


def table(cells: dict[str, Any]) -> str:
    lines = [f"{'':38}" + "".join(f"{title:>13}" for _, title, _ in SHOWN)]
    for cell in cells.values():
        lines.append(cell["title"])
        for kind in ("plenum", "janus"):
            figures = cell.get(kind)
            if figures:
                values = ["–" if figures.get(name) is None else f"{figures[name]:g}" for name, _, _ in SHOWN]
                lines.append(f"    {kind:34}" + "".join(f"{value:>13}" for value in values))
        if cell.get("worse_in"):
            lines.append(f"    worse in: {', '.join(cell['worse_in'])}")
    return "\n".join(lines)


def keep(result: dict[str, Any], cells: dict[str, Any]) -> None:
    """Write what there is so far: a cell that fails must not cost the others."""
    compare(cells)
    result["cells"] = cells
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(result, indent=2) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = [cell.name for cell in CELLS]
    parser.add_argument("--servers", nargs="+", choices=["plenum", "janus"], default=["plenum", "janus"])
    parser.add_argument("--cells", nargs="+", choices=names, default=names)
    parser.add_argument("--rounds", type=int, default=1)
    options = parser.parse_args()
    result: dict[str, Any] = json.loads(RESULT.read_text()) if RESULT.exists() else {"cells": {}}
    result["settings"] = {"layers": LAYERS, "needed_bits_per_s": NEEDED, "rounds": options.rounds}
    cells: dict[str, Any] = {cell.name: result["cells"].get(cell.name, {}) for cell in CELLS}
    with tempfile.TemporaryDirectory() as folder:
        clip = write_clip(Path(folder))
        for cell in CELLS:
            cells[cell.name]["title"] = cell.title
            if cell.name not in options.cells:
                continue
            rounds: dict[str, list[dict[str, Any]]] = {kind: [] for kind in options.servers}
            for _ in range(options.rounds):
                # One after the other, so that a busy moment of the machine meets both.
                for kind in options.servers:
                    rounds[kind].append(asyncio.run(measure(kind, cell, clip)))
                    print(f"{cell.name:12}{kind:8}", rounds[kind][-1], flush=True)
            for kind, found in rounds.items():
                cells[cell.name][kind] = middle(found)
            keep(result, cells)
    print(table(cells))


if __name__ == "__main__":
    main()
