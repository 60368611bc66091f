"""Wall-clock times keep their meaning over every change of the clock."""

from __future__ import annotations

import datetime as dt
import zoneinfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetings.scheduling.times import resolve_local, same_clock

BERLIN = zoneinfo.ZoneInfo("Europe/Berlin")
ZONES = sorted(name for name in zoneinfo.available_timezones() if "/" in name and not name.startswith("Etc/"))
walls = st.datetimes(min_value=dt.datetime(1990, 1, 1), max_value=dt.datetime(2060, 1, 1))


def test_plain_time() -> None:
    start = resolve_local(dt.datetime(2026, 11, 23, 10, 0), BERLIN)
    assert start.moment == dt.datetime(2026, 11, 23, 9, 0, tzinfo=dt.UTC)
    assert not start.moved
    assert not start.ambiguous


def test_a_time_that_is_skipped_moves_by_the_gap() -> None:
    # RFC 5545 section 3.3.5 has the same example for New York.
    start = resolve_local(dt.datetime(2007, 3, 11, 2, 30), zoneinfo.ZoneInfo("America/New_York"))
    assert start.moved
    assert start.local.replace(tzinfo=None) == dt.datetime(2007, 3, 11, 3, 30)
    assert start.moment == dt.datetime(2007, 3, 11, 7, 30, tzinfo=dt.UTC)


def test_a_time_that_comes_twice_is_the_first() -> None:
    start = resolve_local(dt.datetime(2026, 10, 25, 2, 30), BERLIN)
    assert start.ambiguous
    assert not start.moved
    assert start.moment == dt.datetime(2026, 10, 25, 0, 30, tzinfo=dt.UTC)


def test_a_skipped_day_moves_too() -> None:
    # Samoa had no 30 December 2011.
    start = resolve_local(dt.datetime(2011, 12, 30, 10, 0), zoneinfo.ZoneInfo("Pacific/Apia"))
    assert start.moved
    assert start.local.date() == dt.date(2011, 12, 31)


def test_refuses_aware_and_endless_times() -> None:
    with pytest.raises(ValueError, match="wall-clock"):
        resolve_local(dt.datetime(2026, 1, 1, tzinfo=dt.UTC), BERLIN)
    with pytest.raises(ValueError, match="too far"):
        resolve_local(dt.datetime(1, 1, 1, 0, 0), BERLIN)


@given(walls, st.sampled_from(ZONES))
def test_every_time_has_a_moment_and_existing_ones_come_back(wall: dt.datetime, name: str) -> None:
    zone = zoneinfo.ZoneInfo(name)
    start = resolve_local(wall, zone)
    shown = start.moment.astimezone(zone).replace(tzinfo=None, fold=0)
    assert start.moved == (shown != wall)
    if start.moved:
        assert dt.timedelta() < shown - wall <= dt.timedelta(hours=25)
    # What is shown exists, so reading it again is a fixed point.
    again = resolve_local(shown, zone)
    assert not again.moved
    assert again.moment <= start.moment


@given(
    st.datetimes(min_value=dt.datetime(1990, 1, 1), max_value=dt.datetime(2060, 1, 1)), st.sampled_from(ZONES)
)
def test_moments_come_back_unless_ambiguous(moment: dt.datetime, name: str) -> None:
    zone = zoneinfo.ZoneInfo(name)
    utc = moment.replace(tzinfo=dt.UTC, microsecond=0)
    start = resolve_local(utc.astimezone(zone).replace(tzinfo=None, fold=0), zone)
    assert start.moment == utc or (start.ambiguous and start.moment < utc)


def test_same_clock() -> None:
    winter = dt.datetime(2026, 1, 5, 12, tzinfo=dt.UTC)
    assert same_clock(winter, BERLIN, zoneinfo.ZoneInfo("Europe/Paris"))
    assert not same_clock(winter, BERLIN, zoneinfo.ZoneInfo("Europe/London"))
