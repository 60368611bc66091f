"""Reading recordings: what runs, and what a person may watch."""

from __future__ import annotations

from django.db.models import QuerySet

from accounts.models import User
from meetings.live.models import Session
from meetings.permissions.capabilities import Capability
from meetings.permissions.reach import may_reach
from meetings.recordings.models import Recording


def live_recording(session: Session) -> Recording | None:
    """The recording that runs in `session` now."""
    return (
        Recording.objects.filter(session=session, state=Recording.State.RECORDING)
        .select_related("started_by")
        .first()
    )


def recordings_of(user: User) -> QuerySet[Recording]:
    """What `user` may watch (RECORDING_VIEW), newest first, with its meeting."""
    return (
        Recording.objects.filter(may_reach(user, Capability.RECORDING_VIEW, "session__meeting"))
        .select_related("session__meeting__organizer")
        .order_by("-started_at", "-pk")
    )
