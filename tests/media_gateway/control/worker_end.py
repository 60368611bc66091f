"""The worker's end of a control link, spoken by hand."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import Any

from channels.testing import WebsocketCommunicator
from django.conf import settings

from media_gateway.control.auth import sign
from portal.asgi import application
from portal.threads import in_thread as db

__all__ = ["WorkerEnd", "db"]


class WorkerEnd:
    def __init__(self, node: str = "media-a", instance: str = "i1", *, header: str | None = None) -> None:
        self.node, self.instance = node, instance
        self.acknowledged: list[int] = []
        header = sign(settings.MEDIA_SECRET, node, instance) if header is None else header
        headers = [(b"authorization", header.encode())] if header else []
        self.socket = WebsocketCommunicator(application, "/ws/gateway/", headers=headers)

    def hello(self, **fields: Any) -> dict[str, Any]:
        hello = {"protocol": 1, "kind": "media", "node": self.node, "instance": self.instance, "host": "here"}
        return {"hello": {**hello, "capacity": 10, "rooms": [], **fields}}

    async def dial(self) -> bool:
        connected, _ = await self.socket.connect(timeout=5)
        return connected

    async def introduce(self, **fields: Any) -> None:
        """Dial and be registered."""
        assert await self.dial()
        await self.send(self.hello(**fields))
        await self.registered()

    async def registered(self) -> None:
        from media_gateway.models import MediaNode

        for _ in range(300):
            row = await db(MediaNode.objects.filter(name=self.node, instance=self.instance).first)
            if row is not None and row.channel and row.state == "up":
                # The row is written before its signals are sent; a frame handled after the hello is a proof
                # of both.
                await self.send({"heartbeat": {}})
                await self._beaten()
                return
            await asyncio.sleep(0.01)
        raise AssertionError("never registered")

    async def _beaten(self) -> None:
        """Wait until that heartbeat was taken."""
        from media_gateway.models import MediaNode

        since = (await db(MediaNode.objects.get, name=self.node)).connected_at
        for _ in range(300):
            if (await db(MediaNode.objects.get, name=self.node)).heartbeat_at > since:
                return
            await asyncio.sleep(0.01)
        raise AssertionError("no heartbeat taken")

    async def send(self, frame: Any) -> None:
        text = frame if isinstance(frame, str) else json.dumps(frame)
        await self.socket.send_input({"type": "websocket.receive", "text": text})

    async def frame(self, timeout: float = 3) -> dict[str, Any]:
        """The next request; acknowledgements before it are kept apart."""
        while True:
            output = await self.socket.receive_output(timeout)
            if output["type"] == "websocket.close":
                raise ConnectionResetError(output.get("code", 1000))
            frame = json.loads(output["text"])
            if "ack" not in frame:
                return frame
            self.acknowledged.append(frame["ack"])

    async def close_code(self) -> int:
        while True:
            try:
                await self.frame()
            except ConnectionResetError as reset:
                return reset.args[0]

    async def answer(self, data: dict[str, Any] | None = None, error: str = "") -> dict[str, Any]:
        """Take one request and answer it; the request."""
        request = await self.frame()
        result = (
            {"ok": False, "error": {"code": error, "message": "no"}}
            if error
            else {"ok": True, "data": data or {}}
        )
        await self.send({"re": request["id"], **result})
        return request

    async def hang_up(self, code: int = 1006) -> None:
        await self.socket.send_input({"type": "websocket.disconnect", "code": code})
        with contextlib.suppress(asyncio.CancelledError):
            await self.socket.wait(timeout=5)
