"""Real Chromium at both ends of bad networks. What arrives is looked at and listened to, not only counted.

Bounds are for a busy machine; benchmarks/bench_impaired.py measures the same networks exactly.
"""

from __future__ import annotations

import pytest

from tests.netem import metrics
from tests.netem.call import call
from tests.netem.cells import CELLS, Cell, Outcome, run_cell
from tests.netem.clip import Clip
from tests.netem.servers import ONE_LAYER, PlenumServer

pytestmark = [pytest.mark.browser, pytest.mark.slow]
BY_NAME = {cell.name: cell for cell in CELLS}


def shortened(name: str, seconds: float) -> Cell:
    cell = BY_NAME[name]
    return Cell(name, cell.title, seconds, cell.changes, cell.before)


def assert_pictures_true(outcome: Outcome, *, allowed: int = 0) -> None:
    wrong = metrics.wrong_pictures(outcome.pictures, outcome.begin, outcome.end)
    assert len(wrong) <= allowed, wrong


async def test_five_percent_of_loss_are_hardly_seen_or_heard(clip: Clip) -> None:
    async with call(PlenumServer(ONE_LAYER), clip) as made:
        await made.begin()
        outcome = await run_cell(made, shortened("loss5", 12))
        assert_pictures_true(outcome)
        found = outcome.summary()
        assert found["longest_gap_s"] < 1, found
        assert found["frozen_share"] < 0.15, found
        assert found["concealed_share"] < 0.15, found
        assert found["tone_heard_share"] > 0.9, found
