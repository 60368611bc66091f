"""Two aiortc peers through the room protocol, the control link and the real media server, in one process."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import pytest_asyncio

from media_gateway.sfu.gateway import Gateway, GatewayConfig, GatewayError
from meetings.live import live_stats
from tests.media_gateway.control.worker_end import WorkerEnd
from tests.media_gateway.sfu.aiortc_peers import AiortcPeer, Colour, Tone, is_colour, pitch_of
from tests.meetings.live.conftest import Cast
from tests.meetings.live.tabs import Tab
from tests.meetings.live.test_media_forms import IN, OUT

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(90)]


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


@pytest_asyncio.fixture
async def gateway(cast: Cast) -> AsyncIterator[Worker]:
    worker = await Worker().start()
    yield worker
    await worker.stop()


@pytest_asyncio.fixture
async def pair(cast: Cast, gateway: Worker) -> AsyncIterator[tuple[LiveTab, LiveTab]]:
    """Helen and Carl in the room, their tabs reading."""
    tabs = []
    for who in ("Helen", "Carl"):
        tab = LiveTab(cast.meeting.code, cast.cookies[who])
        await tab.open()
        await tab.join()
        tab.begin()
        tabs.append(tab)
    yield tabs[0], tabs[1]
    for tab in tabs:
        await tab.leave()


async def test_each_sees_and_hears_the_other_and_mute_is_silence(
    pair: tuple[LiveTab, LiveTab], gateway: Worker
) -> None:
    helen, carl = pair
    first, second = AiortcPeer(helen, helen.me), AiortcPeer(carl, carl.me)
    try:
        await asyncio.gather(first.join(), second.join())
        await first.publish(mic=Tone(440), camera=Colour((200, 30, 30)))
        await second.publish(mic=Tone(880), camera=Colour((30, 30, 200)))
        for peer, other, colour, pitch in (
            (first, carl.me, (30, 30, 200), 880),
            (second, helen.me, (200, 30, 30), 440),
        ):
            video, audio = f"{other} camera", f"{other} mic"
            await until(lambda p=peer, v=video: p.frames.get(v), "a picture")  # type: ignore[misc]
            assert is_colour(peer.frames[video][-1], colour)
            await until(lambda p=peer, a=audio: len(p.frames.get(a, [])) > 40, "sound")  # type: ignore[misc]
            assert abs(pitch_of(peer.frames[audio][-20:]) - pitch) < 30
        states = {(state["pc"], state["state"]) for state in carl.seen("media.state")}
        assert ("publish", "connected") in states and ("subscribe", "connected") in states
        await until(
            lambda: any(carl.me in one["participants"] for one in helen.seen("speaker.changed")), "speaker"
        )

        # What the administration shows of it is there.
        shown = live_stats.tables(
            await gateway.gateway.handle("room.stats", helen.state["session"]["id"], None, {}),
            {helen.me: "Helen", carl.me: "Carl"},
        )
        assert [row["name"] for row in shown.people] == ["Carl", "Helen"]
        assert {(row["name"], row["source"]) for row in shown.sent} == {
            (name, source) for name in ("Carl", "Helen") for source in ("camera", "mic")
        }
        assert all(row["packets"] > 0 for row in (*shown.sent, *shown.received))
        assert len(shown.received) == 4 and all(row["live"] and not row["paused"] for row in shown.received)
        assert all(row["estimate"] and row["quality"] in range(1, 6) for row in shown.people)
        pictures = [row for row in shown.sent if row["source"] == "camera"]
        assert all(row["layers"][0]["size"] and row["layers"][0]["bitrate"] > 0 for row in pictures)

        # What nobody shows is not sent, and comes back when it is shown; a report is taken.
        mine = {"source": "camera", "width": 320, "height": 180, "priority": 0}
        await helen.ask("media.view", generation=1, tracks=[])
        await asyncio.sleep(0.5)
        seen = len(first.frames[f"{carl.me} camera"])
        await asyncio.sleep(0.7)
        assert len(first.frames[f"{carl.me} camera"]) - seen <= 2
        await helen.ask("media.view", generation=1, tracks=[{"participant": carl.me, **mine}])
        await until(lambda: len(first.frames[f"{carl.me} camera"]) > seen + 5, "the picture again")
        received = {**IN, "participant": carl.me}
        await helen.ask("media.report", generation=1, publish=[OUT], subscribe=[received])

        # Neither has a data channel: what one says goes by the socket.
        await helen.ask("data.send", topic="reaction", body="👏")
        said = await until(lambda: carl.seen("data.message"), "a reaction")
        assert said == [{"from": helen.me, "topic": "reaction", "body": "👏"}] and not helen.seen(
            "data.message"
        )

        # Muted by the host: nothing of the microphone arrives, whatever the browser sends; the picture goes
        # on.
        await helen.ask("participant.mute", participant=carl.me, source="mic")
        await until(lambda: carl.seen("you.muted"), "told")
        await asyncio.sleep(0.5)
        heard, seen = len(first.frames[f"{carl.me} mic"]), len(first.frames[f"{carl.me} camera"])
        await asyncio.sleep(0.7)
        assert len(first.frames[f"{carl.me} mic"]) - heard <= 2
        assert len(first.frames[f"{carl.me} camera"]) > seen + 2
        await carl.ask("me.update", mic=True)
        before = len(first.frames[f"{carl.me} mic"])
        await until(lambda: len(first.frames[f"{carl.me} mic"]) > before + 20, "sound again")

        # Removed: the media goes with the person.
        assert len(gateway.gateway.load()) and gateway.gateway.load()["peers"] == 2
        await helen.ask("participant.remove", participant=carl.me)
        await until(lambda: gateway.gateway.load()["peers"] == 1, "peer removed")
        await helen.ask("session.end")
        await until(lambda: gateway.gateway.rooms() == [], "room closed")
    finally:
        await first.close()
        await second.close()


async def test_bad_descriptions_are_refused_and_the_room_goes_on(pair: tuple[LiveTab, LiveTab]) -> None:
    helen, _carl = pair
    reply = await helen.ask("media.connect")
    for sdp in ("v=0\r\n", "v=0\r\nm=audio", "v=0\r\n" + "a=x\r\n" * 5000, "v=0\r\n\u0007\u2028"):
        helen.last_id += 1
        helen.waiting[helen.last_id] = future = asyncio.get_running_loop().create_future()
        data = {"generation": reply["generation"], "sdp": sdp, "tracks": [{"mid": "0", "source": "mic"}]}
        frame = {"id": helen.last_id, "type": "media.publish", "data": data}
        await helen.socket.send_to(text_data=json.dumps(frame))
        answer = await asyncio.wait_for(future, 10)
        assert answer["error"]["code"] == "bad_sdp", (sdp[:40], answer)
    assert (await helen.ask("ping", t=1))["t"] == 1
