"""One mail to each person who was there: the draft exists, and this is your way to it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from django.conf import settings
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import translation
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.models import User
from meetings.invitations.links import personal_link
from meetings.invitations.mails import when_text
from meetings.invitations.models import Invitation, OutboxMail
from meetings.invitations.outbox import draft_mail, queue_mails
from meetings.live.models import Participant
from meetings.minutes.facts import attendance_of
from meetings.minutes.models import Minutes
from meetings.permissions.actor import Actor
from meetings.permissions.capabilities import Capability
from meetings.permissions.decide import decide

KIND = "minutes"


@dataclass(frozen=True)
class Reader:
    """Somebody to be told: with an account (`user`), or by a personal link (`invitation`)."""

    identity: str
    email: str
    name: str
    user: User | None = None
    invitation: Invitation | None = None

    @property
    def actor(self) -> Actor:
        return Actor(user=self.user, invitation=self.invitation)


def readers_of(minutes: Minutes) -> list[Reader]:
    """Who is told: everyone who was in the room and has an address, and the organiser. Each address once.

    Left out: people who only waited in the lobby, who were removed, or whose invitation was taken back.
    """
    readers: dict[str, Reader] = {}
    for reader in _candidates(minutes):
        readers.setdefault(reader.email.lower(), reader)
    return [
        reader
        for reader in readers.values()
        if decide(reader.actor, Capability.MINUTES_VIEW, minutes.session.meeting)
    ]


def _candidates(minutes: Minutes) -> Iterator[Reader]:
    session = minutes.session
    people = list(
        session.participants.exclude(joined_at=None)
        .exclude(state=Participant.State.REMOVED)
        .select_related("user", "invitation__user")
    )
    # Accounts first, so that somebody who also came by a personal link is led to their own pages.
    for person in people:
        account = person.user or (person.invitation.user if person.invitation else None)
        if account is not None and account.is_active:
            yield Reader(f"user:{account.pk}", account.email, str(account), user=account)
    organizer = session.meeting.organizer
    if organizer.is_active:
        yield Reader(f"user:{organizer.pk}", organizer.email, str(organizer), user=organizer)
    for person in people:
        invitation = person.invitation
        if (
            person.user is None
            and invitation is not None
            and invitation.user is None
            and not invitation.revoked_at
        ):
            yield Reader(f"invitation:{invitation.pk}", invitation.email, person.name, invitation=invitation)


def queue_notices(minutes: Minutes) -> list[OutboxMail]:
    """Write the notices into the outbox, once for each reader, in the caller's transaction."""
    session, meeting = minutes.session, minutes.session.meeting
    attendees = attendance_of(session)
    recorded = session.recordings.exists()
    drafts = []
    for reader in readers_of(minutes):
        with translation.override(_language(reader)):
            zone = reader.user.zone if reader.user else meeting.zone
            context = {
                "public_url": settings.PUBLIC_URL,
                "meeting": meeting,
                "name": reader.name,
                "organizer": str(meeting.organizer),
                "when": when_text(session.started_at, session.ended_at or session.started_at, zone),
                "attendees": attendees,
                "attendee_names": _names([attendee.name for attendee in attendees]),
                "recorded": recorded and bool(decide(reader.actor, Capability.RECORDING_VIEW, meeting)),
                "may_edit": bool(decide(reader.actor, Capability.MINUTES_EDIT, meeting)),
                "is_guest": reader.user is None,
                "url": _url(minutes, reader),
            }
            drafts.append(
                draft_mail(
                    key=f"minutes:{session.pk}:{reader.identity}",
                    kind=KIND,
                    to_email=reader.email,
                    to_name=reader.name,
                    subject=_("Minutes: %(title)s") % {"title": meeting.title},
                    text=render_to_string("emails/minutes.txt", context),
                    html=render_to_string("emails/minutes.html", context),
                    meeting=meeting,
                    reply_to=meeting.organizer.email,
                )
            )
    return queue_mails(drafts)


def _language(reader: Reader) -> str:
    return (reader.user.language if reader.user else "") or settings.LANGUAGE_CODE


def _url(minutes: Minutes, reader: Reader) -> str:
    if reader.invitation is not None:
        return f"{personal_link(reader.invitation)}?next=minutes"
    return settings.PUBLIC_URL + reverse("meetings:minutes_detail", args=[minutes.pk])


def _names(names: list[str], limit: int = 12) -> str:
    shown = ", ".join(names[:limit])
    if len(names) > limit:
        rest = len(names) - limit
        more = ngettext("%(names)s and %(count)d more", "%(names)s and %(count)d more", rest)
        return more % {"names": shown, "count": rest}
    return shown
