"""VTIMEZONE parts made from the time zone database.

Made here, not by a library: an observance begins at its wall-clock time *before* the change (RFC 5545 section
3.6.5: DTSTART is read with TZOFFSETFROM); libraries that write the time after it are wrong for an hour.
"""

from __future__ import annotations

import datetime as dt
import functools
import zoneinfo
from dataclasses import dataclass

from icalendar import Timezone, TimezoneDaylight, TimezoneStandard

_DAY, _SECOND = dt.timedelta(days=1), dt.timedelta(seconds=1)


@dataclass(frozen=True)
class Observance:
    """From `start` (naive, on the clock before the change) a zone is `after` instead of `before` from UTC."""

    start: dt.datetime
    before: dt.timedelta
    after: dt.timedelta
    name: str
    daylight: bool


def vtimezone(zone: zoneinfo.ZoneInfo, first: dt.datetime, last: dt.datetime) -> Timezone:
    """The VTIMEZONE of `zone`, right for every moment from a year before `first` to a year after `last`."""
    part = Timezone()
    part.add("tzid", zone.key)
    for one in observances(zone.key, max(first.year - 1, 1), min(last.year + 2, 9999)):
        observance = TimezoneDaylight() if one.daylight else TimezoneStandard()
        observance.add("dtstart", one.start)
        observance.add("tzoffsetfrom", one.before)
        observance.add("tzoffsetto", one.after)
        observance.add("tzname", one.name)
        part.add_component(observance)
    return part


@functools.lru_cache(maxsize=256)
def observances(zone_name: str, first_year: int, end_year: int) -> tuple[Observance, ...]:
    """How a zone's clock stands on 1 January of `first_year`, and every change of it before `end_year`."""
    zone = zoneinfo.ZoneInfo(zone_name)
    moment = dt.datetime(first_year, 1, 1, tzinfo=dt.UTC)
    end = dt.datetime(end_year, 1, 1, tzinfo=dt.UTC)
    before = _offset(zone, moment)
    found = [_observance(zone, moment, before)]
    while moment < end:
        after = moment + _DAY
        if _state(zone, moment) != _state(zone, after):
            change = _bisect(zone, moment, after)
            found.append(_observance(zone, change, _offset(zone, change - _SECOND)))
        moment = after
    return tuple(found)


def _observance(zone: zoneinfo.ZoneInfo, moment: dt.datetime, before: dt.timedelta) -> Observance:
    there = moment.astimezone(zone)
    return Observance(
        start=(moment + before).replace(tzinfo=None),
        before=before,
        after=_offset(zone, moment),
        name=there.tzname() or zone.key,
        daylight=(there.dst() or dt.timedelta()) > dt.timedelta(),
    )


def _offset(zone: zoneinfo.ZoneInfo, moment: dt.datetime) -> dt.timedelta:
    offset = moment.astimezone(zone).utcoffset()
    if offset is None:
        raise ValueError(f"{zone.key} has no offset at {moment}")
    return offset


def _state(zone: zoneinfo.ZoneInfo, moment: dt.datetime) -> tuple[dt.timedelta, str | None]:
    return _offset(zone, moment), moment.astimezone(zone).tzname()


def _bisect(zone: zoneinfo.ZoneInfo, low: dt.datetime, high: dt.datetime) -> dt.datetime:
    """The first second of the new state, somewhere in (low, high]."""
    old = _state(zone, low)
    while high - low > _SECOND:
        middle = (low + (high - low) / 2).replace(microsecond=0)
        if _state(zone, middle) == old:
            low = middle
        else:
            high = middle
    return high
