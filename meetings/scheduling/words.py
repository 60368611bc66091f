"""Times as people say them."""

from __future__ import annotations

import datetime as dt
import math

from django.utils.translation import gettext as _
from django.utils.translation import ngettext


def starts_in(starts_at: dt.datetime, now: dt.datetime) -> str:
    """ "Starts in 8 min", "Starts in 3 h", "Tomorrow", "In 4 days", and "It is time" from the start on.

    Days are counted in the active zone of `now`'s reader, so both should be in it.
    """
    minutes = math.ceil((starts_at - now).total_seconds() / 60)
    if minutes <= 0:
        return _("It is time")
    if minutes < 60:
        return ngettext("Starts in %(count)d min", "Starts in %(count)d min", minutes) % {"count": minutes}
    days = (starts_at.date() - now.date()).days
    if days <= 0 or minutes < 6 * 60:
        hours = round(minutes / 60)
        return ngettext("Starts in %(count)d h", "Starts in %(count)d h", hours) % {"count": hours}
    if days == 1:
        return _("Tomorrow")
    return ngettext("In %(count)d day", "In %(count)d days", days) % {"count": days}
