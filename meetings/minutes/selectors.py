"""Reading minutes and action items: what is one's own, what is open."""

from __future__ import annotations

from typing import Any

from django.db.models import Count, F, IntegerField, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce

from accounts.models import User
from meetings.live.models import Participant
from meetings.minutes.models import ActionItem, Decision, Minutes
from meetings.permissions.capabilities import Capability
from meetings.permissions.reach import may_reach
from meetings.scheduling.models import Meeting


def _count(rows: QuerySet[Any], path: str, outer: str = "pk") -> Coalesce:
    """How many of `rows` lead by `path` to the outer row; a subquery, as joins would multiply each other."""
    numbers = rows.filter(**{path: OuterRef(outer)}).order_by().values(path).annotate(number=Count("pk"))
    return Coalesce(Subquery(numbers.values("number"), output_field=IntegerField()), 0)


def minutes_of(user: User) -> QuerySet[Minutes]:
    """The minutes `user` may read (MINUTES_VIEW), newest first.

    Each row knows `decision_count`, `action_count`, `people_count` and whether it is `editable` by the
    reader.
    """
    came = Participant.objects.exclude(joined_at=None)
    return (
        Minutes.objects.filter(may_reach(user, Capability.MINUTES_VIEW, "session__meeting"))
        .select_related("session__meeting__organizer")
        .annotate(
            decision_count=_count(Decision.objects.all(), "minutes"),
            action_count=_count(ActionItem.objects.all(), "minutes"),
            people_count=_count(came, "session", "session"),
            editable=may_reach(user, Capability.MINUTES_EDIT, "session__meeting"),
        )
        .order_by("-session__started_at", "-pk")
    )


def newest_minutes(meeting: Meeting) -> Minutes | None:
    """The minutes of the meeting's last session; where a guest's personal link leads after the meeting."""
    return Minutes.objects.filter(session__meeting=meeting).order_by("-session__started_at", "-pk").first()


def actions_of(user: User, *, done: bool | None = None) -> QuerySet[ActionItem]:
    """The action items `user` owns, the most urgent first; `done` picks open (False) or finished ones (True).

    Owners keep seeing an item by its text even where they can no longer open the minutes.
    """
    items = ActionItem.objects.filter(owner=user).select_related("minutes__session__meeting__organizer")
    if done is None:
        return items.order_by(F("due_date").asc(nulls_last=True), "pk")
    if done:
        return items.exclude(done_at=None).order_by("-done_at", "-pk")
    return items.filter(done_at=None).order_by(F("due_date").asc(nulls_last=True), "pk")


def open_action_count(user: User) -> int:
    """The number beside Actions in the navigation."""
    return ActionItem.objects.filter(owner=user, done_at=None).count()


def owner_choices(minutes: Minutes) -> list[tuple[str, str]]:
    """Who can own an action of these minutes, as (value, name): people of the meeting, then guests who came.

    Values are "user:<id>" for accounts and "name:<name>" for people without one. Owners already written stay
    in the list.
    """
    session = minutes.session
    meeting = session.meeting
    users: dict[int, str] = {meeting.organizer_id: str(meeting.organizer)}
    names: dict[str, None] = {}
    people: list[Any] = [
        *session.participants.exclude(joined_at=None).select_related("user"),
        *meeting.invitations.filter(revoked_at=None).select_related("user"),
        *minutes.actions.select_related("owner"),
    ]
    for person in people:
        account = getattr(person, "owner", None) or getattr(person, "user", None)
        name = (
            getattr(person, "owner_name", "")
            or getattr(person, "display_name", "")
            or getattr(person, "name", "")
        )
        if account is not None:
            users.setdefault(account.pk, str(account))
        elif name:
            names.setdefault(name)
    listed = [(f"user:{pk}", name) for pk, name in sorted(users.items(), key=lambda item: item[1].casefold())]
    return listed + [(f"name:{name}", name) for name in sorted(names, key=str.casefold)]
