"""Tags and filters of the design system; every template has them without `{% load %}`."""

from __future__ import annotations

import datetime
import re
import zoneinfo
from collections.abc import Iterable
from typing import Any

from django import template
from django.contrib.auth.models import AnonymousUser
from django.template.context import Context
from django.templatetags.static import static
from django.utils import formats, timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext

from portal import faces, nav

register = template.Library()
SPRITE = "vendor/lucide/sprite.svg"


@register.simple_tag
def sprite_url() -> str:
    """Where the icons are; `<html data-sprite>` hands it to scripts."""
    return static(SPRITE)


@register.simple_tag
def icon(name: str, label: str = "", size: str = "") -> SafeString:
    """`{% icon "video" %}`: an icon of the sprite. `size` is "", "s" or "l".

    Decorative unless it has a `label`; alone in a button it needs none when the button is named.
    """
    classes = f"icon icon-{size}" if size else "icon"
    said: SafeString = (
        format_html('role="img" aria-label="{}"', label) if label else SafeString('aria-hidden="true"')
    )
    return format_html(
        '<svg class="{}" {}><use href="{}#{}"></use></svg>', classes, said, static(SPRITE), name
    )


def name_of(person: Any) -> str:
    """What to call somebody: a user, a participant, an attendee (`name`, else `email`) or a plain string."""
    if isinstance(person, str):
        return person
    return str(getattr(person, "name", "") or getattr(person, "email", "") or person or "")


@register.simple_tag
def avatar(person: Any, size: str = "", named: bool = False) -> SafeString:
    """`{% avatar person %}`: coloured initials. `size` is "", "l" or "xl".

    Hidden from screen readers, as the name stands beside it; `named=True` where it does not.
    """
    name = name_of(person)
    classes = f"avatar hue-{faces.hue(name)}" + (f" avatar-{size}" if size else "")
    said = format_html('role="img" aria-label="{}"', name) if named else SafeString('aria-hidden="true"')
    return format_html('<span class="{}" title="{}" {}>{}</span>', classes, name, said, faces.initials(name))


@register.simple_tag
def avatar_stack(people: Iterable[Any], total: int | None = None, limit: int = 3) -> SafeString:
    """`{% avatar_stack people total=24 %}`: the first `limit` faces and "+21"; one label says the names."""
    names = [name_of(person) for person in people]
    shown = names[:limit]
    rest = (len(names) if total is None else max(total, len(shown))) - len(shown)
    faces_html = format_html_join("", "{}", ((avatar(name),) for name in shown))
    more = (
        format_html('<span class="avatar avatar-more" aria-hidden="true">+{}</span>', rest)
        if rest > 0
        else ""
    )
    label = ", ".join(shown)
    if rest > 0:
        label = ngettext("%(names)s and %(count)d more", "%(names)s and %(count)d more", rest) % {
            "names": label,
            "count": rest,
        }
    return format_html(
        '<span class="avatar-stack" role="img" aria-label="{}">{}{}</span>', label, faces_html, more
    )


@register.filter
def initials(person: Any) -> str:
    """`{{ person|initials }}` → "LM"."""
    return faces.initials(name_of(person))


@register.filter
def hue(key: Any) -> str:
    """`{{ meeting.code|hue }}` → "hue-3", the class that colours a row's bar or an avatar."""
    return f"hue-{faces.hue(name_of(key))}"


def _seconds(value: Any) -> int | None:
    """Whole seconds of a timedelta or a number of seconds; None for anything else."""
    if isinstance(value, datetime.timedelta):
        return int(value.total_seconds())
    if isinstance(value, (int, float)):
        return int(value)
    return None


@register.filter
def duration(value: Any) -> str:
    """A timedelta or seconds in words: "45 min", "1 h 30 min", "20 s" below a minute; "" for nothing."""
    seconds = _seconds(value)
    if seconds is None:
        return ""
    if 0 < seconds < 60:
        return _("%(count)d s") % {"count": seconds}
    hours, minutes = divmod(round(seconds / 60), 60)
    if not hours:
        return _("%(minutes)d min") % {"minutes": minutes}
    if not minutes:
        return _("%(hours)d h") % {"hours": hours}
    return _("%(hours)d h %(minutes)d min") % {"hours": hours, "minutes": minutes}


@register.filter
def minutes(value: Any) -> str:
    """As `duration`, for a plain number of minutes."""
    return duration(value * 60) if isinstance(value, (int, float)) else ""


