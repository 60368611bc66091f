"""The end of a stream: by its program, by a host, with its network, its worker or its session."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from media_gateway import client
from meetings.live.guards import audit, lock_session
from meetings.live.joining import go_out
from meetings.live.models import Participant
from meetings.permissions.actor import Actor
from meetings.streams.models import StreamConnection

# What others in the room are told: a stream that was not ended on purpose is lost, as a person is.
_LOST = ("lost", "worker", "failed")


def end_connection(connection: StreamConnection, *, reason: str, actor: Actor) -> bool:
    """Take the stream out of room and worker, at once; False if it had ended already.

    `reason`: deleted, replaced, revoked, expired, removed, lost, worker, failed, session.
    """
    with transaction.atomic():
        session = lock_session(connection.session_id)
        open_rows = StreamConnection.objects.filter(pk=connection.pk, ended_at=None)
        if not open_rows.update(ended_at=timezone.now(), end_reason=reason):
            return False
        participant = connection.participant
        if participant is not None:
            participant = Participant.objects.get(pk=participant.pk)
            participant.session = session
        is_in = participant is not None and participant.state == Participant.State.IN
        if participant is not None and is_in and session.ended_at is None:
            left = "lost" if reason in _LOST else "left"
            go_out(participant, Participant.State.LEFT, left, at=timezone.now())
            audit("stream.leave", participant, actor=actor, reason=reason)
        elif connection.node:
            # Who plays, or never came in: only the worker knows of it.
            node, room, peer = connection.node, str(session.room_id), connection.peer
            transaction.on_commit(lambda: _drop(node, room, peer), robust=True)
    return True


def _drop(node: str, room: str, peer: str) -> None:
    client.tell(node, "peer.remove", room=room, peer=peer)
