"""The facts of a session, read from the rows that were written while it ran: who was there, chat, files,
recordings.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field

from django.db.models import Prefetch
from django.utils import timezone

from meetings.chat.models import ChatMessage, SharedFile
from meetings.live.models import Attendance, Participant, Session
from meetings.recordings.models import Recording

MAX_MESSAGES = 1000


@dataclass(frozen=True)
class Attendee:
    """One person who was in the room; `left_at` is None while the session runs and they are still there."""

    participant: Participant
    joined_at: dt.datetime
    left_at: dt.datetime | None
    total: dt.timedelta
    visits: int

    @property
    def name(self) -> str:
        return self.participant.name


@dataclass(frozen=True)
class Facts:
    """What happened. Chat, files and recordings are empty for readers who may not see them."""

    started_at: dt.datetime
    ended_at: dt.datetime | None
    attendees: list[Attendee]
    messages: list[ChatMessage] = field(default_factory=list)
    more_messages: int = 0
    files: list[SharedFile] = field(default_factory=list)
    recordings: list[Recording] = field(default_factory=list)

    @property
    def duration(self) -> dt.timedelta:
        return (self.ended_at or timezone.now()) - self.started_at


def attendance_of(session: Session) -> list[Attendee]:
    """Everyone who was in the room, in the order they came. Two queries."""
    stays = Prefetch("stays", queryset=Attendance.objects.order_by("joined_at"))
    came = session.participants.exclude(joined_at=None).exclude(role=Participant.Role.STREAM)
    people = came.select_related("user").prefetch_related(stays)
    attendees = [_attendee(person, session.ended_at) for person in people]
    return sorted(attendees, key=lambda attendee: (attendee.joined_at, attendee.participant.pk))


def _attendee(person: Participant, ended_at: dt.datetime | None) -> Attendee:
    now = ended_at or timezone.now()
    stays = [(stay.joined_at, stay.left_at) for stay in person.stays.all()]  # type: ignore[attr-defined]
    if not stays:
        assert person.joined_at is not None
        stays = [(person.joined_at, person.last_seen_at)]
    total = sum((max((left or now) - joined, dt.timedelta()) for joined, left in stays), dt.timedelta())
    still_there = any(left is None for _joined, left in stays)
    last = ended_at if still_there else max(left for _joined, left in stays if left is not None)
    return Attendee(person, stays[0][0], last, total, len(stays))


def facts_of(session: Session, *, chat: bool, recordings: bool) -> Facts:
    """The facts a reader may see: `chat` tells whether messages and files, `recordings` whether films
    belong to it.
    """
    messages: list[ChatMessage] = []
    files: list[SharedFile] = []
    more = 0
    if chat:
        rows = session.messages.select_related("participant", "file").order_by("pk")
        messages = list(rows[: MAX_MESSAGES + 1])
        if len(messages) > MAX_MESSAGES:
            messages.pop()
            more = session.messages.count() - MAX_MESSAGES
        files = list(session.files.select_related("participant"))
    films = list(session.recordings.order_by("started_at")) if recordings else []
    return Facts(session.started_at, session.ended_at, attendance_of(session), messages, more, files, films)