@register.filter
def clock(value: Any) -> str:
    """A timedelta or seconds as a player shows it: "3:05", "1:02:03"."""
    seconds = _seconds(value)
    if seconds is None:
        return ""
    hours, rest = divmod(max(seconds, 0), 3600)
    minutes_, seconds = divmod(rest, 60)
    return f"{hours}:{minutes_:02}:{seconds:02}" if hours else f"{minutes_}:{seconds:02}"


def _zone(zone: Any) -> datetime.tzinfo:
    """A tzinfo of an IANA name, a tzinfo, or a person with `zone`; the active one for anything else."""
    zone = getattr(zone, "zone", zone)
    if isinstance(zone, datetime.tzinfo):
        return zone
    if isinstance(zone, str) and zone:
        return zoneinfo.ZoneInfo(zone)
    return timezone.get_current_timezone()


class _Zoned(datetime.datetime):
    """A datetime that template rendering leaves in its zone (`django.utils.timezone.template_localtime`)."""

    convert_to_local_time = False


@register.filter
def zoned(value: Any, zone: Any = None) -> Any:
    """`{{ start|zoned:meeting.time_zone|date:"H:i" }}`: the moment in another zone, to format further."""
    if not isinstance(value, datetime.datetime):
        return value
    there = timezone.localtime(value, _zone(zone))
    # `combine` forgets which of the two 02:30 of an autumn night it is.
    return _Zoned.combine(there.date(), there.timetz()).replace(fold=there.fold)


@register.filter
def zone_name(zone: Any) -> str:
    """The name "Asia/Shanghai" of a tzinfo, an IANA name, a person, or (for nothing) the active zone."""
    return str(_zone(zone)).replace("_", " ")


@register.simple_tag
def time_range(
    start: datetime.datetime, end: datetime.datetime, zone: Any = None, show_zone: bool = True
) -> SafeString:
    """`{% time_range start end meeting.time_zone %}` → "10:00 – 11:00 Asia/Shanghai" as `<time>`s.

    An end on another day shows its date.
    """
    there = _zone(zone)
    first, last = timezone.localtime(start, there), timezone.localtime(end, there)
    end_format = "H:i" if first.date() == last.date() else pgettext("date format", "j M, H:i")
    return format_html(
        '<time datetime="{}">{}</time> – <time datetime="{}">{}</time>{}',
        first.isoformat(),
        formats.date_format(first, "H:i"),
        last.isoformat(),
        formats.date_format(last, end_format),
        f" {zone_name(there)}" if show_zone else "",
    )


@register.simple_tag
def local_time(value: datetime.datetime | None, style: str = "datetime") -> SafeString:
    """`{% local_time entry.at "time" %}`: one moment as `<time>` in the reader's zone.

    `style` is "time", "date", "datetime" or "relative" (kept fresh by the script). Empty for None.
    """
    if value is None:
        return SafeString("")
    here = timezone.localtime(value)
    shapes = {"time": "H:i", "date": pgettext("date format", "j M Y")}
    text = formats.date_format(here, shapes.get(style) or pgettext("date format", "j M Y, H:i"))
    return format_html('<time datetime="{}" data-local-time="{}">{}</time>', here.isoformat(), style, text)


@register.simple_tag(takes_context=True)
def portal_nav(context: Context, key: str = "") -> list[nav.NavItem]:
    """`{% portal_nav key as items %}`: what this reader sees; `nav_counts` in the context adds numbers."""
    user = context.get("user") or AnonymousUser()
    return nav.items_for(context.get("request"), user, key=key.strip(), counts=context.get("nav_counts"))


@register.simple_block_tag
def capture(content: str) -> str:
    """`{% capture as name %}…{% endcapture %}`: rendered content in a variable, white space trimmed."""
    return SafeString(content.strip())


@register.filter
def person_line(user: Any) -> str:
    """Under a name in the user menu: "Staff · Physics"."""
    role = user.get_role_display() if hasattr(user, "get_role_display") else ""
    parts = [role, getattr(user, "department", None)]
    return " · ".join(str(part) for part in parts if part)


@register.simple_block_tag
def plaintext(content: str) -> str:
    """`{% plaintext %}…{% endplaintext %}`: a text mail: no trailing blanks, one empty line at most.

    To be used inside `{% autoescape off %}`; so blocks left empty leave no hole.
    """
    lines = "\n".join(line.rstrip() for line in content.strip().splitlines())
    return SafeString(re.sub(r"\n{3,}", "\n\n", lines) + "\n")
