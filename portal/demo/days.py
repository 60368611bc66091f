"""Moments around now, in the portal's time zone."""

from __future__ import annotations

import datetime as dt
import zoneinfo

from django.conf import settings
from django.utils import timezone


def at(days: int, hour: int, minute: int = 0) -> dt.datetime:
    """That many days from today, at that time of day."""
    zone = zoneinfo.ZoneInfo(settings.TIME_ZONE)
    day = timezone.localdate(timezone=zone) + dt.timedelta(days=days)
    return dt.datetime.combine(day, dt.time(hour, minute), tzinfo=zone)


def next_hour(hours: int = 0) -> dt.datetime:
    """The next full hour, and so many after it."""
    now = timezone.now().replace(minute=0, second=0, microsecond=0)
    return now + dt.timedelta(hours=1 + hours)
