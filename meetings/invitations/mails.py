"""The mails about a meeting: invitation, update, cancellation; each in its reader's language, with a calendar
part.
"""

from __future__ import annotations

import datetime as dt
import itertools
import secrets
import zoneinfo
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from django.conf import settings
from django.template.loader import render_to_string
from django.utils import formats, translation
from django.utils.html import escape
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from meetings.invitations.ics import Method, PersonalCalendars
from meetings.invitations.links import personal_link
from meetings.invitations.models import Invitation, OutboxMail
from meetings.invitations.outbox import draft_mail, queue_mails
from meetings.invitations.services import active_invitations
from meetings.minutes.models import AgendaItem
from meetings.scheduling.models import Meeting
from meetings.scheduling.times import same_clock

REQUEST, UPDATE, CANCEL, REMOVED = (
    "invitation",
    "invitation.update",
    "invitation.cancel",
    "invitation.removed",
)
KINDS = (REQUEST, UPDATE, CANCEL, REMOVED)


@dataclass(frozen=True)
class Shown:
    """What a mail said of a meeting, so that an update can say what is different."""

    title: str
    description: str
    starts_at: dt.datetime
    ends_at: dt.datetime
    time_zone: str

    @classmethod
    def of(cls, meeting: Meeting) -> Shown:
        return cls(meeting.title, meeting.description, meeting.starts_at, meeting.ends_at, meeting.time_zone)


def moment_text(moment: dt.datetime) -> str:
    """ "Monday 23 November 2026, 10:00" of an aware time, in its zone and the active language."""
    return formats.date_format(moment, pgettext("date format", "l j F Y, H:i"))


def when_text(start: dt.datetime, end: dt.datetime, zone: zoneinfo.ZoneInfo) -> str:
    """ "Monday 23 November 2026, 10:00 – 11:00 (Asia/Shanghai)"; two dates if it ends on another day."""
    first, last = start.astimezone(zone), end.astimezone(zone)
    until = f"{last:%H:%M}" if first.date() == last.date() else moment_text(last)
    return f"{moment_text(first)} – {until} ({zone.key.replace('_', ' ')})"


def queue_requests(meeting: Meeting, invitations: Sequence[Invitation]) -> list[OutboxMail]:
    """Invites people: METHOD:REQUEST with the present SEQUENCE."""
    return _queue(
        meeting, invitations, kind=REQUEST, method="REQUEST", template="invitation", subject=_invited
    )


def queue_updates(meeting: Meeting, invitations: Sequence[Invitation], *, before: Shown) -> list[OutboxMail]:
    """Tells invited people what changed: METHOD:REQUEST, same UID, the raised SEQUENCE."""
    return _queue(
        meeting,
        invitations,
        kind=UPDATE,
        method="REQUEST",
        template="invitation_update",
        subject=_updated,
        before=before,
    )


def queue_cancellations(meeting: Meeting, *, note: str = "") -> list[OutboxMail]:
    """Takes the cancelled meeting out of everybody's calendar: METHOD:CANCEL, STATUS:CANCELLED."""
    people = list(active_invitations(meeting))
    return _queue(
        meeting,
        people,
        kind=CANCEL,
        method="CANCEL",
        template="invitation_cancel",
        subject=_cancelled,
        note=note,
    )


def queue_removals(meeting: Meeting, invitations: Sequence[Invitation], *, shown: Shown) -> list[OutboxMail]:
    """Tells people who were taken off the list; says only what they knew before (`shown`), not what it is
    now.
    """
    stale = _as_shown(meeting, shown)
    return _queue(
        stale, invitations, kind=REMOVED, method="CANCEL", template="invitation_cancel", subject=_uninvited
    )


def _as_shown(meeting: Meeting, shown: Shown) -> Meeting:
    """An unsaved copy of the meeting with the old facts and the new SEQUENCE."""
    copy = Meeting.objects.model(
        **{f.attname: getattr(meeting, f.attname) for f in Meeting._meta.concrete_fields}
    )
    copy.organizer = meeting.organizer
    copy.title, copy.description, copy.time_zone = shown.title, shown.description, shown.time_zone
    copy.starts_at, copy.ends_at = shown.starts_at, shown.ends_at
    return copy


def _invited(meeting: Meeting, when: str) -> str:
    return _("Invitation: %(title)s, %(when)s") % {"title": meeting.title, "when": when}


def _updated(meeting: Meeting, when: str) -> str:
    return _("Updated: %(title)s, %(when)s") % {"title": meeting.title, "when": when}


