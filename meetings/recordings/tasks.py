"""Celery jobs of recordings. Each finds its work in the rows, so a job that is lost or doubled does no
harm.
"""

from __future__ import annotations

import datetime as dt
import logging
from typing import Any

from celery import shared_task
from django.utils import timezone

from meetings.jobs import start_job
from meetings.live.models import Session
from meetings.permissions.actor import SYSTEM
from meetings.recordings import composition, services
from meetings.recordings.models import Recording

log = logging.getLogger(__name__)
REARM_AFTER_S = (1, 2, 4, 8, 15, 30)


@shared_task(time_limit=6 * 3600)
def compose_recording(recording_id: int) -> None:
    """Compose one recording, if it waits for it and nobody else does it."""
    recording = composition.claim(recording_id)
    if recording is None:
        return
    try:
        composition.compose_claimed(recording)
    except composition.ClaimLost:
        log.info("recording %s is composed by another or was deleted", recording.key)
    except Exception as error:
        log.exception("composing recording %s failed (attempt %d)", recording.key, recording.attempts)
        wait = composition.give_up_or_wait(recording, error)
        if wait is not None:
            start_job(compose_recording, recording_id, countdown=wait + 1)


@shared_task
def resume_compositions() -> int:
    """Pick up what fell between two steps: lost jobs, killed workers, sessions that ended unheard.

    Returns how many compositions were started.
    """
    # What happened just now has a job of its own on the way.
    settled = timezone.now() - dt.timedelta(seconds=30)
    running = Recording.objects.filter(state=Recording.State.RECORDING)
    for recording in running.filter(session__ended_at__lt=settled).select_related("session__meeting"):
        services.stop_with_session(recording.session, actor=SYSTEM)
    for session_id in running.filter(node="", started_at__lt=settled, session__ended_at=None).values_list(
        "session_id", flat=True
    ):
        start_job(rearm_session, session_id)
    due = list(composition.due_compositions().filter(stopped_at__lt=settled).values_list("pk", flat=True))
    for recording_id in due:
        start_job(compose_recording, recording_id)
    return len(due)


@shared_task(bind=True, max_retries=len(REARM_AFTER_S))
def rearm_session(self: Any, session_id: int) -> None:
    """Make the workers record a session whose row says so; tries for a minute while they come up."""
    session = Session.objects.filter(pk=session_id).first()
    if session is None or services.rearm_recording(session):
        return
    if self.request.retries < len(REARM_AFTER_S):
        self.apply_async(
            (session_id,), countdown=REARM_AFTER_S[self.request.retries], retries=self.request.retries + 1
        )
    else:
        log.error("session %s is not being recorded: no worker could be armed", session_id)


@shared_task
def rearm_node(node_name: str) -> int:
    """A recording worker came back: resume what it recorded. Returns how many sessions."""
    sessions = list(
        Recording.objects.filter(node=node_name, state=Recording.State.RECORDING).values_list(
            "session_id", flat=True
        )
    )
    for session_id in sessions:
        start_job(rearm_session, session_id)
    return len(sessions)
