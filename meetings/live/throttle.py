"""Guessing of join codes over the WebSocket counts together with guessing by the room page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.conf import settings

from accounts.network import plain_ip
from meetings.invitations.throttle import JOIN_CODES

__all__ = ["JOIN_CODES", "scope_caller", "scope_ip"]


def scope_ip(scope: Mapping[str, Any]) -> str | None:
    """The address behind an ASGI connection; X-Forwarded-For only where a proxy is declared (TRUST_PROXY)."""
    client = scope.get("client")
    address = str(client[0]) if client else ""
    if settings.ENV["TRUST_PROXY"]:
        for name, value in scope.get("headers", ()):
            if name == b"x-forwarded-for":
                address = value.decode("latin-1").split(",")[-1].strip() or address
    return plain_ip(address)


def scope_caller(scope: Mapping[str, Any]) -> str:
    """Whose misses to count, as `invitations.throttle.caller` does for requests."""
    user = scope.get("user")
    if user is not None and user.is_authenticated:
        return f"user:{user.pk}"
    return f"ip:{scope_ip(scope) or '-'}"
