"""One large room on several media workers: who is served where, and the relays between these workers.

A session has one worker of its own. When that one serves `MEDIA_SPREAD_AT` people of the room, the next are
served by others; each worker relays what is published on it to the others (docs/protocol.md 2.1), so
everybody sees everybody.
"""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass

from django.conf import settings
from django.core.cache import cache
from django.db import transaction
from django.db.models import F

from media_gateway import client, nodes
from media_gateway.client import GatewayError
from media_gateway.models import MediaNode
from meetings.live import events, placement
from meetings.live.errors import full
from meetings.live.models import Participant, Session

log = logging.getLogger("plenum.live")

TRIES = 3
AGAIN_SECONDS = 5  # a relay is not made anew more often, whoever misses it


@dataclass(frozen=True)
class Seat:
    """Where one person is served. `moved`: the session's own worker was chosen just now. `others`: workers
    of the room that this one, which serves nobody of it yet, is to be joined with."""

    node: str
    instance: str
    moved: bool
    others: tuple[str, ...] = ()


def served(session: Session, *, but: int = 0) -> Counter[tuple[str, str]]:
    """How many people in the room each (worker, instance) serves, the participant `but` left out."""
    rows = session.participants.filter(state=Participant.State.IN).exclude(generation=0).exclude(pk=but)
    own = (session.node, session.node_instance)
    return Counter(
        (node, instance) if node else own for node, instance in rows.values_list("node", "node_instance")
    )


def seat_participant(participant: Participant, *, by_channel: str = "") -> Seat:
    """Choose who serves a participant and begin a new generation, in one atomic step. Raises RoomError.

    Whoever is served already stays where they are as long as that worker lives.
    """
    placed = placement.place_session(participant.session_id, by_channel=by_channel)
    with transaction.atomic():
        session = Session.objects.select_for_update().get(pk=participant.session_id)
        own = (session.node, session.node_instance)
        loads = served(session, but=participant.pk)
        lives = set(nodes.present(MediaNode.Kind.MEDIA).values_list("name", "instance"))
        for gone in [worker for worker in loads if worker not in lives and worker != own]:
            del loads[gone]
        current = (participant.node, participant.node_instance)
        chosen = current if participant.node and current in lives else _choose(own, loads)
        is_own = chosen == own
        node, instance = ("", "") if is_own else chosen
        Participant.objects.filter(pk=participant.pk).update(
            node=node, node_instance=instance, generation=F("generation") + 1
        )
    others = () if loads[chosen] else tuple(sorted({name for name, _ in loads} - {chosen[0]}))
    return Seat(*chosen, moved=placed.moved and is_own, others=others)


def _choose(own: tuple[str, str], loads: Counter[tuple[str, str]]) -> tuple[str, str]:
    """The session's own worker, another of the room's with places left, a new one, or any that takes it."""
    limit = settings.MEDIA_SPREAD_AT
    if loads[own] < limit:
        return own
    branches = sorted((count, worker) for worker, count in loads.items() if worker != own)
    if branches and branches[0][0] < limit:
        return branches[0][1]
    try:
        used = {name for name, _ in loads}
        fresh = nodes.least_loaded(MediaNode.Kind.MEDIA, placement.rooms_by_node, but=used)
    except nodes.AllFull:
        fresh = None
    if fresh is not None:
        return fresh.name, fresh.instance
    count, worker = min([*branches, (loads[own], own)])
    if count >= settings.MEDIA_MAX_PEERS_PER_ROOM:
        raise full()
    return worker


# --- relays --------------------------------------------------------------------------------
def join_workers(room: str, own: str, node: str, others: tuple[str, ...]) -> None:
    """Relay both ways between `node` and each of the others; `own` is the session's own worker."""
    for other in others:
        for giver, taker in ((other, node), (node, other)):
            _relay(room, own, giver, taker)


def _relay(room: str, own: str, giver: str, taker: str) -> bool:
    for attempt in range(TRIES):
        try:
            offer = client.sync_request(giver, "relay.open", room=room, data={"relay": taker})
            told = {"relay": giver, "sdp": offer["sdp"], "leader": giver == own}
            answer = client.sync_request(taker, "relay.pull", room=room, data=told)
            client.sync_request(giver, "relay.answer", room=room, data={"relay": taker, "sdp": answer["sdp"]})
        except GatewayError as error:
            log.warning("relay of room %s from %s to %s, try %d: %s", room, giver, taker, attempt + 1, error)
            if error.code == "not_found":
                return False  # nobody is served there any more
        else:
            return True
    return False


def renew_relay(room: str, node: str, other: str) -> None:
    """A relay between two workers was lost: made anew while both serve the room, else taken down."""
    session = Session.objects.filter(room_id=room, ended_at=None).first()
    if session is None:
        return
    serving = {name for name, _ in served(session)}
    if {node, other} <= serving:
        if cache.add(f"relay:{room}:{min(node, other)}:{max(node, other)}", 1, AGAIN_SECONDS):
            join_workers(room, session.node, node, (other,))
        return
    for here, there in ((node, other), (other, node)):
        client.tell(here, "relay.close", room=room, data={"relay": there})


# --- workers that die --------------------------------------------------------------------------------
def release_seats(node: str, instance: str) -> None:
    """That worker is gone: whom it served beside its own rooms connects anew."""
    with transaction.atomic():
        lost = list(
            Participant.objects.select_for_update(of=("self",))
            .select_related("session")
            .filter(node=node, node_instance=instance, session__ended_at=None)
        )
        Participant.objects.filter(pk__in=[participant.pk for participant in lost]).update(
            node="", node_instance=""
        )
        for participant in lost:
            events.send_to_participant(participant, "media.reset", {"reason": "node_down"})


def workers_of(session: Session) -> list[str]:
    """Every worker that may hold something of the session's room, its own first."""
    names = session.participants.exclude(node="").values_list("node", flat=True).distinct().order_by("node")
    return [name for name in dict.fromkeys([session.node, *names]) if name]
