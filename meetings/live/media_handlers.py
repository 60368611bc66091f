"""The requests and events of docs/protocol.md 1.8: passed between the browser and the media worker."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from django.utils.translation import gettext as _

from media_gateway import client
from media_gateway.client import GatewayError
from meetings.live import media, placement, protocol, spread
from meetings.live.connection import Handler, Reply
from meetings.live.errors import RoomError, crowded, full, unavailable
from meetings.permissions.decide import Decision, Refused
from portal.threads import in_background, in_thread

log = logging.getLogger("plenum.live")


def as_room_error(error: GatewayError) -> RoomError:
    """What a worker's refusal means to a browser."""
    if error.code == "bad_sdp":
        return RoomError("bad_sdp", _("This session description cannot be used."))
    if error.code == "stale_generation":
        return stale()
    if error.code == "bad_request":
        return RoomError("bad_message", _("The media server did not understand this."))
    if error.code == "forbidden":
        return RoomError("forbidden", _("Your role does not allow this."))
    if error.code == "overloaded":
        return crowded()
    return unavailable()


def stale() -> RoomError:
    return RoomError("stale_generation", _("The media connection has been renewed meanwhile."))


async def connect(consumer: Any, data: dict[str, Any]) -> Reply:
    return Reply(await open_media(consumer, await in_thread(media.plan_connection, actor=consumer.actor)))


async def open_media(consumer: Any, plan: media.Plan) -> dict[str, Any]:
    """Have the worker take the peer; what the browser connects with. Raises RoomError."""
    seat, room, peer = plan.seat, plan.target.room, plan.target.peer
    consumer.generation, consumer.route, consumer.offer_version = plan.generation, None, 0
    try:
        reply = await client.request(seat.node, "peer.add", room=room, peer=peer, data=plan.add, recent=True)
    except GatewayError as error:
        log.warning("media of %s at %s: %s", peer, seat.node, error)
        if seat.moved:
            await in_thread(placement.unplace_session, plan.participant.session_id, seat)
        raise full() if seat.moved and error.code == "overloaded" else as_room_error(error) from error
    consumer.route = plan.target
    if seat.moved:
        await in_thread(media.announce_placed, plan.participant.session_id)
    if seat.others:
        _join_workers(room, plan.participant.session.node, seat)
    return {
        "generation": plan.generation,
        "ice_servers": media.ice_servers(plan.participant),
        "subscribe": reply.get("subscribe"),
    }


def _join_workers(room: str, own: str, seat: spread.Seat) -> None:
    """Beside the answer to the browser, which can connect meanwhile."""
    in_background(in_thread(spread.join_workers, room, own or seat.node, seat.node, seat.others))


async def ask_worker(
    consumer: Any, op: str, generation: int, data: dict[str, Any], sources: set[str]
) -> dict[str, Any]:
    """Have the worker do `op` for this connection's peer, which is to send `sources`.

    Raises RoomError, Refused.
    """
    target: media.Target = await in_thread(media.target_of, actor=consumer.actor)
    if generation != target.generation:
        raise stale()
    refused = sources - set(target.publish)
    if refused:
        rule = media.NEEDS[sorted(refused)[0]]
        raise Refused(Decision(False, rule, _("Your role does not allow this.")))
    return await _ask(consumer, target, op, data)


async def _ask(consumer: Any, target: media.Target, op: str, data: dict[str, Any]) -> dict[str, Any]:
    try:
        return await client.request(
            target.node, op, room=target.room, peer=target.peer, data=data, recent=True
        )
    except GatewayError as error:
        if error.code == "not_found":
            # The worker knows nothing of this peer: only a new beginning helps.
            await consumer.event("media.reset", {"reason": "unknown_peer"})
        consumer.route = None
        raise as_room_error(error) from error


async def publish(consumer: Any, data: dict[str, Any]) -> Reply:
    generation = protocol.number(data, "generation")
    tracks = protocol.tracks(data, media.SOURCES)
    offer = {"generation": generation, "sdp": protocol.sdp(data), "tracks": tracks}
    reply = await ask_worker(
        consumer, "peer.publish", generation, offer, {track["source"] for track in tracks}
    )
    return Reply({"generation": generation, "sdp": reply["sdp"]})


async def answer(consumer: Any, data: dict[str, Any]) -> Reply:
    generation = protocol.number(data, "generation")
    reply = {"generation": generation, "version": protocol.number(data, "version"), "sdp": protocol.sdp(data)}
    route: media.Target | None = consumer.route
    if (
        route is not None
        and consumer.place == "room"
        and generation == route.generation == consumer.generation
    ):
        # What one receives asks for no right, so no database is asked on the way to the first picture.
        await _ask(consumer, route, "peer.answer", reply)
    else:
        await ask_worker(consumer, "peer.answer", generation, reply, set())
    return Reply()


HANDLERS: dict[str, Handler] = {"media.connect": connect, "media.publish": publish, "media.answer": answer}


async def pass_on(consumer: Any, message: dict[str, Any]) -> None:
    """An event of the worker as the browser is to hear it; one of an older generation is dropped."""
    event, generation, data = message["event"], message["generation"], message["data"]
    if event in FOR_ROOM:
        await _tell_room(consumer, event, message["peer"], data)
        return
    if message["peer"] != consumer.public_id:
        return
    if event == "request.failed":
        await consumer.event("media.reset", {"reason": "out_of_step"})
    elif generation is not None and generation != consumer.generation:
        return
    elif event == "peer.gone":
        await consumer.event("media.reset", {"reason": "no_consent"})
    elif event == "subscribe.offer" and data["version"] < consumer.offer_version:
        return  # told again after a broken link; a newer one has passed already
    elif event in FOR_ONE:
        consumer.offer_version = data.get("version", consumer.offer_version)
        type, told = FOR_ONE[event](data)
        await consumer.event(type, {"generation": consumer.generation, **told} if type in BOUND else told)


async def _tell_room(consumer: Any, event: str, sender: str | None, data: dict[str, Any]) -> None:
    if event == "speaker":
        await consumer.event("speaker.changed", {"participants": data.get("peers", [])})
    elif event == "quality":
        await consumer.event("media.quality", {"participants": data["peers"]})
    elif sender != consumer.public_id and (data["missed"] is None or consumer.public_id in data["missed"]):
        told = {"from": sender, "topic": data["topic"], "body": data["body"]}
        await consumer.event("data.message", told)


def _trouble(data: dict[str, Any]) -> dict[str, Any]:
    return {"participant": data["peer"], **{key: data[key] for key in ("source", "hop", "state", "action")}}


def _paused(data: dict[str, Any]) -> dict[str, Any]:
    tracks = data["tracks"]
    return {
        "tracks": [
            {"participant": one["peer"], "source": one["source"], "reason": one["reason"]} for one in tracks
        ]
    }


FOR_ROOM = frozenset({"speaker", "quality", "data"})
FOR_ONE: dict[str, Callable[[dict[str, Any]], tuple[str, dict[str, Any]]]] = {
    "subscribe.offer": lambda data: ("media.offer", {"version": data["version"], "sdp": data["sdp"]}),
    "peer.state": lambda data: ("media.state", {"pc": data["pc"], "state": data["state"]}),
    "layers": lambda data: ("media.layers", {"source": data["source"], "active": data["active"]}),
    "trouble": lambda data: ("media.trouble", _trouble(data)),
    "paused": lambda data: ("media.paused", _paused(data)),
}
# Events that say which generation they belong to.
BOUND = frozenset({"media.offer", "media.state", "media.layers", "media.paused"})
