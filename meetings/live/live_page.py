"""The administration's page of a running session: how its media does, asked of its worker at each look."""

from __future__ import annotations

import logging
from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext as _

from media_gateway import client
from media_gateway.client import GatewayError
from media_gateway.models import MediaNode
from meetings.live import spread
from meetings.live.live_stats import tables
from meetings.live.models import Session

log = logging.getLogger("plenum.live")

WAIT_SECONDS = 2.0
REFRESH_MS = 3000
SHOWN_INCIDENTS = 10


def live_context(request: HttpRequest, session: Session) -> dict[str, Any]:
    """What templates/admin/session_live.html shows; `problem` says in words why there are no figures."""
    context: dict[str, Any] = {
        "session": session,
        "refresh_ms": REFRESH_MS if session.is_running else 0,
        "problem": "",
        "node": MediaNode.objects.filter(name=session.node).first() if session.node else None,
        "incidents": session.incidents.select_related("publisher", "subscriber")[:SHOWN_INCIDENTS],
        "tables": None,
    }
    if not session.is_running:
        context["problem"] = _("This session is over.")
    elif not session.node:
        context["problem"] = _("Nobody has connected audio or video yet.")
    else:
        try:
            stats = _stats(session)
        except GatewayError as error:
            context["problem"] = _why(error)
        else:
            names = dict(session.participants.values_list("public_id", "name"))
            context["tables"] = tables(stats, names)
    return context


def _stats(session: Session) -> dict[str, Any]:
    """What the room's own worker says, with the people that others of a large room serve. GatewayError."""
    own, *others = spread.workers_of(session)
    room = str(session.room_id)
    stats = client.sync_request(own, "room.stats", room=room, timeout=WAIT_SECONDS)
    for node in others:
        try:
            more = client.sync_request(node, "room.stats", room=room, timeout=WAIT_SECONDS)
        except GatewayError as error:
            log.info("no figures of room %s from %s: %s", room, node, error)
            continue
        stats["peers"] = [*stats.get("peers", []), *more.get("peers", [])]
        stats["quality"] = {**stats.get("quality", {}), **more.get("quality", {})}
    return stats


def _why(error: GatewayError) -> str:
    if error.code == "not_found":
        return _("Nobody is connected with audio or video just now.")
    if error.code == "timeout":
        return _("The media worker does not answer.")
    return _("The media worker cannot be reached.")
