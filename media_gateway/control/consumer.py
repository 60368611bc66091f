"""The web end of a control link: one consumer for each connected worker."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import time
from typing import Any

from channels.exceptions import ChannelFull
from channels.generic.websocket import AsyncWebsocketConsumer
from django.conf import settings

from media_gateway import nodes, signals
from media_gateway.control.auth import BadProof, Proof, ReplayLog, read_header
from media_gateway.draining import order
from media_gateway.models import MediaNode
from portal.threads import in_thread

log = logging.getLogger("plenum.gateway")

PROTOCOL = 1
HELLO_TIMEOUT = 5.0
ACK_SECONDS = 0.2  # the most a worker waits for word that its events arrived
LINK_GRACE = 1.5  # seconds a worker may be without link before its rooms are placed anew
MAX_FRAME = 1024 * 1024
MAX_TROUBLE = 1000  # of which it is told, that wait for the database
# Names become parts of channel group names, which allow no other characters.
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,80}", re.ASCII)
_ROOM = re.compile(r"[A-Za-z0-9-]{1,40}", re.ASCII)
_replays = ReplayLog()
# Events of one peer that others hear: how well it comes through, what it says over its data channel.
_ROOM_WIDE = frozenset({"quality", "data"})
# What happens to a peer itself, which portal code follows too (`signals.peer_event`).
_LIFE = frozenset({"peer.state", "peer.gone"})
# asyncio keeps only weak references to tasks.
_background: set[asyncio.Task[None]] = set()


def room_group(room: str) -> str:
    """The channel group that hears events of a whole room."""
    return f"gw.room.{room}"


def peer_group(room: str, peer: str) -> str:
    """The channel group that hears events of one peer."""
    return f"gw.peer.{room}.{peer}"


class Malformed(Exception):
    """The worker sent what the protocol does not know: another version, or not a worker at all."""


class ControlConsumer(AsyncWebsocketConsumer):
    """Relays requests to one worker, its replies to whoever asked, and its events to channel groups."""

    proof: Proof
    hello: nodes.Hello | None = None

    async def connect(self) -> None:
        self.pending: dict[int, tuple[str, float, dict[str, Any]]] = {}
        self.last_id = 0
        self.heard_at = time.monotonic()
        self.taken = self.acknowledged = 0
        self.acknowledging: asyncio.Task[None] | None = None
        self.watch: asyncio.Task[None] | None = None
        self.trouble: asyncio.Queue[tuple[str, dict[str, Any]]] = asyncio.Queue(MAX_TROUBLE)
        self.teller: asyncio.Task[None] | None = None
        header = dict(self.scope["headers"]).get(b"authorization", b"").decode("latin-1")
        try:
            self.proof = read_header(header, settings.MEDIA_SECRET)
        except BadProof as error:
            log.warning("control link from %s refused: %s", self._caller(), error)
            await self.close()
            return
        if _replays.repeated(self.proof):
            log.warning("control link from %s: authorization used before", self._caller())
        await self.accept()
        self.watch = asyncio.create_task(self._watch())

    def _caller(self) -> str:
        return str((self.scope.get("client") or ["?"])[0])

    async def _watch(self) -> None:
        """Close a link that says nothing: no hello at first, no heartbeat later."""
        while True:
            limit = nodes.HEARTBEAT_TIMEOUT if self.hello else HELLO_TIMEOUT
            left = self.heard_at + limit - time.monotonic()
            if left <= 0:
                log.warning(
                    "control link of %s is silent, closed", self.hello.node if self.hello else self._caller()
                )
                await self.close(code=4408)
                return
            await asyncio.sleep(min(left, 1.0))

    # --- from the worker ------------------------------------------------------------------------------
    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        try:
            if text_data is None or len(text_data) > MAX_FRAME:
                raise Malformed("binary or oversized frame")
            try:
                frame = json.loads(text_data)
            except (ValueError, RecursionError) as error:
                raise Malformed("not JSON") from error
            if not isinstance(frame, dict):
                raise Malformed("not an object")
            await self._take(frame)
        except Malformed as error:
            log.warning(
                "control link of %s closed: %s", self.hello.node if self.hello else self._caller(), error
            )
            await self.close(code=4400)

    async def _take(self, frame: dict[str, Any]) -> None:
        if self.hello is None:
            await self._greet(_read_hello(frame))
            return
        self.heard_at = time.monotonic()
        if "re" in frame:
            await self._reply(frame)
        elif "heartbeat" in frame:
            if not isinstance(frame["heartbeat"], dict):
                raise Malformed("heartbeat without figures")
            hello = self.hello
            if not await in_thread(
                nodes.heartbeat, hello.node, hello.instance, self.channel_name, frame["heartbeat"]
            ):
                # Written off meanwhile: it has to introduce itself anew, with the rooms it holds by now.
                await self.close(code=4409)
        elif "event" in frame:
            await self._publish(frame)
            if _is_id(frame.get("n")):
                self._taken(frame["n"])
        else:
            raise Malformed("neither reply, heartbeat nor event")

    async def _greet(self, hello: nodes.Hello) -> None:
        if not self.proof.covers(settings.MEDIA_SECRET, hello.node, hello.instance):
            log.warning(
                "control link from %s refused: signature is not that of %s", self._caller(), hello.node
            )
            await self.close(code=4403)
            return
        self.hello = hello
        self.heard_at = time.monotonic()
        node, former = await in_thread(nodes.register, hello, self.channel_name)
        log.info(
            "%s worker %s (%s) linked, %d rooms", hello.kind, hello.node, hello.instance, len(hello.rooms)
        )
        if former:
            await self._send_quietly(former, {"type": "gateway.displaced"})
        if node.state != hello.state:
            op, data = order(node.state)
            await self._write({"id": self._next_id(), "op": op, "room": None, "peer": None, "data": data})
        for room in await in_thread(_orphans, hello):
            await self._write(
                {"id": self._next_id(), "op": "room.close", "room": room, "peer": None, "data": {}}
            )

    async def _reply(self, frame: dict[str, Any]) -> None:
        if not _is_id(frame["re"]):
            raise Malformed("reply to no id")
        reply_channel, _deadline, asked = self.pending.pop(frame["re"], ("", 0.0, {}))
        if frame.get("ok") is True:
            reply: dict[str, Any] = {"ok": True, "data": frame.get("data") or {}}
        else:
            error = frame.get("error")
            if not isinstance(error, dict) or not isinstance(error.get("code"), str):
                raise Malformed("reply without result")
            reply = {"ok": False, "error": {"code": error["code"], "message": str(error.get("message", ""))}}
        if reply_channel:
            await self._send_quietly(reply_channel, {"type": "gateway.reply", **reply})
        elif asked and not reply["ok"]:
            await self._failed(asked, reply["error"])

    async def _failed(self, asked: dict[str, Any], error: dict[str, str]) -> None:
        """A change nobody waits for did not happen: its peer is told, and comes back with the right state."""
        if asked["quiet"]:
            log.debug("%s refused %s: %s", self.hello and self.hello.node, asked["op"], error["code"])
            return
        # A peer that is not there takes the state along when it connects.
        if error["code"] in ("not_found", "stale_generation"):
            return
        assert self.hello is not None
        log.error("%s refused %s: %s %s", self.hello.node, asked["op"], error["code"], error["message"])
        if asked["room"] and asked["peer"]:
            data = {"op": asked["op"], "code": error["code"]}
            await self._publish(
                {"event": "request.failed", "room": asked["room"], "peer": asked["peer"], "data": data}
            )

    async def _publish(self, frame: dict[str, Any]) -> None:
        event, room, peer = frame["event"], frame.get("room"), frame.get("peer")
        if not isinstance(event, str) or not isinstance(room, str) or not _ROOM.fullmatch(room):
            raise Malformed("event without room")
        if peer is not None and (not isinstance(peer, str) or not _ROOM.fullmatch(peer)):
            raise Malformed("event with a bad peer")
        data = frame.get("data") or {}
        if not isinstance(data, dict):
            raise Malformed("event with bad data")
        if event == "relay.lost":
            self._note_relay(room, data.get("relay"))
            return
        message = {
            "type": "gateway.event",
            "event": event,
            "room": room,
            "peer": peer,
            "generation": frame.get("generation"),
            "data": data,
        }
        if peer and event in _LIFE:
            await signals.peer_event.asend_robust(
                sender=MediaNode,
                event=event,
                room=room,
                peer=peer,
                generation=message["generation"],
                data=message["data"],
            )
        group = room_group(room) if peer is None or event in _ROOM_WIDE else peer_group(room, peer)
        try:
            await self.channel_layer.group_send(group, message)
        except (TypeError, ValueError, OverflowError) as error:
            # The layer's own format has no such value: one event is not worth the link of all rooms.
            log.error("%s of room %s cannot be passed on: %s", event, room, error)
            return
        if event == "trouble":
            self._note_trouble(room, peer, data)

    def _taken(self, number: int) -> None:
        """Event `number`, and with it all before it, has been passed on: the worker may forget it."""
        self.taken = number
        if self.acknowledging is None or self.acknowledging.done():
            self.acknowledging = asyncio.create_task(self._acknowledge())

    async def _acknowledge(self) -> None:
        while self.acknowledged < self.taken:
            await asyncio.sleep(ACK_SECONDS)
            self.acknowledged = self.taken
            await self._write({"ack": self.acknowledged})

    def _note_trouble(self, room: str, peer: str | None, data: dict[str, Any]) -> None:
        """Both ends are told; what is written down is what the one who misses it was told."""
        if data.get("subscriber") not in (None, peer):
            return
        if self.teller is None:
            self.teller = asyncio.create_task(self._tell_trouble())
        try:
            self.trouble.put_nowait((room, data))
        except asyncio.QueueFull:
            log.warning("more trouble in room %s than can be written down", room)

    def _note_relay(self, room: str, other: object) -> None:
        """Nobody in the room is told of a lost relay between workers: it is made anew, beside the link."""
        assert self.hello is not None
        if isinstance(other, str):
            task = asyncio.create_task(self._announce_relay(self.hello.node, room, other))
            _background.add(task)
            task.add_done_callback(_background.discard)

    async def _announce_relay(self, node: str, room: str, other: str) -> None:
        await in_thread(signals.relay_lost.send_robust, sender=MediaNode, node=node, room=room, other=other)

    async def _tell_trouble(self) -> None:
        """Beside the link, which must not wait for the database; in order."""
        while True:
            room, data = await self.trouble.get()
            await in_thread(self._announce_trouble, room, data)

    def _announce_trouble(self, room: str, data: dict[str, Any]) -> None:
        assert self.hello is not None
        signals.trouble_told.send_robust(sender=MediaNode, node=self.hello.node, room=room, data=data)

    # --- from the portal ------------------------------------------------------------------------------
    async def gateway_request(self, message: dict[str, Any]) -> None:
        request_id = self._next_id()
        now = time.monotonic()
        self.pending = {key: entry for key, entry in self.pending.items() if entry[1] > now}
        request = {key: message[key] for key in ("op", "room", "peer")}
        asked = {**request, "quiet": message.get("quiet", False)}
        self.pending[request_id] = (message["reply"], now + message["timeout"], asked)
        await self._write({"id": request_id, **request, "data": message["data"]})

    async def gateway_displaced(self, message: dict[str, Any]) -> None:
        """The same worker has dialled in again: this link is the dead one."""
        await self.close(code=4409)

    def _next_id(self) -> int:
        self.last_id += 1
        return self.last_id

    async def _write(self, frame: dict[str, Any]) -> None:
        await self.send(text_data=json.dumps(frame, ensure_ascii=False, separators=(",", ":")))

    async def _send_quietly(self, channel: str, message: dict[str, Any]) -> None:
        try:
            await self.channel_layer.send(channel, message)
        except ChannelFull:
            log.warning("channel %s is full: %s dropped", channel, message["type"])

    async def disconnect(self, code: int) -> None:
        for task in (self.watch, self.teller, self.acknowledging):
            if task is not None:
                task.cancel()
        for reply_channel, _deadline, _asked in self.pending.values():
            if reply_channel:
                lost = {"code": "unavailable", "message": "the control link closed"}
                await self._send_quietly(reply_channel, {"type": "gateway.reply", "ok": False, "error": lost})
        self.pending = {}
        if self.hello is None or not await in_thread(nodes.unlink, self.hello.node, self.channel_name):
            return
        log.warning("control link of %s closed (%s)", self.hello.node, code)
        # 1000 and 1001 are a worker that stops; anything else may be a blip that it survives.
        grace = 0.0 if code in (1000, 1001) else LINK_GRACE
        task = asyncio.create_task(_declare_gone(self.hello.node, self.hello.instance, grace))
        _background.add(task)
        task.add_done_callback(_background.discard)


async def _declare_gone(name: str, instance: str, grace: float) -> None:
    await asyncio.sleep(grace)
    if await in_thread(nodes.mark_down, name, instance, unlinked_only=True):
        log.warning("worker %s (%s) is gone", name, instance)


def _orphans(hello: nodes.Hello) -> list[str]:
    """Rooms the worker holds that nobody claims any more."""
    if hello.kind != MediaNode.Kind.MEDIA or not hello.rooms:
        return []
    claimed: set[str] = set()
    for _receiver, rooms in signals.rooms_claimed.send(
        sender=MediaNode, node=hello.node, instance=hello.instance
    ):
        claimed |= set(rooms or ())
    return [room for room in hello.rooms if room not in claimed]


def _is_id(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _read_hello(frame: dict[str, Any]) -> nodes.Hello:
    """The worker's introduction, checked. Raises Malformed."""
    hello = frame.get("hello")
    if not isinstance(hello, dict) or hello.get("protocol") != PROTOCOL:
        raise Malformed("no hello of protocol 1")
    for key in ("node", "instance"):
        if not isinstance(hello.get(key), str) or not _NAME.fullmatch(hello[key]):
            raise Malformed(f"hello with a bad {key}")
    rooms = hello.get("rooms", [])
    if not isinstance(rooms, list) or not all(
        isinstance(room, str) and _ROOM.fullmatch(room) for room in rooms
    ):
        raise Malformed("hello with bad rooms")
    capacity = hello.get("capacity", 0)
    if (
        hello.get("kind") not in MediaNode.Kind.values
        or not _is_id(capacity)
        or not 0 <= capacity <= 1_000_000
    ):
        raise Malformed("hello with a bad kind or capacity")
    state = hello.get("state", MediaNode.State.UP)
    if state not in MediaNode.State.values or state == MediaNode.State.DOWN:
        raise Malformed("hello with a bad state")
    if len(hello["instance"]) > 40:
        raise Malformed("hello with a bad instance")
    host = hello.get("host")
    return nodes.Hello(
        kind=hello["kind"],
        node=hello["node"],
        instance=hello["instance"],
        host=host[:80] if isinstance(host, str) else "",
        capacity=capacity,
        rooms=tuple(rooms),
        state=state,
    )
