"""Wall-clock times to moments and back, right across changes of the clock.

A time that does not exist (clocks went forward) or exists twice (clocks went back) is read as RFC 5545
section 3.3.5 says, so that the portal and every calendar program agree on the moment.
"""

from __future__ import annotations

import datetime as dt
import zoneinfo
from dataclasses import dataclass

from django.utils import timezone


@dataclass(frozen=True)
class LocalStart:
    """`moment` is the UTC time meant by a wall-clock time in a zone; `local` is what the clock there shows
    then.

    `moved`: the time asked for does not exist, `local` differs from it.
    `ambiguous`: it exists twice and the first was taken.
    """

    moment: dt.datetime
    local: dt.datetime
    moved: bool = False
    ambiguous: bool = False


def resolve_local(naive: dt.datetime, zone: zoneinfo.ZoneInfo) -> LocalStart:
    """The moment of wall-clock time `naive` in `zone`.

    A time inside a gap is read with the offset before the gap (02:30 becomes 03:30), one that comes twice
    is its first occurrence: both are what `fold=0` means (PEP 495). Raises ValueError for an aware time or
    one too near the ends of the calendar.
    """
    if naive.tzinfo is not None:
        raise ValueError("a wall-clock time has no zone of its own")
    first = naive.replace(tzinfo=zone, fold=0)
    try:
        moment = first.astimezone(dt.UTC)
        local = moment.astimezone(zone)
    except OverflowError as error:
        raise ValueError("the date is too far away") from error
    shown = local.replace(tzinfo=None, fold=0)
    moved = shown != naive
    ambiguous = not moved and first.utcoffset() != naive.replace(tzinfo=zone, fold=1).utcoffset()
    return LocalStart(moment=moment, local=local, moved=moved, ambiguous=ambiguous)


def in_zone(moment: dt.datetime, zone: zoneinfo.ZoneInfo) -> dt.datetime:
    """`moment` as the clocks in `zone` show it (aware)."""
    return timezone.localtime(moment, zone)


def same_clock(moment: dt.datetime, one: zoneinfo.ZoneInfo, other: zoneinfo.ZoneInfo) -> bool:
    """Do clocks in both zones show the same at `moment`? (Then naming the second zone would only confuse.)"""
    return moment.astimezone(one).utcoffset() == moment.astimezone(other).utcoffset()
