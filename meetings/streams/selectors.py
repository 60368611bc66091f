"""Reading stream keys for pages."""

from __future__ import annotations

import datetime as dt

from django.db.models import Case, Count, IntegerField, Q, QuerySet, Value, When

from meetings.scheduling.models import Meeting
from meetings.streams.models import StreamKey

SHOWN = 100


def keys_of(meeting: Meeting, now: dt.datetime) -> QuerySet[StreamKey]:
    """The meeting's keys: those of use first, then the newest; `running` counts open connections."""
    running = Q(connections__ended_at=None, connections__opened_at__isnull=False)
    usable = When(revoked_at=None, expires_at__gt=now, then=Value(0))
    return (
        StreamKey.objects.filter(meeting=meeting)
        .select_related("meeting", "created_by")
        .annotate(
            running=Count("connections", filter=running),
            rank=Case(usable, default=Value(1), output_field=IntegerField()),
        )
        .order_by("rank", "-pk")[:SHOWN]
    )
