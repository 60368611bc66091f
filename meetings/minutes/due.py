"""How urgent an action is, in a word."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from django.utils import formats
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext


@dataclass(frozen=True)
class Due:
    """`kind` is the badge's class suffix: "bad" (late), "warn" (today) or ""."""

    text: str
    kind: str


def due_label(date: dt.date | None, today: dt.date) -> Due | None:
    """ "2 days late", "today", "tomorrow", "Thu" within a week, "30 Nov", "3 Jan 2027"; None without a
    date.
    """
    if date is None:
        return None
    days = (date - today).days
    if days < 0:
        text = ngettext("%(days)d day late", "%(days)d days late", -days) % {"days": -days}
        return Due(text, "bad")
    if days == 0:
        return Due(_("today"), "warn")
    if days == 1:
        return Due(_("tomorrow"), "")
    if days < 7:
        return Due(formats.date_format(date, "D"), "")
    same_year = date.year == today.year
    shape = pgettext("date format", "j M") if same_year else pgettext("date format", "j M Y")
    return Due(formats.date_format(date, shape), "")
