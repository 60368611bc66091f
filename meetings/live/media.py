"""The media worker made to follow the database: what each participant may send, and what is paused."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Q

from media_gateway import client
from meetings.live import spread
from meetings.live.guards import present
from meetings.live.models import Participant, Session
from meetings.live.signals import media_placed
from meetings.permissions.actor import Actor
from meetings.permissions.capabilities import TABLE, Capability, Role

SOURCES = ("mic", "camera", "screen", "screen_audio")
NEEDS = {
    "mic": Capability.MEDIA_AUDIO,
    "camera": Capability.MEDIA_VIDEO,
    "screen": Capability.MEDIA_SCREEN,
    "screen_audio": Capability.MEDIA_SCREEN,
}
MESSAGE_NEEDS = {
    "cursor": Capability.POINTER_SHOW,
    "stroke": Capability.POINTER_SHOW,
    "reaction": Capability.REACTION_SEND,
}
TURN_SECONDS = 12 * 3600


def publish_sources(role: str) -> list[str]:
    """What a participant of that role may send."""
    return [source for source in SOURCES if Role(role) in TABLE.get(NEEDS[source], frozenset())]


def message_topics(role: str) -> list[str]:
    """What a participant of that role may say by the data channel."""
    return [topic for topic, needed in MESSAGE_NEEDS.items() if Role(role) in TABLE.get(needed, frozenset())]


def rights(role: str) -> dict[str, list[str]]:
    """What the worker is told of a role's rights."""
    return {"publish": publish_sources(role), "topics": message_topics(role)}


def silent_sources(participant: Participant) -> list[str]:
    """What the database says is off, and therefore is not forwarded."""
    on = {
        "mic": participant.mic,
        "camera": participant.camera,
        "screen": participant.screen,
        "screen_audio": participant.screen,
    }
    return [source for source in SOURCES if not on[source]]


def ice_servers(participant: Participant) -> list[dict[str, Any]]:
    """TURN servers with credentials that end by themselves (coturn's use-auth-secret)."""
    return ice_servers_for(participant.public_id)


def ice_servers_for(public_id: str) -> list[dict[str, Any]]:
    """The same for whoever is known by that id."""
    if not settings.TURN_URLS:
        return []
    name = f"{int(time.time()) + TURN_SECONDS}:{public_id}"
    # SHA-1 is what that scheme asks for; as an HMAC key it is not weakened by collisions.
    digest = hmac.new(settings.TURN_SECRET.encode(), name.encode(), hashlib.sha1).digest()
    return [{"urls": settings.TURN_URLS, "username": name, "credential": base64.b64encode(digest).decode()}]


def tell(session: Session, op: str, *, peer: str | None = None, data: dict[str, Any] | None = None) -> None:
    """On commit, have the worker of `peer` do `op`, or all of the session's, wherever the room is by then."""

    def send() -> None:
        current = Session.objects.filter(pk=session.pk).first()
        if current is None:
            return
        for node in _serving(current, peer):
            client.tell(node, op, room=str(session.room_id), peer=peer, data=data)

    # robust: the database has changed already, and whoever connects to the worker next brings it along.
    transaction.on_commit(send, robust=True)


def _serving(session: Session, peer: str | None) -> list[str]:
    """The worker that serves a peer, or without one all that hold something of the room."""
    if peer is None:
        return spread.workers_of(session)
    own = session.participants.filter(public_id=peer).values_list("node", flat=True).first()
    node = own or session.node
    return [node] if node else []


def tell_pause(participant: Participant, sources: list[str], *, paused: bool) -> None:
    data = {"sources": sources, "paused": paused}
    tell(participant.session, "peer.pause", peer=participant.public_id, data=data)


def tell_permit(participant: Participant) -> None:
    data = rights(participant.role)
    tell(participant.session, "peer.permit", peer=participant.public_id, data=data)


@dataclass(frozen=True)
class Target:
    """Where somebody's media is, and what they may send there."""

    node: str
    room: str
    peer: str
    generation: int
    publish: list[str]


@dataclass(frozen=True)
class Plan:
    """What is needed to connect one participant's media: where, as which generation, with which rights."""

    participant: Participant
    seat: spread.Seat
    generation: int

    @property
    def add(self) -> dict[str, Any]:
        role = self.participant.role
        return {
            "generation": self.generation,
            "name": self.participant.name,
            **rights(role),
            "pause": silent_sources(self.participant),
        }

    @property
    def target(self) -> Target:
        participant = self.participant
        return Target(
            self.seat.node,
            str(participant.session.room_id),
            participant.public_id,
            self.generation,
            publish_sources(participant.role),
        )


def plan_connection(*, actor: Actor) -> Plan:
    """Place the room if need be and begin a new generation of the actor's media. Raises RoomError."""
    return plan_for(present(actor))


def plan_for(participant: Participant) -> Plan:
    """The same for a participant who was just read or written, and is in the room. Raises RoomError."""
    seat = spread.seat_participant(participant, by_channel=participant.channel)
    participant.refresh_from_db(fields=["generation", "mic", "camera", "screen", "role", "node"])
    client.look_up(seat.node)
    return Plan(participant, seat, participant.generation)


def announce_placed(session_id: int) -> None:
    """The worker has taken the room: whoever has something to arm there does it now."""
    session = Session.objects.select_related("meeting").get(pk=session_id)
    media_placed.send_robust(sender=Session, session=session)


def target_of(*, actor: Actor) -> Target:
    """Where the actor's media is. Raises RoomError."""
    participant = present(actor)
    session = participant.session
    node = participant.node or session.node
    if node:
        client.look_up(node)
    return Target(
        node,
        str(session.room_id),
        participant.public_id,
        participant.generation,
        publish_sources(participant.role),
    )


def reproject(node: str, instance: str) -> None:
    """Tell a worker whose link was away what it may have missed: who is gone, and what is on and off."""
    own = Q(node="", session__node=node, session__node_instance=instance)
    here = own | Q(node=node, node_instance=instance)
    participants = Participant.objects.filter(here, session__ended_at=None).exclude(generation=0)
    for participant in participants.select_related("session"):
        room = str(participant.session.room_id)
        if participant.state != Participant.State.IN:
            client.tell(node, "peer.remove", room=room, peer=participant.public_id)
            continue
        off = silent_sources(participant)
        on = [source for source in SOURCES if source not in off]
        permit = rights(participant.role)
        client.tell(node, "peer.permit", room=room, peer=participant.public_id, data=permit)
        for sources, paused in ((off, True), (on, False)):
            data = {"sources": sources, "paused": paused}
            client.tell(node, "peer.pause", room=room, peer=participant.public_id, data=data)
