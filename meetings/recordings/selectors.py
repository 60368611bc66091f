"""Reading recordings: what runs, what a person may watch, how the room is told."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet

from accounts.models import User
from meetings.live.models import Session
from meetings.permissions.capabilities import Capability
from meetings.permissions.reach import may_reach
from meetings.recordings.models import Recording


def live_recording(session: Session) -> Recording | None:
    """The recording that runs in `session` now."""
    return (
        Recording.objects.filter(session=session, state=Recording.State.RECORDING).select_related("started_by").first()
    )


def recording_json(recording: Recording | None) -> dict[str, Any] | None:
    """The object `recording` of the room protocol: `{id, state, started_at, started_by}` or None."""
    if recording is None:
        return None
    return {
        "id": str(recording.key),
        "state": recording.state,
        "started_at": recording.started_at.isoformat(),
        "started_by": recording.started_by.name if recording.started_by else None,
    }


def recordings_of(user: User) -> QuerySet[Recording]:
    """What `user` may watch (RECORDING_VIEW), newest first, with its meeting."""
    return (
        Recording.objects.filter(may_reach(user, Capability.RECORDING_VIEW, "session__meeting"))
        .select_related("session__meeting__organizer")
        .order_by("-started_at", "-pk")
    )
