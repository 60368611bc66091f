"""Real media in the tests of the room: a worker in this process, tabs that send and receive through it."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable
from typing import Any

from media_gateway.sfu.gateway import Gateway, GatewayConfig, GatewayError
from tests.media_gateway.control.worker_end import WorkerEnd
from tests.media_gateway.sfu.aiortc_peers import AiortcPeer, Colour, Tone, is_colour, pitch_of
from tests.meetings.live.conftest import Cast
from tests.meetings.live.tabs import Tab

HELENS, CARLS = ((200, 30, 30), 440), ((30, 30, 200), 880)
"""The colour that is sent, and the pitch in Hz."""


class Worker:
    """A real gateway behind a hand-carried control link."""

    def __init__(self, node: str = "media-a") -> None:
        self.gateway = Gateway(GatewayConfig(host="127.0.0.1"), self._emit)
        self.end = WorkerEnd(node, self.gateway.instance)

    def _emit(self, event: dict[str, Any]) -> None:
        self.outbox.put_nowait(event)

    async def start(self) -> Worker:
        self.outbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        await self.gateway.start()
        await self.end.introduce(rooms=self.gateway.rooms())
        self.tasks = [asyncio.create_task(self._serve()), asyncio.create_task(self._flush())]
        return self

    async def _serve(self) -> None:
        while True:
            request = await self.end.frame(timeout=600)
            try:
                data = await self.gateway.handle(
                    request["op"], request["room"], request["peer"], request["data"]
                )
                await self.end.send({"re": request["id"], "ok": True, "data": data})
            except GatewayError as error:
                reply = {"code": error.code, "message": error.message}
                await self.end.send({"re": request["id"], "ok": False, "error": reply})

    async def _flush(self) -> None:
        while True:
            await self.end.send(await self.outbox.get())

    async def stop(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        with contextlib.suppress(Exception):
            await self.end.hang_up(1001)
        await self.gateway.stop()


class LiveTab(Tab):
    """A tab that reads all the time, as a browser does; it looks like a harness to AiortcPeer."""

    OPS = {"peer.add": "media.connect", "peer.publish": "media.publish", "peer.answer": "media.answer"}

    def begin(self) -> None:
        self.waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self.listeners: list[Callable[[dict[str, Any]], None]] = []
        self.reader = asyncio.create_task(self._read())

    async def _read(self) -> None:
        while True:
            frame = await self.frame(timeout=600)
            if "re" in frame:
                self.waiting.pop(frame["re"]).set_result(frame)
                continue
            self.events.append(frame)
            if frame["type"] == "media.offer":
                for listener in self.listeners:
                    listener({"event": "subscribe.offer", "peer": self.me, "data": frame["data"]})

    async def ask(self, type: str, **data: Any) -> dict[str, Any]:
        if not hasattr(self, "reader"):
            return await super().ask(type, **data)
        self.last_id += 1
        self.waiting[self.last_id] = future = asyncio.get_running_loop().create_future()
        await self.socket.send_to(text_data=json.dumps({"id": self.last_id, "type": type, "data": data}))
        frame = await asyncio.wait_for(future, 10)
        assert frame["ok"], frame
        return frame["data"]

    async def call(self, op: str, peer: str, **data: Any) -> dict[str, Any]:
        data.pop("name", None), data.pop("publish", None)
        return await self.ask(self.OPS[op], **({} if op == "peer.add" else data))

    def seen(self, type: str) -> list[dict[str, Any]]:
        return [frame["data"] for frame in self.events if frame["type"] == type]

    async def leave(self) -> None:
        self.reader.cancel()
        await asyncio.gather(self.reader, return_exceptions=True)
        await self.drop()


async def until(condition: Callable[[], Any], what: str, seconds: float = 15.0) -> Any:
    async with asyncio.timeout(seconds):
        while not (value := condition()):
            await asyncio.sleep(0.02)
    assert value, what
    return value


async def open_tabs(cast: Cast, *names: str) -> list[LiveTab]:
    """They are in the room, and read."""
    tabs = []
    for who in names:
        tab = LiveTab(cast.meeting.code, cast.cookies[who])
        await tab.open()
        await tab.join()
        tab.begin()
        tabs.append(tab)
    return tabs


async def publish_both(first: AiortcPeer, second: AiortcPeer) -> None:
    """Each sends a colour and a pitch, and gets the other's."""
    for peer, (colour, pitch) in ((first, HELENS), (second, CARLS)):
        await peer.publish(mic=Tone(pitch), camera=Colour(colour))
    for peer, other, (colour, pitch) in ((first, second, CARLS), (second, first, HELENS)):
        video, audio = f"{other.name} camera", f"{other.name} mic"
        await until(lambda p=peer, v=video: p.frames.get(v), "a picture")  # type: ignore[misc]
        assert is_colour(peer.frames[video][-1], colour)
        await until(lambda p=peer, a=audio: len(p.frames.get(a, [])) > 40, "sound")  # type: ignore[misc]
        assert abs(pitch_of(peer.frames[audio][-20:]) - pitch) < 30
