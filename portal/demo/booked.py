"""Meetings to come, booked as people book them: invitations go to the outbox."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, field

from django.conf import settings
from django.utils import timezone

from accounts.models import User
from meetings.permissions.actor import Actor
from meetings.scheduling.models import Meeting
from meetings.scheduling.services import AgendaDraft, Attendee, book_meeting, cancel_meeting
from portal.demo.days import at, next_hour
from portal.demo.people import CLASSES, GUEST, address


@dataclass(frozen=True)
class Booking:
    organizer: str
    title: str
    starts_at: Callable[[], dt.datetime]
    minutes: int
    people: list[str]
    cohosts: frozenset[str] = frozenset()
    guest: bool = False
    description: str = ""
    agenda: list[tuple[str, int]] = field(default_factory=list)
    cancelled: bool = False


PHYSICS = CLASSES["Physics 101"][2]

BOOKINGS = (
    Booking(
        *("lin.mei", "Physics 101: energy and work", next_hour, 45, PHYSICS),
        description="Bring the exercise sheet of last week. We film the pendulum.",
        agenda=[("Questions from last week", 10), ("Work, energy, power", 25), ("The pendulum", 10)],
    ),
    Booking(
        *("jonas.okafor", "Lab schedule for December", lambda: next_hour(2), 30, ["lin.mei", "priya.rao"]),
        agenda=[("Who needs which room", 15), ("Safety training", 10)],
    ),
    Booking(
        *("anna.kowalska", "Open day: who shows what", lambda: at(1, 9), 60, ["lin.mei", "marc.dubois"]),
        cohosts=frozenset({"marc.dubois"}),
        description="Each department has twenty minutes. Please think of something to touch.",
        agenda=[("Physics", 20), ("Languages", 20), ("The way through the house", 15)],
    ),
    Booking(
        *("priya.rao", "Interview: student assistant", lambda: at(1, 14), 45, ["lin.mei"]),
        guest=True,
        description="Elena Petrova has applied for the place in the chemistry lab.",
    ),
    Booking(
        *("anna.kowalska", "中文 A2：在市场", lambda: at(3, 10, 30), 45, CLASSES["Chinese A2"][2]),
        description="词汇：水果、数字、问价。",
    ),
    Booking(
        *("lin.mei", "Term planning", lambda: at(8, 11), 90, ["jonas.okafor", "priya.rao", "marc.dubois"])
    ),
    Booking(
        *("marc.dubois", "Fire drill briefing", lambda: at(2, 8, 30), 20, ["lin.mei", "anna.kowalska"]),
        cancelled=True,
    ),
)


def book(people: dict[str, User]) -> int:
    """Books what is not booked or is over by now; returns how many."""
    made = 0
    for booking in BOOKINGS:
        organizer = people[booking.organizer]
        known = Meeting.objects.filter(organizer=organizer, title=booking.title)
        if not booking.cancelled:
            known = known.filter(ends_at__gt=timezone.now(), status=Meeting.Status.SCHEDULED)
        if known.exists():
            continue
        attendees = [
            Attendee(address(login), people[login].name, people[login], login in booking.cohosts)
            for login in booking.people
        ]
        if booking.guest:
            attendees.append(Attendee(*GUEST))
        actor = Actor(user=organizer)
        meeting = book_meeting(
            actor=actor,
            title=booking.title,
            starts_at=booking.starts_at(),
            duration_minutes=booking.minutes,
            time_zone=settings.TIME_ZONE,
            description=booking.description,
            attendees=attendees,
            agenda=[AgendaDraft(title, minutes) for title, minutes in booking.agenda],
        )
        if booking.cancelled:
            cancel_meeting(meeting, actor=actor, note="The fire brigade comes another day.")
        made += 1
    return made
