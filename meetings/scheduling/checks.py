"""What a booking may hold. All faults of one booking are told at once, by field."""

from __future__ import annotations

import datetime as dt
import re
import zoneinfo
from collections.abc import Sequence
from typing import Any

from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from meetings.scheduling.drafts import MAX_ATTENDEES, AgendaDraft, Attendee
from meetings.scheduling.models import Meeting

START_GRACE = dt.timedelta(minutes=5)
DURATION = (5, 24 * 60)
MAX_AGENDA = 50
MAX_AGENDA_TITLE = 200
# Control characters have no meaning in a title, break mail headers and are forbidden in iCalendar text.
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u2028\u2029]")


def clean_line(text: str) -> str:
    """One line: control characters and line ends become single spaces."""
    return " ".join(_CONTROL.sub(" ", text).split())


def clean_text(text: str) -> str:
    """Several lines, ended by "\\n" alone, without other control characters."""
    return _CONTROL.sub("", text.replace("\r\n", "\n").replace("\r", "\n")).strip()


def clean_agenda(agenda: Sequence[AgendaDraft]) -> list[AgendaDraft]:
    """Rows with a title, cleaned; empty rows fall away."""
    rows = [AgendaDraft(clean_line(row.title), row.minutes) for row in agenda]
    return [row for row in rows if row.title]


def start_fault(starts_at: dt.datetime) -> str:
    """Why a meeting cannot start then, or "". A few minutes ago is fine: "now" takes time to type."""
    if starts_at < timezone.now() - START_GRACE:
        return _("The start lies in the past. Choose a later time.")
    return ""


def check_booking(fields: dict[str, Any], *, start_is_new: bool = True) -> None:
    """Raises ValidationError with one message list a field, unless every given field is fit to be kept.

    `start_is_new` is false for a start that stays as it was: a running or past meeting may keep its own.
    """
    faults: dict[str, list[str]] = {}

    def fault(field: str, message: str) -> None:
        faults.setdefault(field, []).append(message)

    if "title" in fields:
        _check_length(
            fault, "title", fields["title"], Meeting._meta.get_field("title").max_length or 0, needed=True
        )
    if "description" in fields:
        _check_length(
            fault,
            "description",
            fields["description"],
            Meeting._meta.get_field("description").max_length or 0,
        )
    if "time_zone" in fields and fields["time_zone"] not in zoneinfo.available_timezones():
        fault("time_zone", _("“%(zone)s” is not a known time zone.") % {"zone": fields["time_zone"]})
    if "duration_minutes" in fields and not DURATION[0] <= fields["duration_minutes"] <= DURATION[1]:
        fault("duration_minutes", _("A meeting lasts between 5 minutes and 24 hours."))
    if "starts_at" in fields and start_is_new:
        message = start_fault(fields["starts_at"])
        if message:
            fault("starts_at", message)
    if "attendees" in fields:
        _check_attendees(fault, fields["attendees"])
    if "agenda" in fields:
        _check_agenda(fault, fields["agenda"])
    if faults:
        raise ValidationError(faults)  # type: ignore[arg-type]


def _check_length(fault: Any, field: str, text: str, limit: int, *, needed: bool = False) -> None:
    if needed and not text:
        fault(field, _("This field is required."))
    if len(text) > limit:
        fault(
            field,
            ngettext("At most %(limit)d character.", "At most %(limit)d characters.", limit)
            % {"limit": limit},
        )


def _check_attendees(fault: Any, attendees: Sequence[Attendee]) -> None:
    if len(attendees) > MAX_ATTENDEES:
        fault(
            "attendees",
            _("At most %(limit)d people can be invited; these are %(count)d.")
            % {"limit": MAX_ATTENDEES, "count": len(attendees)},
        )
    for attendee in attendees:
        if "@" not in attendee.email or len(attendee.email) > 254:
            fault("attendees", _("“%(text)s” is not an e-mail address.") % {"text": attendee.email[:80]})


def _check_agenda(fault: Any, agenda: Sequence[AgendaDraft]) -> None:
    if len(agenda) > MAX_AGENDA:
        fault("agenda", _("At most %(limit)d agenda items.") % {"limit": MAX_AGENDA})
    for row in agenda:
        if len(row.title) > MAX_AGENDA_TITLE:
            fault("agenda", _("“%(title)s…” is too long for an agenda item.") % {"title": row.title[:40]})
        if row.minutes is not None and not 1 <= row.minutes <= DURATION[1]:
            fault(
                "agenda", _("“%(title)s”: minutes are a number from 1 to 1440.") % {"title": row.title[:40]}
            )
