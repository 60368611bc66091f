"""What ends a stream from outside: its network, its worker, its session, a host who removes it."""

from __future__ import annotations

import asyncio
from typing import Any

from django.dispatch import receiver

from media_gateway.models import MediaNode
from media_gateway.signals import node_down, peer_event
from meetings.live.models import Participant, Session
from meetings.live.signals import participant_left, session_ended
from meetings.permissions.actor import SYSTEM
from meetings.streams.ending import end_connection
from meetings.streams.models import StreamConnection
from portal.threads import in_thread

# Streams have ids of their own kinds, so that events of all other peers cost nothing here.
_STREAM_IDS = ("s", "w")
_OVER = ("failed", "closed")
# asyncio keeps only weak references to tasks.
_background: set[asyncio.Task[int]] = set()


def end_all(rows: Any, reason: str) -> int:
    """End the open ones of these connections; how many."""
    open_rows = rows.filter(ended_at=None).select_related("session", "participant", "key")
    return sum(end_connection(connection, reason=reason, actor=SYSTEM) for connection in open_rows)


def _lost(room: str, peer: str, generation: int | None) -> int:
    rows = StreamConnection.objects.filter(session__room_id=room, peer=peer)
    # A late word of a connection that was replaced says nothing of the one that runs.
    return end_all(rows if generation is None else rows.filter(generation=generation), "lost")


@receiver(peer_event)
async def follow_peer(
    event: str, room: str, peer: str, generation: int | None, data: dict[str, Any], **_kwargs: Any
) -> None:
    """No consent any more, or the program said goodbye by DTLS (RFC 9725 section 4.2)."""
    if not peer.startswith(_STREAM_IDS):
        return
    said_goodbye = event == "peer.state" and data.get("pc") != "subscribe" and data.get("state") in _OVER
    if event == "peer.gone" or said_goodbye:
        # Beside: the worker's link must not wait for the database.
        task = asyncio.create_task(in_thread(_lost, room, peer, generation))
        _background.add(task)
        task.add_done_callback(_background.discard)


@receiver(node_down)
def end_with_worker(node: MediaNode, instance: str, **_kwargs: Any) -> None:
    """A worker that starts anew knows no stream: each has to connect again."""
    if node.kind == MediaNode.Kind.MEDIA:
        end_all(StreamConnection.objects.filter(node=node.name, node_instance=instance), "worker")


@receiver(session_ended)
def end_with_session(session: Session, **_kwargs: Any) -> None:
    end_all(StreamConnection.objects.filter(session=session), "session")


@receiver(participant_left)
def end_removed(participant: Participant, **_kwargs: Any) -> None:
    if participant.is_stream:
        end_all(StreamConnection.objects.filter(participant=participant), "removed")
