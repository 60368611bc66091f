"""Where a request comes from, and which name it tried to sign in with."""

from __future__ import annotations

import ipaddress
from typing import Any

from django.conf import settings
from django.http import HttpRequest


def plain_ip(text: str) -> str | None:
    """The address as databases take it; None for a Unix socket or what is no address."""
    try:
        # A zone ("%eth0") is of use on one machine only, and no database takes it.
        return str(ipaddress.ip_address(text.split("%")[0]))
    except ValueError:
        return None


def client_ip(request: HttpRequest) -> str | None:
    """The caller's address; X-Forwarded-For only where a proxy is declared (TRUST_PROXY).

    Of that header only the last entry counts: it is the one our own proxy wrote.
    """
    if settings.ENV["TRUST_PROXY"]:
        forwarded = request.headers.get("X-Forwarded-For", "").split(",")[-1].strip()
        if forwarded:
            return plain_ip(forwarded)
    return plain_ip(request.META.get("REMOTE_ADDR") or "")


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
