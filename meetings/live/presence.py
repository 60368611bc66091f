"""Who is there: questions about running sessions, for pages and consumers."""

from __future__ import annotations

from django.db.models import QuerySet

from meetings.live.models import Participant, Session
from meetings.scheduling.models import Meeting


def running_session_of(meeting: Meeting) -> Session | None:
    """The running session, even one where people only wait in the lobby so far."""
    return Session.objects.filter(meeting=meeting, ended_at=None).select_related("meeting").first()


def live_session_of(meeting: Meeting) -> Session | None:
    """The running session that someone has entered, if any."""
    session = running_session_of(meeting)
    return session if session is not None and session.opened_at is not None else None


def attendees_in(session: Session) -> QuerySet[Participant]:
    """People in the room, without the programs that send into it."""
    return people_in(session).exclude(role=Participant.Role.STREAM)


def people_in(session: Session) -> QuerySet[Participant]:
    """Participants in the room: streams too, and people with a dropped network."""
    return session.participants.filter(state=Participant.State.IN)


def people_waiting(session: Session) -> QuerySet[Participant]:
    """Participants who wait in the lobby with their page open, the first to ask first."""
    return (
        session.participants.filter(state=Participant.State.LOBBY)
        .exclude(channel="")
        .order_by("asked_at", "pk")
    )


def live_count(session: Session) -> int:
    return attendees_in(session).count()
