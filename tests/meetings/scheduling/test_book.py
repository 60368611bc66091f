"""Who may book what. Refusals first, each with the proof that nothing changed."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.utils import timezone

from accounts.models import AuditEntry, User
from meetings.invitations.models import Invitation, OutboxMail
from meetings.permissions.actor import SYSTEM, Actor
from meetings.permissions.decide import Refused
from meetings.scheduling.drafts import MAX_ATTENDEES
from meetings.scheduling.models import Meeting
from meetings.scheduling.services import AgendaDraft, Attendee, book_meeting
from tests.meetings.scheduling import builders

pytestmark = pytest.mark.django_db


def nothing_happened() -> bool:
    return not (
        Meeting.objects.exists()
        or Invitation.objects.exists()
        or OutboxMail.objects.exists()
        or AuditEntry.objects.exists()
    )


@pytest.mark.parametrize("role", ["student"])
def test_students_cannot_book(role: str) -> None:
    with pytest.raises(Refused) as refusal:
        builders.booked(builders.person(role))
    assert refusal.value.decision.rule == "meeting.book"
    assert refusal.value.decision.who
    assert nothing_happened()


def test_nobody_without_account_books() -> None:
    for actor in (Actor(), SYSTEM):
        with pytest.raises(Refused):
            book_meeting(
                actor=actor, title="x", starts_at=builders.soon(), duration_minutes=30, time_zone="UTC"
            )
    assert nothing_happened()


def test_former_staff_cannot_book(staff: User) -> None:
    staff.is_active = False
    with pytest.raises(Refused):
        builders.booked(staff)
    assert nothing_happened()


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({"title": "  \n "}, "title"),
        ({"title": "x" * 161}, "title"),
        ({"description": "x" * 10_001}, "description"),
        ({"time_zone": "Mars/Olympus"}, "time_zone"),
        ({"duration_minutes": 4}, "duration_minutes"),
        ({"duration_minutes": 1441}, "duration_minutes"),
        ({"duration_minutes": -30}, "duration_minutes"),
        ({"starts_at": dt.datetime(2020, 1, 1, tzinfo=dt.UTC)}, "starts_at"),
        ({"agenda": [AgendaDraft(str(number)) for number in range(51)]}, "agenda"),
        ({"agenda": [AgendaDraft("x" * 201)]}, "agenda"),
        ({"agenda": [AgendaDraft("x", 0)]}, "agenda"),
    ],
)
def test_what_cannot_be_booked(staff: User, fields: dict[str, Any], fault: str) -> None:
    with pytest.raises(ValidationError) as refusal:
        builders.booked(staff, Attendee("a@example.org"), **fields)
    assert list(refusal.value.message_dict) == [fault]
    assert nothing_happened()


def test_all_faults_are_told_at_once(staff: User) -> None:
    with pytest.raises(ValidationError) as refusal:
        builders.booked(staff, Attendee("no address"), title="", duration_minutes=0)
    assert set(refusal.value.message_dict) == {"title", "duration_minutes", "attendees"}


def test_too_many_people(staff: User) -> None:
    crowd = [Attendee(f"p{number}@example.org") for number in range(MAX_ATTENDEES + 1)]
    with pytest.raises(ValidationError) as refusal:
        builders.booked(staff, *crowd)
    assert "501" in refusal.value.message_dict["attendees"][0]
    assert nothing_happened()


def test_a_start_needs_a_zone(staff: User) -> None:
    with pytest.raises(TypeError):
        builders.booked(staff, starts_at=dt.datetime(2030, 1, 1, 10))


def test_now_takes_time_to_type(staff: User) -> None:
    assert builders.booked(staff, starts_at=timezone.now() - dt.timedelta(minutes=4)).pk
    with pytest.raises(ValidationError):
        builders.booked(staff, starts_at=timezone.now() - dt.timedelta(minutes=6))


def test_booking_writes_everything_once(
    staff: User, student: User, django_capture_on_commit_callbacks
) -> None:  # type: ignore[no-untyped-def]
    with django_capture_on_commit_callbacks(execute=True):
        meeting = builders.booked(
            staff,
            Attendee(student.email, cohost=True),
            Attendee("Guest@Elsewhere.example", "Guest\n One"),
            title=" Waves\n and  interference ",
            description="Line one\r\nline two\x07",
            agenda=[AgendaDraft("Look back", 5), AgendaDraft("  "), AgendaDraft("Waves")],
            lobby_enabled=False,
        )
    meeting.refresh_from_db()
    assert meeting.title == "Waves and interference"
    assert meeting.description == "Line one\nline two"
    assert meeting.ends_at - meeting.starts_at == dt.timedelta(minutes=45)
    assert meeting.sequence == 0
    assert not meeting.lobby_enabled
    assert [(item.title, item.minutes) for item in meeting.agenda.all()] == [
        ("Look back", 5),
        ("Waves", None),
    ]
    assert {(one.email, one.name, one.user, one.role) for one in meeting.invitations.all()} == {
        (student.email, "Sara Yilmaz", student, "cohost"),
        ("guest@elsewhere.example", "Guest One", None, "participant"),
    }
    entry = AuditEntry.objects.get()
    assert (entry.verb, entry.actor, entry.target_id) == ("meeting.book", staff, str(meeting.pk))
    assert entry.changes["invited"][1] == [student.email, "guest@elsewhere.example"]
    assert set(OutboxMail.objects.values_list("to_email", "state")) == {
        (student.email, "sent"),
        ("guest@elsewhere.example", "sent"),
    }


def test_a_booking_that_fails_leaves_no_mail(staff: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("meetings.scheduling.services.mails.queue_requests", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        builders.booked(staff, Attendee("a@example.org"))
    assert nothing_happened()
