"""What flows all the time beside the negotiation: views, reports, data messages (docs/protocol.md 1.9, 1.10).

These come often, so they are answered from what the connection knows and leave no trace in the database: who
is in the session and where its media lives is read once, and again when it may have changed.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

from django.utils.translation import gettext as _

from media_gateway import client
from media_gateway.client import GatewayError
from media_gateway.control.consumer import room_group
from meetings.live import media, media_forms, protocol
from meetings.live.connection import Handler, Reply
from meetings.live.errors import RoomError, unavailable
from meetings.live.media_handlers import as_room_error, ask_worker, stale
from meetings.live.models import Participant
from meetings.live.rates import room_may_say
from meetings.permissions.actor import Actor
from meetings.permissions.capabilities import HOSTS_DECIDE
from meetings.permissions.decide import Decision, Refused
from portal.threads import in_thread

log = logging.getLogger("plenum.live")

DATA_SECONDS = 2.0  # a pointer that comes later than that helps nobody


def _present(consumer: Any) -> None:
    if consumer.place != "room":
        raise RoomError("not_joined", _("You have not joined this meeting."))


def _current(consumer: Any, data: dict[str, Any]) -> int:
    generation = protocol.number(data, "generation")
    _present(consumer)
    if generation != consumer.generation:
        raise stale()
    return generation


async def _route(consumer: Any) -> media.Target:
    """Where the media of this connection lives; its `node` is empty while that is nowhere."""
    if consumer.route is None:
        route: media.Target = await in_thread(media.target_of, actor=consumer.actor)
        if not route.node:
            return route
        consumer.route = route
    return consumer.route


def _members(actor: Actor, ids: set[str]) -> set[str]:
    assert actor.participant is not None
    rows = Participant.objects.filter(session_id=actor.participant.session_id, public_id__in=ids)
    return set(rows.values_list("public_id", flat=True))


async def _refuse_strangers(consumer: Any, ids: Iterable[str]) -> None:
    """Everybody named has to have a part in this session; who has just left still counts."""
    unknown = set(ids) - consumer.known
    if unknown:
        consumer.known |= await in_thread(_members, consumer.actor, unknown)
        if unknown - consumer.known:
            raise RoomError("not_found", _("This person is not in this meeting."))


async def view(consumer: Any, data: dict[str, Any]) -> Reply:
    tracks = media_forms.view(data)
    generation = _current(consumer, data)
    await _refuse_strangers(consumer, (track["peer"] for track in tracks))
    # Nobody gets their own pictures back.
    tracks = [track for track in tracks if track["peer"] != consumer.public_id]
    target = await _route(consumer)
    if not target.node:
        raise unavailable()
    try:
        await client.request(
            target.node,
            "peer.view",
            room=target.room,
            peer=target.peer,
            data={"generation": generation, "tracks": tracks},
            recent=True,
        )
    except GatewayError as error:
        consumer.route = None
        raise as_room_error(error) from error
    return Reply()


async def report(consumer: Any, data: dict[str, Any]) -> Reply:
    told = media_forms.report(data)
    generation = _current(consumer, data)
    await _refuse_strangers(consumer, (one["peer"] for one in told["subscribe"]))
    target = await _route(consumer)
    if target.node:
        # Another one comes in two seconds: nobody waits for this one's way.
        await client.post(
            target.node,
            "peer.report",
            room=target.room,
            peer=target.peer,
            data={"generation": generation, **told},
        )
    return Reply()


async def restart(consumer: Any, data: dict[str, Any]) -> Reply:
    generation = protocol.number(data, "generation")
    await ask_worker(consumer, "peer.restart", generation, {"generation": generation}, set())
    return Reply()


def _too_many() -> RoomError:
    return RoomError("rate_limited", _("Too many messages. Please slow down."))


async def send_data(consumer: Any, data: dict[str, Any]) -> Reply:
    message = media_forms.message(data)
    _present(consumer)
    needed = media.MESSAGE_NEEDS[message["topic"]]
    if needed not in consumer.capabilities:
        raise Refused(Decision(False, needed, _("Your role does not allow this."), str(HOSTS_DECIDE)))
    if not consumer.room_bucket.take():
        raise _too_many()
    missed = await _over_channels(consumer, message)
    if missed is None and not await in_thread(room_may_say, consumer.room_id):
        raise _too_many()
    if missed is None or missed:
        event = {
            "type": "gateway.event",
            "event": "data",
            "room": consumer.room_id,
            "peer": consumer.public_id,
            "generation": None,
            "data": {**message, "missed": missed},
        }
        await consumer.channel_layer.group_send(room_group(consumer.room_id), event)
    return Reply()


async def _over_channels(consumer: Any, message: dict[str, Any]) -> list[str] | None:
    """Send over the data channels of the room; those who have none, or None for everybody.

    Without an answer in time it may have arrived all the same: then nobody gets it twice.
    """
    target = await _route(consumer)
    if not target.node:
        return None
    try:
        reply = await client.request(
            target.node,
            "room.data",
            room=target.room,
            data={"from": target.peer, **message},
            timeout=DATA_SECONDS,
            recent=True,
        )
    except GatewayError as error:
        if error.code == "rate_limited":
            raise _too_many() from error
        log.debug("data of %s at %s: %s", target.peer, target.node, error)
        consumer.route = None
        return [] if error.code == "timeout" else None
    return list(reply.get("missed", []))


HANDLERS: dict[str, Handler] = {
    "media.view": view,
    "media.report": report,
    "media.restart": restart,
    "data.send": send_data,
}
