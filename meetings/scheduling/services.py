"""Booking, changing and cancelling meetings. The only writers of `Meeting` and its agenda.

Each service checks its actor, does one transaction, writes one audit row, and leaves invitation mails in the
outbox of the same transaction: a meeting that is not saved invites nobody, one that is saved invites
everybody.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.audit import record
from meetings.invitations import mails
from meetings.invitations.services import Invited, apply_attendees
from meetings.live.models import Session
from meetings.minutes.models import AgendaItem
from meetings.permissions.actor import Actor
from meetings.permissions.capabilities import Capability
from meetings.permissions.decide import Decision, Refused, require
from meetings.scheduling.checks import check_booking, clean_agenda, clean_line, clean_text
from meetings.scheduling.drafts import AgendaDraft, Attendee, merge_attendees
from meetings.scheduling.models import Meeting
from meetings.scheduling.people import require_booker
from meetings.scheduling.signals import meeting_cancelled, roles_given

__all__ = [
    "AgendaDraft",
    "Attendee",
    "Conflict",
    "book_meeting",
    "cancel_meeting",
    "change_meeting",
    "version_of",
]

PLAIN_FIELDS = (
    "title",
    "description",
    "starts_at",
    "duration_minutes",
    "time_zone",
    "lobby_enabled",
    "recording_enabled",
)
# A change of one of these is told to everyone who is invited, with a higher SEQUENCE (RFC 5545 section
# 3.8.7.4).
CALENDAR_FIELDS = frozenset({"title", "description", "starts_at", "duration_minutes", "time_zone"})


class Conflict(Exception):
    """The meeting was changed since the editor read it; `meeting` is how it is now. Nothing was written."""

    def __init__(self, meeting: Meeting) -> None:
        super().__init__("the meeting was changed in the meantime")
        self.meeting = meeting


def version_of(meeting: Meeting) -> str:
    """What an editor read: hand it back to `change_meeting` to be told of changes in between."""
    return meeting.updated_at.astimezone(dt.UTC).isoformat()


def book_meeting(
    *,
    actor: Actor,
    title: str,
    starts_at: dt.datetime,
    duration_minutes: int,
    time_zone: str,
    description: str = "",
    attendees: Iterable[Attendee] = (),
    lobby_enabled: bool = True,
    recording_enabled: bool = True,
    agenda: Sequence[AgendaDraft] = (),
) -> Meeting:
    """A new meeting with `actor.user` as its organiser; everyone invited gets a mail after commit.

    `starts_at` is aware, `time_zone` an IANA name. Raises Refused for people who may not book,
    ValidationError (by field) for what cannot be booked.
    """
    require_booker(actor)
    if actor.user is None:
        raise Refused(Decision(False, "meeting.book", _("A meeting needs a person as its organiser.")))
    fields = _cleaned(
        {
            "title": title,
            "description": description,
            "starts_at": starts_at,
            "duration_minutes": duration_minutes,
            "time_zone": time_zone,
            "lobby_enabled": lobby_enabled,
            "recording_enabled": recording_enabled,
            "attendees": attendees,
            "agenda": agenda,
        },
        organizer_email=actor.user.email,
    )
    check_booking(fields)
    people, items = fields.pop("attendees"), fields.pop("agenda")
    with transaction.atomic():
        meeting = Meeting.objects.create(organizer=actor.user, **fields)
        _write_agenda(meeting, items)
        invited = apply_attendees(meeting, people)
        record(
            "meeting.book",
            meeting,
            user=actor.user,
            label=actor.label,
            ip=actor.ip,
            after={**_facts(meeting), "invited": [invitation.email for invitation in invited.added]},
        )
        mails.queue_requests(meeting, invited.added)
    return meeting


def change_meeting(meeting: Meeting, *, actor: Actor, version: str | None = None, **fields: Any) -> Meeting:
    """Changes the given fields (those of `book_meeting`) and returns the meeting as it now is.

    Mails after commit, while the meeting is not over: whoever was removed a CANCEL, whoever is new a REQUEST,
    and everyone else an update when title, description, start, duration or zone changed.
    `version` (of `version_of`) guards against overwriting somebody else's change. Raises Refused, Conflict,
    ValidationError; nothing is written then.
    """
    unknown = set(fields) - {*PLAIN_FIELDS, "attendees", "agenda"}
    if unknown:
        raise TypeError(f"a meeting has no {', '.join(sorted(unknown))} to change")
    require(actor, Capability.MEETING_EDIT, meeting)
    fields = _cleaned(fields, organizer_email=meeting.organizer.email)
    with transaction.atomic():
        now_meeting = (
            Meeting.objects.select_for_update(of=("self",)).select_related("organizer").get(pk=meeting.pk)
        )
        if version is not None and version != version_of(now_meeting):
            raise Conflict(now_meeting)
        if now_meeting.is_cancelled:
            raise ValidationError(_("This meeting was cancelled; book a new one."))
        if fields.get("starts_at") == now_meeting.starts_at.replace(microsecond=0):
            del fields["starts_at"]
        before = mails.Shown.of(now_meeting)
        facts_before = _facts(now_meeting)
        changed = {
            name for name in PLAIN_FIELDS if name in fields and fields[name] != getattr(now_meeting, name)
        }
        check_booking(fields, start_is_new="starts_at" in changed)
        for name in changed:
            setattr(now_meeting, name, fields[name])
        agenda_changed = "agenda" in fields and _write_agenda(now_meeting, fields["agenda"])
        invited = (
            apply_attendees(now_meeting, fields["attendees"])
            if "attendees" in fields
            else Invited.nobody(now_meeting)
        )
        if not (changed or agenda_changed or invited.any):
            return now_meeting
        told = bool(changed & CALENDAR_FIELDS)
        if told or invited.removed or invited.returned:
            # Also for those who left and may come back: a calendar drops what is not newer than its copy.
            now_meeting.sequence += 1
        now_meeting.save()
        record(
            "meeting.change",
            now_meeting,
            user=actor.user,
            label=actor.label,
            ip=actor.ip,
            before=facts_before,
            after={
                **_facts(now_meeting),
                **({"invited": [one.email for one in invited.added]} if invited.added else {}),
                **({"uninvited": [one.email for one in invited.removed]} if invited.removed else {}),
                **(
                    {"roles": [f"{one.email}: {one.role}" for one in invited.changed]}
                    if invited.changed
                    else {}
                ),
                **({"agenda": [item.title for item in fields["agenda"]]} if agenda_changed else {}),
            },
        )
        if now_meeting.ends_at > timezone.now():
            mails.queue_removals(now_meeting, invited.removed, shown=before)
            mails.queue_requests(now_meeting, invited.added)
            if told:
                mails.queue_updates(now_meeting, invited.kept, before=before)
        if given := [*invited.added, *invited.changed]:
            transaction.on_commit(
                lambda: roles_given.send_robust(Meeting, meeting=now_meeting, invitations=given, actor=actor)
            )
    return now_meeting


def cancel_meeting(meeting: Meeting, *, actor: Actor, note: str = "") -> Meeting:
    """Cancels a meeting that is neither running nor over; everyone invited gets a CANCEL with `note` after
    commit.

    A second call changes nothing. Raises Refused, ValidationError.
    """
    require(actor, Capability.MEETING_CANCEL, meeting)
    note = clean_text(note)[:1000]
    with transaction.atomic():
        now_meeting = (
            Meeting.objects.select_for_update(of=("self",)).select_related("organizer").get(pk=meeting.pk)
        )
        if now_meeting.is_cancelled:
            return now_meeting
        if Session.objects.filter(meeting=now_meeting, ended_at=None, opened_at__isnull=False).exists():
            raise ValidationError(_("The meeting is running. End it for all first."))
        if now_meeting.ends_at <= timezone.now():
            raise ValidationError(_("This meeting is already over."))
        now_meeting.status = Meeting.Status.CANCELLED
        now_meeting.sequence += 1
        now_meeting.save(update_fields=["status", "sequence", "updated_at"])
        record(
            "meeting.cancel",
            now_meeting,
            user=actor.user,
            label=actor.label,
            ip=actor.ip,
            before={"status": Meeting.Status.SCHEDULED.value},
            after={"status": Meeting.Status.CANCELLED.value, "note": note},
        )
        mails.queue_cancellations(now_meeting, note=note)
        transaction.on_commit(lambda: meeting_cancelled.send(Meeting, meeting=now_meeting))
    return now_meeting


def _cleaned(fields: dict[str, Any], *, organizer_email: str) -> dict[str, Any]:
    """The given fields in the form they are kept in."""
    cleaned = dict(fields)
    if "title" in cleaned:
        cleaned["title"] = clean_line(cleaned["title"])
    if "description" in cleaned:
        cleaned["description"] = clean_text(cleaned["description"])
    if "starts_at" in cleaned:
        if timezone.is_naive(cleaned["starts_at"]):
            raise TypeError("starts_at needs a zone")
        cleaned["starts_at"] = cleaned["starts_at"].astimezone(dt.UTC).replace(microsecond=0)
    if "attendees" in cleaned:
        cleaned["attendees"] = merge_attendees(cleaned["attendees"], without=organizer_email)
    if "agenda" in cleaned:
        cleaned["agenda"] = clean_agenda(cleaned["agenda"])
    return cleaned


def _write_agenda(meeting: Meeting, items: Sequence[AgendaDraft]) -> bool:
    """Makes the agenda be `items`, in order. Tells whether that changed anything."""
    wanted = [(item.title, item.minutes) for item in items]
    if wanted == list(AgendaItem.objects.filter(meeting=meeting).values_list("title", "minutes")):
        return False
    AgendaItem.objects.filter(meeting=meeting).delete()
    AgendaItem.objects.bulk_create(
        AgendaItem(meeting=meeting, position=position, title=title, minutes=minutes)
        for position, (title, minutes) in enumerate(wanted)
    )
    return True


def _facts(meeting: Meeting) -> dict[str, Any]:
    """What the audit row tells of a meeting (JSON-ready)."""
    return {
        "title": meeting.title,
        "description": meeting.description,
        "starts_at": meeting.starts_at.astimezone(dt.UTC).isoformat(),
        "duration_minutes": meeting.duration_minutes,
        "time_zone": meeting.time_zone,
        "lobby_enabled": meeting.lobby_enabled,
        "recording_enabled": meeting.recording_enabled,
    }
