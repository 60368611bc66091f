"""Refusals on pages: who is not signed in may sign in, everyone else is told why not."""

from __future__ import annotations

from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse

from meetings.permissions.decide import Decision, Refused


def refuse(request: HttpRequest, decision: Decision) -> HttpResponse:
    """The answer to a page that was not allowed. Raises Refused (403) unless signing in could help."""
    if not request.user.is_authenticated and request.method in ("GET", "HEAD"):
        return redirect_to_login(request.get_full_path())
    raise Refused(decision)
