"""A browser tab and a media worker, as far as the room protocol can tell."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import Any

from channels.layers import get_channel_layer
from channels.testing import WebsocketCommunicator
from django.test import Client

from media_gateway import nodes
from media_gateway.models import MediaNode
from portal.asgi import application
from portal.threads import in_thread as db

__all__ = ["FakeWorker", "Refusal", "Tab", "cookie_of", "db", "node_row"]


def cookie_of(client: Client) -> str:
    return "; ".join(f"{name}={morsel.value}" for name, morsel in client.cookies.items())


class Refusal(Exception):
    def __init__(self, error: dict[str, str]) -> None:
        super().__init__(error["code"])
        self.error = error
        self.code = error["code"]


class Tab:
    """One WebSocket; events that come between are kept in `events`."""

    def __init__(self, code: str, cookie: str = "", language: str = "en") -> None:
        headers = [(b"origin", b"http://localhost:8000"), (b"host", b"localhost:8000")]
        headers += [(b"accept-language", language.encode()), (b"cookie", cookie.encode())]
        self.socket = WebsocketCommunicator(application, f"/ws/room/{code}/", headers=headers)
        self.events: list[dict[str, Any]] = []
        self.last_id = 0
        self.state: dict[str, Any] = {}
        self.is_closed = False

    async def open(self) -> dict[str, Any]:
        """Connect; the welcome's data."""
        connected, _ = await self.socket.connect(timeout=5)
        assert connected
        return await self.event("welcome")

    async def frame(self, timeout: float = 5) -> dict[str, Any]:
        output = await self.socket.receive_output(timeout)
        if output["type"] == "websocket.close":
            self.is_closed = True
            raise ConnectionResetError(output.get("code", 1000))
        return json.loads(output["text"])

    async def ask_raw(self, text: str) -> dict[str, Any]:
        """Send any text; the next response."""
        await self.socket.send_input({"type": "websocket.receive", "text": text})
        return await self.response()

    async def response(self, re: int | str | None = "any") -> dict[str, Any]:
        while True:
            frame = await self.frame()
            if "re" in frame and (re == "any" or frame["re"] == re):
                return frame
            self.events.append(frame)

    async def ask(self, type: str, **data: Any) -> dict[str, Any]:
        """Response data; raises Refusal."""
        self.last_id += 1
        await self.socket.send_to(
            text_data=json.dumps({"id": self.last_id, "type": type, "data": data}, ensure_ascii=False)
        )
        frame = await self.response(self.last_id)
        if not frame["ok"]:
            raise Refusal(frame["error"])
        return frame["data"]

    async def join(self, **data: Any) -> dict[str, Any]:
        reply = await self.ask("join", **{"mic": True, "camera": True, **data})
        self.state = reply.get("state", {})
        self.me = self.state["you"]["id"] if self.state else reply["participant"]["id"]
        self.resume = self.state["you"]["resume"] if self.state else reply["resume"]
        return reply

    async def event(self, type: str) -> dict[str, Any]:
        """Data of the next event of that type; others before it are kept."""
        for index, frame in enumerate(self.events):
            if frame["type"] == type:
                return self.events.pop(index)["data"]
        while True:
            frame = await self.frame()
            if frame.get("type") == type:
                return frame["data"]
            assert "re" not in frame, frame
            self.events.append(frame)

    async def close_code(self) -> int:
        """The code the server closes with; what comes before is kept."""
        while True:
            try:
                self.events.append(await self.frame())
            except ConnectionResetError as reset:
                return reset.args[0]

    async def settle(self) -> list[dict[str, Any]]:
        """Everything that still comes, by a round trip and a little time for other processes' messages."""
        await asyncio.sleep(0.05)
        await self.ask("ping", t=1)
        return self.events

    async def drop(self, code: int = 1006) -> None:
        """The network goes."""
        await self.socket.send_input({"type": "websocket.disconnect", "code": code})
        with contextlib.suppress(asyncio.CancelledError):
            await self.socket.wait(timeout=5)
        self.is_closed = True


class FakeWorker:
    """A media worker that says yes to everything and remembers it; `refuse[op]` is an error code to answer
    with.
    """

    def __init__(self, name: str = "media-a", instance: str = "i1", kind: str = "media") -> None:
        self.hello = nodes.Hello(kind=kind, node=name, instance=instance, host="test", capacity=100)
        self.asked: list[dict[str, Any]] = []
        self.refuse: dict[str, str] = {}
        self.replies: dict[str, dict[str, Any]] = {}
        self.silent = False

    async def start(self) -> FakeWorker:
        self.layer = get_channel_layer()
        self.channel = await self.layer.new_channel()
        await db(nodes.register, self.hello, self.channel)
        self.task = asyncio.create_task(self._serve())
        return self

    async def stop(self) -> None:
        self.task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self.task

    def ops(self, op: str) -> list[dict[str, Any]]:
        return [request for request in self.asked if request["op"] == op]

    async def wait_for(self, op: str, count: int = 1) -> dict[str, Any]:
        for _ in range(200):
            if len(self.ops(op)) >= count:
                return self.ops(op)[-1]
            await asyncio.sleep(0.01)
        raise AssertionError(f"no {op}: {[request['op'] for request in self.asked]}")

    async def emit(
        self, event: str, room: str, peer: str | None = None, generation: int = 1, **data: Any
    ) -> None:
        """Send an event to its peer, or to the room if it has none; `peer_` becomes the data's own `peer`."""
        await self._send(
            f"gw.peer.{room}.{peer}" if peer else f"gw.room.{room}", event, room, peer, generation, data
        )

    async def emit_for_room(self, event: str, room: str, peer: str, **data: Any) -> None:
        """Send an event of one peer to the whole room."""
        await self._send(f"gw.room.{room}", event, room, peer, 1, data)

    async def _send(
        self, group: str, event: str, room: str, peer: str | None, generation: int, data: dict[str, Any]
    ) -> None:
        data = {key.rstrip("_"): value for key, value in data.items()}
        message = {
            "type": "gateway.event",
            "event": event,
            "room": room,
            "peer": peer,
            "generation": generation,
        }
        await self.layer.group_send(group, {**message, "data": data})

    async def _serve(self) -> None:
        while True:
            message = await self.layer.receive(self.channel)
            self.asked.append(message)
            if not message["reply"] or self.silent:
                continue
            code = self.refuse.get(message["op"])
            if code:
                reply: dict[str, Any] = {"ok": False, "error": {"code": code, "message": "no"}}
            else:
                reply = {"ok": True, "data": self._data(message)}
            await self.layer.send(message["reply"], {"type": "gateway.reply", **reply})

    def _data(self, message: dict[str, Any]) -> dict[str, Any]:
        if message["op"] == "peer.add":
            return {"subscribe": {"version": 1, "sdp": "v=0\r\noffer"}}
        if message["op"] == "peer.publish":
            return {"sdp": "v=0\r\nanswer"}
        return self.replies.get(message["op"], {})


def node_row(name: str) -> MediaNode:
    return MediaNode.objects.get(name=name)
