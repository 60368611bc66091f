"""The page that plays a meeting on a screen: for who has its signed link, without an account."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts.network import client_ip
from meetings.streams.http import BAD_TOKENS
from meetings.streams.tokens import find_key


@never_cache
@require_safe
def player(request: HttpRequest, code: str) -> HttpResponse:
    """403 for a link that is not, or no longer, good; 429 for who tries many."""
    who = client_ip(request) or "-"
    token = request.GET.get("key", "")
    key = find_key(token) if 0 < len(token) <= 512 and token.isascii() else None
    if key is None or key.publishes or key.meeting.code != code:
        blocked = BAD_TOKENS.is_blocked(who)
        BAD_TOKENS.miss(who)
        context = {
            "title": _("This link does not play any more"),
            "text": _("Its key was revoked, its time is over, or it was cut off. Ask a host for a new one."),
        }
        return render(request, "meetings/room_closed.html", context, status=429 if blocked else 403)
    config = {"url": reverse("meetings:whep", args=[key.meeting.code]), "token": token}
    return render(request, "meetings/play.html", {"meeting": key.meeting, "config": config})
