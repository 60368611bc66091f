"""Housekeeping: what a web process would have done, had it not died."""

from __future__ import annotations

from celery import shared_task

from media_gateway import nodes
from meetings.live import services
from meetings.live.joining import overdue
from meetings.live.models import Participant, Session


@shared_task(name="meetings.live.tasks.reap_participants", ignore_result=True)
def reap_participants() -> dict[str, int]:
    """Let go of people who dropped out, of workers that fell silent, and end deserted sessions."""
    down = nodes.reap_silent()
    rows = Participant.objects.filter(overdue(), session__ended_at=None).values_list("pk", flat=True)
    lost = sum(services.mark_lost(pk) for pk in list(rows))
    running = Session.objects.filter(ended_at=None).select_related("meeting")
    ended = sum(services.end_if_deserted(session) for session in list(running))
    return {"nodes": down, "participants": lost, "sessions": ended}
