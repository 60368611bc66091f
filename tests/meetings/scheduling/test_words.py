"""Times as people say them."""

from __future__ import annotations

import datetime as dt

import pytest

from meetings.scheduling.dashboard import greeting_at
from meetings.scheduling.words import starts_in

NOW = dt.datetime(2026, 11, 23, 9, 52, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("delta", "words"),
    [
        (dt.timedelta(minutes=-3), "It is time"),
        (dt.timedelta(), "It is time"),
        (dt.timedelta(seconds=20), "Starts in 1 min"),
        (dt.timedelta(minutes=8), "Starts in 8 min"),
        (dt.timedelta(minutes=59), "Starts in 59 min"),
        (dt.timedelta(minutes=61), "Starts in 1 h"),
        (dt.timedelta(hours=13), "Starts in 13 h"),
        (dt.timedelta(hours=23), "Tomorrow"),
        (dt.timedelta(days=1), "Tomorrow"),
        (dt.timedelta(days=3), "In 3 days"),
    ],
)
def test_starts_in(delta: dt.timedelta, words: str) -> None:
    assert starts_in(NOW + delta, NOW) == words


def test_just_after_midnight_is_hours_away_not_tomorrow() -> None:
    late = NOW.replace(hour=23, minute=0)
    assert starts_in(late + dt.timedelta(hours=2), late) == "Starts in 2 h"


@pytest.mark.parametrize(
    ("hour", "words"), [(3, "evening"), (4, "morning"), (11, "morning"), (12, "afternoon"), (18, "evening")]
)
def test_greeting(hour: int, words: str) -> None:
    assert greeting_at(NOW.replace(hour=hour)) == f"Good {words}"