def _cancelled(meeting: Meeting, when: str) -> str:
    return _("Cancelled: %(title)s, %(when)s") % {"title": meeting.title, "when": when}


def _uninvited(meeting: Meeting, when: str) -> str:
    return _("You are no longer invited: %(title)s, %(when)s") % {"title": meeting.title, "when": when}


def _queue(
    meeting: Meeting,
    invitations: Iterable[Invitation],
    *,
    kind: str,
    method: Method,
    template: str,
    subject: Callable[[Meeting, str], str],
    before: Shown | None = None,
    note: str = "",
) -> list[OutboxMail]:
    """One mail for each invitation. The key holds the SEQUENCE, so the same news is never queued twice.

    Readers of the same language, zone and role read the same words but for their name and link: those are
    rendered once, with stand-ins, as a lecture may have hundreds of readers.
    """
    people = sorted(invitations, key=_audience)
    invited = list(active_invitations(meeting)) if method == "REQUEST" and people else []
    agenda = list(meeting.agenda.all()) if people else []
    local = meeting.starts_at.astimezone(meeting.zone)
    drafts = []
    for audience, readers in itertools.groupby(people, key=_audience):
        with translation.override(audience.language):
            page = _context(meeting, audience, agenda=agenda, before=before, note=note)
            page["removed"] = kind == REMOVED
            text = render_to_string(f"emails/{template}.txt", page)
            html = render_to_string(f"emails/{template}.html", page)
            calendars = PersonalCalendars(meeting, method=method, invited=invited, note=note)
            line = subject(meeting, moment_text(local))
            for invitation in readers:
                url, name = personal_link(invitation), invitation.display_name
                drafts.append(
                    draft_mail(
                        key=f"{kind}:{meeting.uid}:{meeting.sequence}:{invitation.pk}",
                        kind=kind,
                        to_email=invitation.email,
                        to_name=name,
                        subject=line,
                        text=text.replace(page["join_url"], url).replace(page["name"], name),
                        html=html.replace(page["join_url"], escape(url)).replace(page["name"], escape(name)),
                        meeting=meeting,
                        reply_to=meeting.organizer.email,
                        calendar=calendars.of(invitation, url),
                        calendar_method=method,
                    )
                )
    return queue_mails(drafts)


class Audience(NamedTuple):
    """Readers who get the same words. `zone` is the reader's own, "" when they told none."""

    language: str
    zone: str
    cohost: bool


def _audience(invitation: Invitation) -> Audience:
    """The portal's language for people who chose none or have no account."""
    user = invitation.user
    return Audience(
        language=(user.language if user else "") or settings.LANGUAGE_CODE,
        zone=user.time_zone if user else "",
        cohost=invitation.role == Invitation.Role.COHOST,
    )


def _context(
    meeting: Meeting, audience: Audience, *, agenda: Sequence[AgendaItem], before: Shown | None, note: str
) -> dict[str, Any]:
    """What the templates show. `name` and `join_url` are stand-ins that nobody can have written."""
    own_zone = zoneinfo.ZoneInfo(audience.zone) if audience.zone else meeting.zone
    shows_own = not same_clock(meeting.starts_at, own_zone, meeting.zone)
    return {
        "public_url": settings.PUBLIC_URL,
        "meeting": meeting,
        "name": f"name-{secrets.token_hex(12)}",
        "join_url": f"link-{secrets.token_hex(12)}",
        "organizer": str(meeting.organizer),
        "agenda": agenda,
        "when": when_text(meeting.starts_at, meeting.ends_at, meeting.zone),
        "when_own": when_text(meeting.starts_at, meeting.ends_at, own_zone) if shows_own else "",
        "is_cohost": audience.cohost,
        "changes": _changes(meeting, before) if before else [],
        "note": note,
    }


def _changes(meeting: Meeting, before: Shown) -> list[tuple[str, str, str]]:
    """(what, before, now) for each thing an update tells; a description is too long to be told twice."""
    changes = []
    if before.title != meeting.title:
        changes.append((_("Title"), before.title, meeting.title))
    then = when_text(before.starts_at, before.ends_at, zoneinfo.ZoneInfo(before.time_zone))
    now = when_text(meeting.starts_at, meeting.ends_at, meeting.zone)
    if then != now:
        changes.append((_("Time"), then, now))
    if before.description != meeting.description:
        changes.append((_("Description"), "", meeting.description or _("taken away")))
    return changes
