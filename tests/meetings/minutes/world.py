"""Builders of people, meetings and sessions that happened; used by the tests of minutes, recordings and
admin.
"""

from __future__ import annotations

import datetime as dt
import itertools
from typing import Any

from django.test import Client

from accounts.models import User
from meetings.invitations.models import Invitation
from meetings.live.models import Attendance, Participant, Session
from meetings.permissions.actor import INVITATIONS_KEY, Actor
from meetings.recordings.models import Recording
from meetings.scheduling.models import Meeting

NINE = dt.datetime(2026, 11, 23, 9, 0, tzinfo=dt.UTC)
_numbers = itertools.count(1)


def minutes_after(count: float, start: dt.datetime = NINE) -> dt.datetime:
    return start + dt.timedelta(minutes=count)


def person(name: str = "", *, role: str = "staff", **fields: Any) -> User:
    number = next(_numbers)
    name = name or f"Person {number}"
    email = fields.pop("email", f"{name.split()[0].lower()}{number}@example.org")
    return User.objects.create_user(email, "correct horse battery", name=name, role=role, **fields)


def meeting_of(organizer: User, title: str = "Physics 101", **fields: Any) -> Meeting:
    values: dict[str, Any] = {
        "starts_at": NINE,
        "duration_minutes": 60,
        "time_zone": "Europe/Berlin",
    } | fields
    return Meeting.objects.create(organizer=organizer, title=title, **values)


def invite(meeting: Meeting, who: User | str, *, role: str = "participant", name: str = "") -> Invitation:
    if isinstance(who, User):
        return Invitation.objects.create(meeting=meeting, user=who, email=who.email, name=who.name, role=role)
    return Invitation.objects.create(meeting=meeting, email=who, name=name, role=role)


def session_of(meeting: Meeting, *, ended: bool = True, **fields: Any) -> Session:
    values: dict[str, Any] = {"started_at": NINE, "opened_at": NINE} | fields
    if ended:
        values.setdefault("ended_at", minutes_after(60))
    return Session.objects.create(meeting=meeting, **values)


def came(
    session: Session,
    who: User | Invitation | str,
    *,
    role: str = "participant",
    stays: list[tuple[float, float | None]] | None = None,
    state: str = "left",
) -> Participant:
    """`who` was in the room for `stays` (minutes after nine); None as an end means: still there."""
    if isinstance(who, User):
        identity: dict[str, Any] = {"user": who, "identity": f"user:{who.pk}", "name": who.name}
    elif isinstance(who, Invitation):
        identity = {"invitation": who, "identity": f"invitation:{who.pk}", "name": who.display_name}
    else:
        identity = {"identity": f"guest:{next(_numbers)}", "name": who}
    stays = [(0, 60)] if stays is None else stays
    joined = minutes_after(stays[0][0]) if stays else None
    participant = Participant.objects.create(
        session=session, role=role, state=state, joined_at=joined, **identity
    )
    for start, end in stays:
        left = minutes_after(end) if end is not None else None
        Attendance.objects.create(participant=participant, joined_at=minutes_after(start), left_at=left)
    return participant


def recorded(session: Session, *, state: str = "ready", **fields: Any) -> Recording:
    values: dict[str, Any] = {"started_at": minutes_after(5), "node": "recorder-1"}
    if state != "recording":
        values |= {"stopped_at": minutes_after(25)}
    if state == "ready":
        values |= {"duration_seconds": 1200.0, "size_bytes": 5_000_000, "progress": 1.0}
    return Recording.objects.create(session=session, state=state, **values | fields)


def browser(user: User | None = None, *, link: Invitation | None = None) -> Client:
    """A browser, signed in as `user` and/or with the personal link `link` opened."""
    client = Client()
    if user is not None:
        client.force_login(user)
    if link is not None:
        session = client.session
        session[INVITATIONS_KEY] = {str(link.meeting_id): [link.pk, link.nonce]}
        session.save()
        client.cookies[_cookie_name()] = session.session_key
    return client


def _cookie_name() -> str:
    from django.conf import settings

    return settings.SESSION_COOKIE_NAME


def by(user: User | None = None, **proofs: Any) -> Actor:
    return Actor(user=user, ip="192.0.2.7", **proofs)
