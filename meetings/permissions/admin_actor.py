"""Who acts on the pages of the administration."""

from __future__ import annotations

from django.http import HttpRequest

from accounts.adminbase import admin_user
from accounts.network import client_ip
from meetings.permissions.actor import Actor


def admin_actor(request: HttpRequest) -> Actor:
    """The administrator, with the same rights as anywhere else: services still ask the capability table."""
    return Actor(user=admin_user(request), ip=client_ip(request))
