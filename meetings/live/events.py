"""Events to browsers, sent over the channel layer on commit. Sync functions; the consumers pass them on.

Messages between processes: `room.event` carries one event of docs/protocol.md 1.6 as it is; the others tell a
consumer that its own participant has changed.
"""

from __future__ import annotations

import logging
from typing import Any

from channels.exceptions import ChannelFull
from channels.layers import get_channel_layer
from django.db import transaction

from meetings.live.models import Participant, Session
from meetings.permissions.capabilities import Capability
from portal.threads import on_loop

log = logging.getLogger("plenum.live")


def session_group(room_id: object) -> str:
    """Everyone in the room."""
    return f"room.{room_id}"


def watch_group(meeting_id: int) -> str:
    """Those who look at the door: before joining and in the lobby."""
    return f"watch.{meeting_id}"


async def _deliver(channel: str, message: dict[str, Any]) -> None:
    try:
        await get_channel_layer().send(channel, message)
    except ChannelFull:
        # A browser that takes nothing any more; its socket closes of silence, and its return brings it all.
        log.warning("channel %s is full: %s dropped", channel, message["type"])


def _send(channel: str, message: dict[str, Any]) -> None:
    on_loop(_deliver, channel, message)


def _group_send(group: str, message: dict[str, Any]) -> None:
    on_loop(get_channel_layer().group_send, group, message)


def _on_commit(function: Any, *args: Any) -> None:
    # robust: what is committed stays valid when the broker is away; Django logs the failure.
    transaction.on_commit(lambda: function(*args), robust=True)


def send_to_session(
    session: Session, type: str, data: dict[str, Any], *, only: Capability | None = None
) -> None:
    """Send an event to everyone in the room, or to those alone who have the capability `only`."""
    message = {"type": "room.event", "event": type, "data": data, "only": only.value if only else ""}
    _on_commit(_group_send, session_group(session.room_id), message)


def send_to_participant(participant: Participant, type: str, data: dict[str, Any]) -> None:
    """Send an event to one participant, if they are connected now."""
    if participant.channel:
        message = {"type": "room.event", "event": type, "data": data, "only": ""}
        _on_commit(_send, participant.channel, message)


def notify(participant: Participant, kind: str, **details: Any) -> None:
    """Tell the participant's own consumer what happened to them: `kind` is its handler, "room.…"."""
    if participant.channel:
        _on_commit(_send, participant.channel, {"type": kind, **details})


def notify_channel(channel: str, kind: str, **details: Any) -> None:
    """The same for a consumer known by its channel alone."""
    if channel:
        _on_commit(_send, channel, {"type": kind, **details})


def notify_session(session: Session, kind: str, **details: Any) -> None:
    """Tell every consumer in the room."""
    _on_commit(_group_send, session_group(session.room_id), {"type": kind, **details})


def notify_watchers(meeting_id: int, kind: str, **details: Any) -> None:
    """Tell every consumer at the door."""
    _on_commit(_group_send, watch_group(meeting_id), {"type": kind, **details})
