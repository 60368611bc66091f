"""Minutes follow the session."""

from __future__ import annotations

from typing import Any

from django.dispatch import receiver

from meetings.jobs import start_job
from meetings.live.models import Session
from meetings.live.signals import session_ended
from meetings.minutes.tasks import draft_minutes


@receiver(session_ended, dispatch_uid="meetings.minutes.session_ended")
def on_session_ended(session: Session, **_kwargs: Any) -> None:
    start_job(draft_minutes, session.pk)
