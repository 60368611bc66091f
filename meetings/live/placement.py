"""Which media worker holds a session's room: decided in one atomic step, here alone."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from dataclasses import dataclass
from typing import Protocol

from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _

from media_gateway import nodes
from media_gateway.models import MediaNode
from meetings.live import events
from meetings.live.errors import RoomError, full, unavailable
from meetings.live.models import Session


@dataclass(frozen=True)
class Placement:
    """`moved`: this call chose the worker, so nothing of the room is there yet."""

    node: str
    instance: str
    moved: bool


def _holds(session: Session) -> bool:
    """Whether the room still is where the row says.

    A worker in a short blip of its link counts: it has the media.
    """
    if not session.node:
        return False
    node = MediaNode.objects.filter(name=session.node, instance=session.node_instance).first()
    if node is None or node.state == MediaNode.State.DOWN:
        return False
    return node.heartbeat_at >= timezone.now() - dt.timedelta(seconds=nodes.HEARTBEAT_TIMEOUT)


def rooms_by_node() -> Counter[str]:
    """How many rooms are placed on each worker."""
    return Counter(Session.objects.filter(ended_at=None).exclude(node="").values_list("node", flat=True))


def place_session(session_id: int, *, by_channel: str = "") -> Placement:
    """The worker of the session's room, chosen now if it has none that lives. Raises RoomError.

    When the room had to move, everyone in it but the consumer `by_channel` is told to connect anew.
    """
    while True:
        with transaction.atomic():
            session = Session.objects.select_related("meeting").get(pk=session_id)
            if session.ended_at is not None:
                raise RoomError("ended", _("The meeting has ended."))
            if _holds(session):
                return Placement(session.node, session.node_instance, moved=False)
            try:
                chosen = nodes.least_loaded(MediaNode.Kind.MEDIA, rooms_by_node)
            except nodes.AllFull:
                raise full() from None
            if chosen is None:
                raise unavailable()
            rows = Session.objects.filter(
                pk=session_id, ended_at=None, node=session.node, node_instance=session.node_instance
            )
            if rows.update(node=chosen.name, node_instance=chosen.instance):
                if session.node:
                    events.notify_session(session, "room.media_reset", reason="moved", exclude=by_channel)
                return Placement(chosen.name, chosen.instance, moved=True)
        # Someone else placed it between our look and our write: look again.


class Placed(Protocol):
    """A worker's name and instance, as a `Placement` or a seat has them."""

    @property
    def node(self) -> str: ...
    @property
    def instance(self) -> str: ...


def unplace_session(session_id: int, placement: Placed) -> None:
    """Take back a placement whose worker did not take the room, so that the next try chooses again."""
    Session.objects.filter(pk=session_id, node=placement.node, node_instance=placement.instance).update(
        node="", node_instance=""
    )


def release_rooms(node: str, instance: str) -> list[Session]:
    """That worker is gone: have every browser in its rooms connect anew. Returns the sessions."""
    with transaction.atomic():
        lost = list(
            Session.objects.select_for_update(of=("self",))
            .select_related("meeting")
            .filter(node=node, node_instance=instance, ended_at=None)
        )
        Session.objects.filter(pk__in=[session.pk for session in lost]).update(node="", node_instance="")
        for session in lost:
            events.notify_session(session, "room.media_reset", reason="node_down", exclude="")
    return lost


def rooms_on(node: str, instance: str) -> list[str]:
    """Ids of the rooms of running sessions that belong on that worker."""
    here = Q(node=node, node_instance=instance) | Q(
        participants__node=node, participants__node_instance=instance
    )
    ids = Session.objects.filter(here, ended_at=None).values_list("room_id", flat=True).distinct()
    return [str(room_id) for room_id in ids]
