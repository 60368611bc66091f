"""Changing and cancelling: by whom, guarded against each other, and who hears of it."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.utils import timezone

from accounts.models import AuditEntry, User
from meetings.invitations.models import OutboxMail
from meetings.permissions.actor import Actor
from meetings.permissions.decide import Refused
from meetings.scheduling.models import Meeting
from meetings.scheduling.services import (
    AgendaDraft,
    Attendee,
    Conflict,
    cancel_meeting,
    change_meeting,
    version_of,
)
from tests.meetings.scheduling import builders

pytestmark = pytest.mark.django_db
ANNA, BEN, CLEO = (Attendee(f"{name}@example.org", name.title()) for name in ("anna", "ben", "cleo"))


@pytest.fixture
def meeting(staff: User) -> Meeting:
    meeting = builders.booked(staff, ANNA, BEN, agenda=[AgendaDraft("One", 5)])
    OutboxMail.objects.all().delete()
    AuditEntry.objects.all().delete()
    return Meeting.objects.get(pk=meeting.pk)


def mails() -> set[tuple[str, str, str]]:
    return set(OutboxMail.objects.values_list("to_email", "kind", "calendar_method"))


def unchanged(meeting: Meeting) -> bool:
    now = Meeting.objects.get(pk=meeting.pk)
    same = all(getattr(now, f.attname) == getattr(meeting, f.attname) for f in Meeting._meta.concrete_fields)
    return same and not OutboxMail.objects.exists() and not AuditEntry.objects.exists()


@pytest.mark.parametrize("part", ["other staff", "participant", "cohost", "admin", "stranger"])
def test_only_the_organiser_changes(meeting: Meeting, part: str) -> None:
    actor = Actor()
    if part != "stranger":
        user = builders.person("admin" if part == "admin" else "staff")
        actor = Actor(user=user)
        if part in ("participant", "cohost"):
            builders.invite(meeting, user, role=part)
    with pytest.raises(Refused):
        change_meeting(meeting, actor=actor, title="Mine now")
    assert unchanged(meeting)


@pytest.mark.parametrize("part", ["other staff", "participant", "cohost", "stranger"])
def test_only_organiser_and_admin_cancel(meeting: Meeting, part: str) -> None:
    actor = Actor()
    if part != "stranger":
        user = builders.person()
        actor = Actor(user=user)
        if part != "other staff":
            builders.invite(meeting, user, role=part)
    with pytest.raises(Refused):
        cancel_meeting(meeting, actor=actor)
    assert unchanged(meeting)


def test_an_admin_may_cancel(meeting: Meeting) -> None:
    assert cancel_meeting(meeting, actor=Actor(user=builders.person("admin"))).is_cancelled


@pytest.mark.parametrize(
    "fields",
    [
        {"title": ""},
        {"duration_minutes": 0},
        {"starts_at": dt.datetime(2020, 1, 1, tzinfo=dt.UTC)},
        {"time_zone": "x"},
    ],
)
def test_bad_changes(meeting: Meeting, staff: User, fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        change_meeting(meeting, actor=Actor(user=staff), **fields)
    assert unchanged(meeting)


def test_unknown_fields_are_a_mistake_of_the_caller(meeting: Meeting, staff: User) -> None:
    with pytest.raises(TypeError, match="organizer"):
        change_meeting(meeting, actor=Actor(user=staff), organizer=staff)


def test_a_cancelled_meeting_stays_as_it_is(meeting: Meeting, staff: User) -> None:
    cancelled = cancel_meeting(meeting, actor=Actor(user=staff))
    with pytest.raises(ValidationError):
        change_meeting(cancelled, actor=Actor(user=staff), title="Again")
    assert Meeting.objects.get().title == meeting.title


def test_no_change_is_no_news(meeting: Meeting, staff: User) -> None:
    change_meeting(
        meeting,
        actor=Actor(user=staff),
        title=meeting.title,
        starts_at=meeting.starts_at,
        attendees=[BEN, ANNA],
        agenda=[AgendaDraft("One", 5)],
    )
    assert unchanged(meeting)


@pytest.mark.parametrize(
    "fields",
    [
        {"title": "New"},
        {"description": "New"},
        {"duration_minutes": 60},
        {"time_zone": "Asia/Tokyo"},
        {"starts_at": None},
    ],
)
def test_relevant_changes_raise_the_sequence_and_are_told(
    meeting: Meeting, staff: User, fields: dict[str, Any]
) -> None:
    if "starts_at" in fields:
        fields = {"starts_at": meeting.starts_at + dt.timedelta(hours=1)}
    changed = change_meeting(meeting, actor=Actor(user=staff), **fields)
    assert changed.sequence == 1
    assert mails() == {
        ("anna@example.org", "invitation.update", "REQUEST"),
        ("ben@example.org", "invitation.update", "REQUEST"),
    }
    assert AuditEntry.objects.get().verb == "meeting.change"
    assert set(AuditEntry.objects.get().changes) == set(fields)


def test_quiet_changes_are_kept_but_not_told(meeting: Meeting, staff: User) -> None:
    changed = change_meeting(
        meeting,
        actor=Actor(user=staff),
        lobby_enabled=False,
        recording_enabled=False,
        agenda=[AgendaDraft("Two")],
    )
    assert changed.sequence == 0
    assert not mails()
    assert [item.title for item in changed.agenda.all()] == ["Two"]
    assert set(AuditEntry.objects.get().changes) == {"lobby_enabled", "recording_enabled", "agenda"}


def test_new_and_removed_people_hear_it_others_do_not(meeting: Meeting, staff: User) -> None:
    changed = change_meeting(meeting, actor=Actor(user=staff), attendees=[ANNA, CLEO])
    assert mails() == {
        ("ben@example.org", "invitation.removed", "CANCEL"),
        ("cleo@example.org", "invitation", "REQUEST"),
    }
    assert changed.sequence == 1
    assert AuditEntry.objects.get().changes["uninvited"][1] == ["ben@example.org"]


def test_only_new_people_need_no_higher_sequence(meeting: Meeting, staff: User) -> None:
    assert change_meeting(meeting, actor=Actor(user=staff), attendees=[ANNA, BEN, CLEO]).sequence == 0
    assert mails() == {("cleo@example.org", "invitation", "REQUEST")}


def test_who_comes_back_gets_a_new_link_and_a_newer_calendar(meeting: Meeting, staff: User) -> None:
    first = meeting.invitations.get(email="ben@example.org")
    without = change_meeting(meeting, actor=Actor(user=staff), attendees=[ANNA])
    gone = meeting.invitations.get(email="ben@example.org")
    assert gone.pk == first.pk
    assert gone.revoked_at
    assert gone.nonce != first.nonce
    again = change_meeting(without, actor=Actor(user=staff), attendees=[ANNA, BEN])
    back = meeting.invitations.get(email="ben@example.org")
    assert back.revoked_at is None
    assert back.nonce not in (first.nonce, gone.nonce)
    assert (without.sequence, again.sequence) == (1, 2)


def test_role_changes_are_kept_and_not_mailed(meeting: Meeting, staff: User) -> None:
    change_meeting(
        meeting, actor=Actor(user=staff), attendees=[Attendee(ANNA.email, ANNA.name, cohost=True), BEN]
    )
    assert meeting.invitations.get(email=ANNA.email).role == "cohost"
    assert not mails()
    assert AuditEntry.objects.get().changes["roles"][1] == ["anna@example.org: cohost"]


def test_a_stale_editor_is_stopped(meeting: Meeting, staff: User) -> None:
    seen = version_of(meeting)
    change_meeting(meeting, actor=Actor(user=staff), version=seen, title="First")
    OutboxMail.objects.all().delete()
    with pytest.raises(Conflict) as conflict:
        change_meeting(meeting, actor=Actor(user=staff), version=seen, title="Second")
    assert conflict.value.meeting.title == "First"
    assert Meeting.objects.get().title == "First"
    assert not mails()
    change_meeting(
        meeting, actor=Actor(user=staff), version=version_of(conflict.value.meeting), title="Second"
    )
    assert Meeting.objects.get().title == "Second"


def test_a_change_of_people_alone_is_a_new_version(meeting: Meeting, staff: User) -> None:
    changed = change_meeting(meeting, actor=Actor(user=staff), attendees=[ANNA])
    assert version_of(Meeting.objects.get()) == version_of(changed) != version_of(meeting)


def test_a_running_meeting_keeps_its_start(staff: User) -> None:
    meeting = builders.row(staff, timezone.now() - dt.timedelta(minutes=20), duration_minutes=45)
    changed = change_meeting(
        meeting, actor=Actor(user=staff), starts_at=meeting.starts_at, duration_minutes=90
    )
    assert changed.duration_minutes == 90


def test_nobody_is_mailed_about_the_past(staff: User) -> None:
    meeting = builders.row(staff, timezone.now() - dt.timedelta(days=2))
    builders.invite(meeting)
    change_meeting(meeting, actor=Actor(user=staff), title="Corrected")
    assert Meeting.objects.get().title == "Corrected"
    assert not mails()


def test_cancelling_tells_everyone_once(meeting: Meeting, staff: User) -> None:
    builders.invite(meeting, email="gone@example.org", revoked_at=timezone.now())
    cancelled = cancel_meeting(meeting, actor=Actor(user=staff), note="Flu\x00.")
    assert cancelled.sequence == 1
    cancel_meeting(meeting, actor=Actor(user=staff))
    assert OutboxMail.objects.count() == 2
    assert mails() == {
        ("anna@example.org", "invitation.cancel", "CANCEL"),
        ("ben@example.org", "invitation.cancel", "CANCEL"),
    }
    assert AuditEntry.objects.get().changes == {"status": ["scheduled", "cancelled"], "note": [None, "Flu."]}


def test_a_running_meeting_is_ended_not_cancelled(meeting: Meeting, staff: User) -> None:
    builders.running(meeting)
    with pytest.raises(ValidationError, match="running"):
        cancel_meeting(meeting, actor=Actor(user=staff))
    assert unchanged(meeting)


def test_what_is_over_cannot_be_cancelled(staff: User) -> None:
    meeting = builders.row(staff, timezone.now() - dt.timedelta(days=1))
    with pytest.raises(ValidationError, match="over"):
        cancel_meeting(meeting, actor=Actor(user=staff))
    assert unchanged(Meeting.objects.get())
