"""A meeting as iCalendar (RFC 5545): scheduling messages to each person (RFC 5546), or a plain file."""

from __future__ import annotations

import datetime as dt
import secrets
from collections.abc import Sequence
from typing import Literal

from django.utils import timezone
from django.utils.translation import gettext as _
from icalendar import Alarm, Calendar, Event, vCalAddress, vText, vUri
from icalendar.parser import Contentline

from accounts.models import User
from meetings.invitations.models import Invitation
from meetings.invitations.vtimezone import vtimezone
from meetings.scheduling.models import Meeting

PRODID = "-//Plenum//Plenum meeting portal//EN"
ALARM_MINUTES = 10
# Up to here everyone's calendar shows who else is invited. A lecture's list would be pages long, and of no
# use.
SHOWN_ATTENDEES = 50

Method = Literal["REQUEST", "CANCEL", "PUBLISH"]


def build_calendar(
    meeting: Meeting,
    *,
    method: Method,
    join_url: str,
    attendees: Sequence[Invitation] = (),
    note: str = "",
) -> str:
    """The calendar text, CRLF lines folded at 75 octets, in the active language.

    REQUEST invites `attendees` or updates their copy; CANCEL takes it back: the whole meeting when that is
    cancelled, else only their part in it. PUBLISH is a file to save, without scheduling. The time is written
    as wall-clock time with TZID and VTIMEZONE, so it stays right if a government changes its rules; a start
    in the second of two equal hours can only be written in UTC.
    """
    calendar = Calendar()
    calendar.add("prodid", PRODID)
    calendar.add("version", "2.0")
    calendar.add("calscale", "GREGORIAN")
    calendar.add("method", method)
    calendar.add_component(vtimezone(meeting.zone, meeting.starts_at, meeting.ends_at))
    event = Event()
    event.add("uid", meeting.uid)
    event.add("sequence", meeting.sequence)
    event.add("dtstamp", timezone.now().astimezone(dt.UTC).replace(microsecond=0))
    event.add("created", meeting.created_at.astimezone(dt.UTC).replace(microsecond=0))
    event.add("last-modified", meeting.updated_at.astimezone(dt.UTC).replace(microsecond=0))
    _add_time(event, "dtstart", meeting.starts_at, meeting)
    _add_time(event, "dtend", meeting.ends_at, meeting)
    event.add("summary", meeting.title)
    event.add("organizer", _address(meeting.organizer))
    for invitation in attendees:
        event.add("attendee", _attendee(invitation), encode=False)
    if method == "CANCEL":
        _add_cancelled(event, meeting, note)
    else:
        _add_joining(event, meeting, join_url)
    calendar.add_component(event)
    text: str = calendar.to_ical().decode()
    return text


class PersonalCalendars:
    """The calendars of one mailing, in the active language: built once, filled in for each reader.

    Everyone's holds their own link. All of `invited` stand in it while they are not too many
    (SHOWN_ATTENDEES); else, and in a CANCEL, only the reader. Building each anew would take milliseconds a
    reader, in a transaction that others wait for.
    """

    def __init__(
        self, meeting: Meeting, *, method: Method, invited: Sequence[Invitation] = (), note: str = ""
    ) -> None:
        self._link = secrets.token_hex(12)  # stands for the reader's link; nobody can have written it
        shown = invited if len(invited) <= SHOWN_ATTENDEES else ()
        self._alone = not shown
        text = build_calendar(meeting, method=method, join_url=self._link, attendees=shown, note=note)
        lines = text.replace("\r\n ", "").split("\r\n")
        self._lines = [line if self._link in line else _folded(line) for line in lines]
        self._place = next(at for at, line in enumerate(lines) if line.startswith("ORGANIZER")) + 1

    def of(self, reader: Invitation, join_url: str) -> str:
        """The calendar for one reader; `join_url` is their own link and goes into no other calendar."""
        lines = [
            _folded(line.replace(self._link, join_url)) if self._link in line else line
            for line in self._lines
        ]
        if self._alone:
            address = _attendee(reader)
            lines.insert(self._place, _folded(Contentline.from_parts("ATTENDEE", address.params, address)))
        return "\r\n".join(lines)


def _folded(line: str) -> str:
    text: str = Contentline(line).to_ical().decode()
    return text


def _add_time(event: Event, name: str, moment: dt.datetime, meeting: Meeting) -> None:
    """Wall-clock time with TZID; UTC where the wall clock could be misread."""
    local = moment.astimezone(meeting.zone)
    if local.fold:
        event.add(name, moment.astimezone(dt.UTC))
    else:
        event.add(name, local.replace(tzinfo=None), parameters={"TZID": meeting.zone.key})


def _add_joining(event: Event, meeting: Meeting, join_url: str) -> None:
    lines = [meeting.description, _("Join: %(url)s") % {"url": join_url}]
    event.add("description", "\n\n".join(line for line in lines if line))
    event.add("location", join_url)
    event.add("url", vUri(join_url))
    # RFC 7986 section 5.11: programs that know it show a join button.
    conference = vUri(join_url)
    conference.params.update(
        {"VALUE": "URI", "FEATURE": ["AUDIO", "VIDEO"], "LABEL": _("Join in the browser")}
    )
    event.add("conference", conference, encode=False)
    event.add("status", "CONFIRMED")
    event.add("transp", "OPAQUE")
    alarm = Alarm()
    alarm.add("action", "DISPLAY")
    alarm.add("trigger", dt.timedelta(minutes=-ALARM_MINUTES))
    alarm.add("description", meeting.title)
    event.add_component(alarm)


def _add_cancelled(event: Event, meeting: Meeting, note: str) -> None:
    # RFC 5546 section 3.2.5: STATUS only when the whole event is off, not when one person is uninvited.
    if meeting.is_cancelled:
        event.add("status", "CANCELLED")
    if note:
        event.add("comment", vText(note))


def _address(person: User) -> vCalAddress:
    address = vCalAddress(f"mailto:{person.email}")
    address.params["CN"] = vText(_cn(str(person)))
    return address


def _attendee(invitation: Invitation) -> vCalAddress:
    address = vCalAddress(f"mailto:{invitation.email}")
    address.params.update(
        {
            "CN": vText(_cn(invitation.display_name)),
            "CUTYPE": vText("INDIVIDUAL"),
            "ROLE": vText("REQ-PARTICIPANT"),
            "PARTSTAT": vText("NEEDS-ACTION"),
            "RSVP": vText("TRUE"),
        }
    )
    return address


def _cn(name: str) -> str:
    """A parameter value cannot hold a double quote (RFC 5545 section 3.2)."""
    return name.replace('"', "'")
