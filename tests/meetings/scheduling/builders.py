"""People and meetings for tests, made as the portal makes them."""

from __future__ import annotations

import datetime as dt
import itertools
import uuid
from typing import Any

from django.utils import timezone

from accounts.models import User
from meetings.invitations.models import Invitation
from meetings.live.models import Participant, Session
from meetings.minutes.models import ActionItem, Minutes
from meetings.permissions.actor import Actor
from meetings.scheduling.models import Meeting
from meetings.scheduling.services import Attendee, book_meeting

_numbers = itertools.count(1)


def person(role: str = "staff", **fields: Any) -> User:
    number = next(_numbers)
    fields.setdefault("email", f"person{number}@example.org")
    fields.setdefault("name", f"Person {number}")
    return User.objects.create_user(password=None, role=role, **fields)


def soon(hours: float = 24) -> dt.datetime:
    """A whole minute that many hours from now."""
    return (timezone.now() + dt.timedelta(hours=hours)).replace(second=0, microsecond=0)


def booked(host: User, *attendees: Attendee, **fields: Any) -> Meeting:
    """A meeting booked by the service."""
    values: dict[str, Any] = {
        "title": "Waves and interference",
        "starts_at": soon(),
        "duration_minutes": 45,
        "time_zone": "Europe/Berlin",
        **fields,
    }
    return book_meeting(actor=Actor(user=host), attendees=list(attendees), **values)


def row(host: User, starts_at: dt.datetime, **fields: Any) -> Meeting:
    """A bare meeting, also in the past, without mails."""
    values: dict[str, Any] = {"title": f"Meeting {next(_numbers)}", "time_zone": "UTC", **fields}
    return Meeting.objects.create(organizer=host, starts_at=starts_at, **values)


def invite(meeting: Meeting, user: User | None = None, **fields: Any) -> Invitation:
    email = user.email if user else f"guest{next(_numbers)}@elsewhere.example"
    return Invitation.objects.create(meeting=meeting, user=user, **{"email": email, **fields})


def running(meeting: Meeting) -> Session:
    """People are in."""
    return Session.objects.create(meeting=meeting, opened_at=timezone.now())


def held(meeting: Meeting, *people: User, owner: User | None = None) -> Minutes:
    """A session that took place, with minutes, and one open action for `owner`."""
    session = Session.objects.create(
        meeting=meeting,
        started_at=meeting.starts_at,
        opened_at=meeting.starts_at,
        ended_at=meeting.ends_at,
        end_reason="ended",
    )
    for one in people:
        Participant.objects.create(
            session=session,
            identity=f"user:{one.pk}",
            user=one,
            name=one.name,
            role="participant",
            state="left",
            joined_at=meeting.starts_at,
        )
    minutes = Minutes.objects.create(session=session)
    if owner is not None:
        ActionItem.objects.create(minutes=minutes, text=f"Write {uuid.uuid4().hex[:6]}", owner=owner)
    return minutes


def zoneinfo_of(form: Any) -> dt.tzinfo:
    """The zone a booking form was opened in."""
    return form.actor.user.zone
