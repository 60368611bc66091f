"""Housekeeping of streams: what nobody told us of."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict

from celery import shared_task
from django.utils import timezone

from media_gateway import client
from media_gateway.client import GatewayError
from meetings.live.models import Participant
from meetings.permissions.actor import SYSTEM
from meetings.streams.ending import end_connection
from meetings.streams.models import StreamConnection

NEVER_OPENED = dt.timedelta(seconds=60)


@shared_task(name="meetings.streams.tasks.reap_streams", ignore_result=True)
def reap_streams() -> int:
    """End streams whose key, worker or peer is gone without a word; returns how many.

    A message of a worker may be lost with its link, and keys expire silently.
    """
    rows = StreamConnection.objects.filter(ended_at=None)
    ended = 0
    rooms: dict[tuple[str, str], list[StreamConnection]] = defaultdict(list)
    for connection in rows.select_related("key", "session", "participant"):
        reason = _reason(connection)
        if reason:
            ended += end_connection(connection, reason=reason, actor=SYSTEM)
        elif connection.opened_at is not None:
            rooms[connection.node, str(connection.session.room_id)].append(connection)
    for (node, room), connections in rooms.items():
        ended += _compare(node, room, connections)
    return ended


def _reason(connection: StreamConnection) -> str:
    session = connection.session
    if not connection.key.is_usable():
        return "expired"
    if session.ended_at is not None:
        return "session"
    if connection.opened_at is None:
        return "failed" if timezone.now() - connection.created_at > NEVER_OPENED else ""
    moved = (session.node, session.node_instance) != (connection.node, connection.node_instance)
    return "worker" if moved else ""


def _compare(node: str, room: str, connections: list[StreamConnection]) -> int:
    """End what the worker does not know; what it knows is alive."""
    try:
        peers = client.sync_request(node, "room.stats", room=room).get("peers", [])
    except GatewayError as error:
        if error.code != "not_found":
            return 0  # it cannot be asked now, which says nothing
        peers = []
    known = {(peer["peer"], peer["generation"]) for peer in peers}
    ended = 0
    for connection in connections:
        if (connection.peer, connection.generation) not in known:
            ended += end_connection(connection, reason="lost", actor=SYSTEM)
        elif connection.participant_id is not None:
            alive = Participant.objects.filter(pk=connection.participant_id)
            alive.update(last_seen_at=timezone.now())
    return ended
