"""What the first page shows: the next meeting, what comes after it, recent minutes, open actions."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from django.utils.translation import gettext as _

from accounts.models import User
from meetings.minutes.due import due_label
from meetings.minutes.models import ActionItem, Minutes
from meetings.minutes.selectors import actions_of, minutes_of
from meetings.scheduling.models import Meeting
from meetings.scheduling.selectors import JOIN_EARLY, may_join_now, meetings_of, upcoming
from meetings.scheduling.words import starts_in

ROWS = 12
NEXT_DAYS = 7
MINUTES_ROWS = 4
ACTION_ROWS = 6


@dataclass
class Today:
    """`hero` is the running or next meeting of the coming week, `later` the rest of today, `ahead` the days
    after.
    """

    now: dt.datetime
    greeting: str
    meetings_today: int
    hero: Meeting | None
    can_join: bool
    joinable_at: dt.datetime | None
    later: list[Meeting]
    ahead: list[Meeting]
    minutes: list[Minutes]
    actions: list[ActionItem]
    starts_in: str
    action_total: int


def greeting_at(local: dt.datetime) -> str:
    """How one says hello at this hour."""
    if 4 <= local.hour < 12:
        return _("Good morning")
    if 12 <= local.hour < 18:
        return _("Good afternoon")
    return _("Good evening")


def today_of(user: User, now: dt.datetime) -> Today:
    """The facts of the first page for `user` at `now` (aware). A fixed number of queries."""
    local = now.astimezone(user.zone)
    midnight = _midnight(local)
    tomorrow = _midnight(local + dt.timedelta(days=1))
    horizon = _midnight(local + dt.timedelta(days=NEXT_DAYS + 1))
    rows = list(upcoming(user, now).filter(starts_at__lt=horizon)[:ROWS])
    hero = rows[0] if rows else None
    rest = rows[1:]
    mine = meetings_of(user).filter(status=Meeting.Status.SCHEDULED)
    actions = actions_of(user, done=False)
    return Today(
        now=now,
        greeting=greeting_at(local),
        meetings_today=mine.filter(starts_at__gte=midnight, starts_at__lt=tomorrow).count(),
        hero=hero,
        can_join=hero is not None and may_join_now(hero, now, is_live=hero.is_live),  # type: ignore[attr-defined]
        joinable_at=hero.starts_at - JOIN_EARLY if hero else None,
        later=[meeting for meeting in rest if meeting.starts_at < tomorrow],
        ahead=[meeting for meeting in rest if meeting.starts_at >= tomorrow],
        minutes=list(minutes_of(user)[:MINUTES_ROWS]),
        actions=[_with_due(action, local.date()) for action in actions[:ACTION_ROWS]],
        starts_in=starts_in(hero.starts_at.astimezone(user.zone), local) if hero else "",
        action_total=actions.count(),
    )


def _with_due(action: ActionItem, today: dt.date) -> ActionItem:
    """The action with `due`, as its row shows it."""
    action.due = due_label(action.due_date, today)  # type: ignore[attr-defined]
    return action


def _midnight(local: dt.datetime) -> dt.datetime:
    """The first moment of that day on the same clock."""
    return local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
