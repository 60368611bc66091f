"""Where a request comes from, and which name it tried to sign in with."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest


def client_ip(request: HttpRequest) -> str | None:
    """The caller's address; X-Forwarded-For only where a proxy is declared (TRUST_PROXY).

    Of that header only the last entry counts: it is the one our own proxy wrote.
    """
    if settings.ENV["TRUST_PROXY"]:
        forwarded = request.headers.get("X-Forwarded-For", "").split(",")[-1].strip()
        if forwarded:
            return forwarded
    return request.META.get("REMOTE_ADDR") or None


def login_name(request: HttpRequest, credentials: dict[str, Any] | None = None) -> str:
    """The name whose failed attempts are counted (django-axes), lower case, "" if there is none.

    The sign-in page authenticates with `email`, the administration with `username`, and the lockout page only
    has the posted form: without this all of them would be counted under no name at all.
    """
    sources = [credentials or {}, getattr(request, "data", None) or request.POST]
    for source in sources:
        for key in ("email", "username", "login"):
            if source.get(key):
                return str(source[key]).strip().lower()[:255]
    return ""
