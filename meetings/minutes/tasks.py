"""Celery jobs of minutes."""

from __future__ import annotations

import datetime as dt

from celery import shared_task
from django.db import transaction
from django.utils import timezone

from meetings.jobs import start_job
from meetings.live.models import Session
from meetings.minutes.notify import queue_notices
from meetings.minutes.services import draft_minutes as write_draft


@shared_task(autoretry_for=(Exception,), retry_backoff=5, retry_backoff_max=300, max_retries=8)
def draft_minutes(session_id: int) -> int | None:
    """Write the draft of an ended session and the notices to everyone who was there. Returns the minutes' id.

    Can be repeated: draft and notices exist once. Nothing for a session nobody entered or that still runs.
    """
    session = Session.objects.select_related("meeting__organizer").filter(pk=session_id).first()
    if session is None or session.ended_at is None:
        return None
    if not session.participants.exclude(joined_at=None).exists():
        return None
    with transaction.atomic():
        minutes, _created = write_draft(session)
        queue_notices(minutes)
    return minutes.pk


@shared_task
def draft_missing() -> int:
    """Find sessions that ended without getting minutes (a lost job) and draft them. Returns how many."""
    now = timezone.now()
    ended = Session.objects.filter(
        ended_at__gt=now - dt.timedelta(days=7), ended_at__lt=now - dt.timedelta(seconds=60), minutes=None
    )
    missing = list(
        ended.filter(participants__joined_at__isnull=False).distinct().values_list("pk", flat=True)
    )
    for session_id in missing:
        start_job(draft_minutes, session_id)
    return len(missing)
