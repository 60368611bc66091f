"""Reading meetings for pages. Every list costs the same number of queries for one row as for a hundred."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Count, Exists, F, IntegerField, OuterRef, Prefetch, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce

from accounts.models import User
from meetings.invitations.models import Invitation, OutboxMail
from meetings.live.models import Participant, Session
from meetings.minutes.models import AgendaItem
from meetings.permissions.actor import Actor
from meetings.permissions.capabilities import Capability, Role, capabilities_of
from meetings.recordings.models import Recording
from meetings.scheduling.models import Meeting

FACES = 3
# People may come in this long before the start; hosts at any time, from the meeting's page.
JOIN_EARLY = dt.timedelta(minutes=15)


def meetings_of(user: User) -> QuerySet[Meeting]:
    """Meetings `user` organises or is invited to, in any state, by start."""
    invited = Invitation.objects.filter(meeting=OuterRef("pk"), user=user, revoked_at=None)
    return Meeting.objects.filter(Q(organizer=user) | Exists(invited))


def with_facts(meetings: QuerySet[Meeting], user: User) -> QuerySet[Meeting]:
    """Adds what a row shows: `is_live`, `people_total`, `agenda_total`, `my_role` (None for the organiser),
    and in `faces` the first few invitations."""
    active = Invitation.objects.filter(meeting=OuterRef("pk"), revoked_at=None)
    return (
        meetings.select_related("organizer")
        .annotate(
            is_live=_live(),
            people_total=_count(active),
            agenda_total=_count(AgendaItem.objects.filter(meeting=OuterRef("pk"))),
            my_role=Subquery(active.filter(user=user).values("role")[:1]),
        )
        .prefetch_related(
            Prefetch(
                "invitations",
                queryset=Invitation.objects.filter(revoked_at=None)
                .select_related("user")
                .order_by("pk")[:FACES],
                to_attr="faces",
            )
        )
    )


def _count(rows: QuerySet) -> Coalesce:
    """How many rows a correlated queryset has, as a column (a join would multiply with the others)."""
    counted = rows.order_by().values("meeting").annotate(total=Count("pk")).values("total")
    return Coalesce(Subquery(counted, output_field=IntegerField()), 0)


def _live() -> Exists:
    return Exists(Session.objects.filter(meeting=OuterRef("pk"), ended_at=None, opened_at__isnull=False))


def upcoming(user: User, now: dt.datetime) -> QuerySet[Meeting]:
    """Not over yet (or still running beyond its end), soonest first; running ones before all others."""
    meetings = meetings_of(user).filter(status=Meeting.Status.SCHEDULED).filter(Q(ends_at__gt=now) | _live())
    return with_facts(meetings, user).order_by("-is_live", "starts_at", "pk")  # type: ignore[misc]


def past(user: User, now: dt.datetime) -> QuerySet[Meeting]:
    """Over and not running, latest first; `session_total` tells whether it took place."""
    meetings = meetings_of(user).filter(status=Meeting.Status.SCHEDULED, ends_at__lte=now).exclude(_live())
    sessions = _count(Session.objects.filter(meeting=OuterRef("pk"), opened_at__isnull=False))
    return with_facts(meetings, user).annotate(session_total=sessions).order_by("-starts_at", "-pk")


def cancelled(user: User) -> QuerySet[Meeting]:
    """Cancelled meetings, latest first."""
    return with_facts(meetings_of(user).filter(status=Meeting.Status.CANCELLED), user).order_by(
        "-starts_at", "-pk"
    )


def may_join_now(meeting: Meeting, now: dt.datetime, *, is_live: bool) -> bool:
    """Is the join button active: from a little before the start until the end, and while people are in."""
    if meeting.is_cancelled:
        return False
    return is_live or meeting.starts_at - JOIN_EARLY <= now < meeting.ends_at


@dataclass
class Detail:
    """Everything the page of one meeting shows to one reader."""

    meeting: Meeting
    role: Role
    capabilities: frozenset[str]
    invitations: list[Invitation]
    agenda: list[AgendaItem]
    sessions: Sequence[Session]
    is_live: bool

    def can(self, capability: Capability) -> bool:
        return capability in self.capabilities


def meeting_detail(meeting: Meeting, actor: Actor) -> Detail:
    """The page's facts, in a fixed number of queries. `meeting.organizer` should be loaded."""
    role = actor.role_in(meeting)
    came = Q(participants__joined_at__isnull=False) & ~Q(participants__role=Participant.Role.STREAM)
    recordings = Recording.objects.filter(state__in=[Recording.State.READY, Recording.State.COMPOSING])
    sessions = list(
        Session.objects.filter(meeting=meeting, opened_at__isnull=False)
        .select_related("minutes")
        .annotate(people_total=Count("participants", filter=came))
        .prefetch_related(Prefetch("recordings", queryset=recordings.order_by("started_at")))
        .order_by("-started_at")
    )
    return Detail(
        meeting=meeting,
        role=role,
        capabilities=frozenset(capabilities_of(role)),
        invitations=list(
            Invitation.objects.filter(meeting=meeting, revoked_at=None)
            .select_related("user")
            .order_by(F("role").asc(), "name", "email")
        ),
        agenda=list(meeting.agenda.all()),
        sessions=sessions,
        is_live=any(session.is_running for session in sessions),
    )


def mail_states(meeting: Meeting) -> dict[str, OutboxMail]:
    """The newest mail about this meeting to each address (its content not loaded). One query."""
    rows = OutboxMail.objects.filter(meeting=meeting, kind__startswith="invitation").order_by("pk")
    return {
        row.to_email: row
        for row in rows.only("to_email", "state", "attempts", "last_error", "kind", "meeting")
    }
