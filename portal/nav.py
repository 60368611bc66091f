"""The portal's main navigation: what stands in the side bar and in the bottom bar of a phone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _


@dataclass(frozen=True)
class NavItem:
    """One entry. `key` is what a page names in `{% block nav_active %}`.

    `url`, `active` and `count` belong to one request.
    """

    key: str
    label: str | Promise
    icon: str
    view: str
    foot: bool = False  # below, beside the user menu
    thumb: bool = False  # has a place of its own in the phone's bottom bar
    admin: bool = False
    url: str = ""
    active: bool = False
    count: int = 0


ITEMS = (
    NavItem("today", _("Today"), "sun", "meetings:dashboard", thumb=True),
    NavItem("meetings", _("Meetings"), "video", "meetings:meeting_list", thumb=True),
    NavItem("minutes", _("Minutes"), "notebook-pen", "meetings:minutes_list"),
    NavItem("actions", _("Actions"), "circle-check", "meetings:action_list", thumb=True),
    NavItem("recordings", _("Recordings"), "clapperboard", "meetings:recording_list"),
    NavItem("mail", _("Mail"), "mail", "meetings:mail_folder", foot=True, admin=True),
    NavItem("administration", _("Administration"), "shield-check", "admin:index", foot=True, admin=True),
    NavItem("settings", _("Settings"), "settings", "accounts:settings", foot=True),
)

# Pages that belong to an entry without being its own page, by the start of their view name.
BELONGS = (
    ("meetings:dashboard", "today"),
    ("meetings:minutes", "minutes"),
    ("meetings:action", "actions"),
    ("meetings:recording", "recordings"),
    ("meetings:mail", "mail"),
    ("meetings:", "meetings"),
    ("accounts:", "settings"),
    ("account_", "settings"),
    ("mfa_", "settings"),
)


def active_key(request: HttpRequest | None) -> str:
    """The entry the page of this request belongs to, or "" when none does."""
    match = getattr(request, "resolver_match", None)
    view_name = match.view_name if match else ""
    return next((key for start, key in BELONGS if view_name.startswith(start)), "")


def items_for(
    request: HttpRequest | None, user: Any, *, key: str = "", counts: dict[str, int] | None = None
) -> list[NavItem]:
    """The entries this person sees, with address, activity and count; none for people who are not signed in.

    `key` is the page's own word for the active entry; without it the view name decides. An entry whose view
    does not exist in this installation is left out rather than breaking every page.
    """
    if user is None or not user.is_authenticated:
        return []
    key = key or active_key(request)
    shown = []
    for item in ITEMS:
        if item.admin and not user.is_staff:
            continue
        try:
            url = reverse(item.view)
        except NoReverseMatch:
            continue
        shown.append(replace(item, url=url, active=item.key == key, count=(counts or {}).get(item.key, 0)))
    return shown
