"""Real Chromium at both ends of bad networks. What arrives is looked at and listened to, not only counted.

Bounds are for a busy machine; benchmarks/bench_impaired.py measures the same networks exactly.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace

import pytest

from tests.netem import metrics
from tests.netem.call import Call, call
from tests.netem.cells import CELLS, Cell, Change, Outcome, run_cell
from tests.netem.clip import Clip
from tests.netem.conditions import Conditions
from tests.netem.servers import PlenumServer

pytestmark = [pytest.mark.browser, pytest.mark.slow]
BY_NAME = {cell.name: cell for cell in CELLS}


def assert_pictures_true(outcome: Outcome) -> None:
    """Every decoded picture is one that the camera made, in its order and at its time."""
    wrong = metrics.wrong_pictures(outcome.pictures, outcome.begin, outcome.end)
    assert wrong == []


async def run(clip: Clip, cell: Cell) -> Outcome:
    async with call(PlenumServer(), clip) as made:
        await made.begin()
        await made.until_height(720)
        outcome = await run_cell(made, cell, settle=1.0)
        assert await made.bob.evaluate("pcs.subscribe.connectionState") == "connected"
        return outcome


async def test_five_percent_of_loss_are_hardly_seen_or_heard(clip: Clip) -> None:
    outcome = await run(clip, replace(BY_NAME["loss5"], seconds=10))
    assert_pictures_true(outcome)
    found = outcome.summary()
    assert found["longest_gap_s"] < 1 and found["frozen_share"] < 0.1, found
    assert found["concealed_share"] < 0.05 and found["tone_heard_share"] > 0.95, found


async def test_fifteen_percent_of_loss_leave_pictures_and_sound(clip: Clip) -> None:
    outcome = await run(clip, replace(BY_NAME["loss15"], seconds=12))
    assert_pictures_true(outcome)
    found = outcome.summary()
    assert found["longest_gap_s"] < 3 and found["frozen_share"] < 0.5, found
    assert found["concealed_share"] < 0.2 and found["tone_heard_share"] > 0.9, found


@pytest.mark.parametrize("link", ["ann", "bob"])
async def test_after_two_seconds_of_nothing_pictures_move_again(clip: Clip, link: str) -> None:
    """On the sender's line and on the receiver's, without any signalling."""
    cut = Conditions(outages=((0.0, 2.0),))
    changes = (Change(0, f"{link} up", cut), Change(0, f"{link} down", cut))
    outcome = await run(clip, Cell("cut", "", 9, changes, recoveries=(2.0,)))
    assert_pictures_true(outcome)
    assert outcome.recovered[0] is not None and outcome.recovered[0] < 3
    after = outcome.begin + 2 + outcome.recovered[0]
    assert metrics.longest_gap(outcome.pictures, after, outcome.end) < 2, "and do not stop again"
    assert metrics.heard_share(outcome.bob, after + 0.5, outcome.end) > 0.9


async def test_a_long_way_with_jitter(clip: Clip) -> None:
    outcome = await run(clip, replace(BY_NAME["far"], seconds=12))
    assert_pictures_true(outcome)
    found = outcome.summary()
    assert found["longest_gap_s"] < 1.5 and found["concealed_share"] < 0.1, found
    assert found["tone_heard_share"] > 0.95, found


async def moved(made: Call, link: str) -> tuple[float, float]:
    """Give a link's clients new addresses; when that was, and seconds until pictures moved again."""
    offers = len([event for event in made.server.events if event["event"] == "subscribe.offer"])  # type: ignore[attr-defined]
    at = time.time()
    assert made.emulator.rebind(link) >= 1
    await asyncio.sleep(4)
    pictures = metrics.pictures_of(await made.measured())
    back = metrics.moving_again(pictures, at)
    assert back is not None, "pictures never moved again"
    assert metrics.longest_gap(pictures, at + back, at + 4) < 1
    assert len([e for e in made.server.events if e["event"] == "subscribe.offer"]) == offers  # type: ignore[attr-defined]
    return at, back


async def test_a_new_address_in_the_middle_of_a_call(clip: Clip) -> None:
    """Media finds the sender's and the receiver's new address by itself, within two seconds."""
    async with call(PlenumServer(), clip) as made:
        await made.begin()
        await made.until_height(720)
        for link in ("ann", "bob"):
            began, back = await moved(made, link)
            assert back < 2, link
            bob = await made.measured()
            assert metrics.heard_share(bob, began + back + 0.5, time.time()) > 0.9
            assert metrics.wrong_pictures(metrics.pictures_of(bob), began, time.time()) == []


async def test_layers_follow_the_line_without_a_freeze(clip: Clip) -> None:
    """A line that carries the middle layer, then all again: no damage, no freeze, the top layer is back."""
    lines = (Change(0, "bob down", Conditions(rate=900_000, delay_ms=10)),)
    lift = (Change(10, "bob down", Conditions(rate=6_000_000, delay_ms=10)),)
    outcome = await run(clip, Cell("layers", "", 21, lines + lift, recoveries=(10.0,), to_height=720))
    assert_pictures_true(outcome)
    # The first second finds the line out; from then on a layer is only changed at a key frame.
    pictures, settled = outcome.pictures, outcome.begin + 3
    assert metrics.longest_gap(pictures, settled, outcome.end) < 0.5
    assert metrics.longest_gap(pictures, outcome.begin, settled) < 1.5
    assert 0 < metrics.median_height(pictures, settled, outcome.begin + 10) < 720
    assert outcome.recovered[0] is not None and outcome.recovered[0] < 10
    assert metrics.concealed_share(outcome.bob, settled, outcome.end) < 0.05


async def test_a_senders_narrow_line_costs_size_and_not_movement(clip: Clip) -> None:
    lines = (Change(0, "ann up", Conditions(rate=900_000, delay_ms=10)),)
    outcome = await run(clip, Cell("narrow", "", 12, lines))
    assert_pictures_true(outcome)
    settled = outcome.begin + 4
    assert metrics.longest_gap(outcome.pictures, settled, outcome.end) < 2
    assert metrics.median_height(outcome.pictures, settled, outcome.end) > 0
    assert metrics.heard_share(outcome.bob, settled, outcome.end) > 0.9
