"""The worker's end: dials until it is stopped, keeps order, loses no event, answers every request."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import pytest_asyncio
from websockets.asyncio.server import Server, ServerConnection, serve

from media_gateway import link
from media_gateway.control.auth import read_header
from media_gateway.link import ControlLink, WorkerIdentity
from media_gateway.worker import advertised_addresses, node_name

SECRET = "s" * 40


class Web:
    """A web tier that takes one link at a time; `takes` tells how often it was dialled."""

    def __init__(self) -> None:
        self.frames: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.headers: list[str] = []
        self.socket: ServerConnection | None = None
        self.server: Server | None = None
        self.port = 0

    async def start(self) -> None:
        self.server = await serve(self._take, "127.0.0.1", self.port)
        self.port = self.server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self.server is not None:
            self.server.close()
            await self.server.wait_closed()
            self.server = None

    async def _take(self, socket: ServerConnection) -> None:
        self.headers.append(socket.request.headers.get("Authorization", "") if socket.request else "")
        self.socket = socket
        async for text in socket:
            self.frames.put_nowait(json.loads(text))

    async def next(self, key: str) -> dict[str, Any]:
        """The next frame with that key; heartbeats and others before it are passed over."""
        async with asyncio.timeout(5):
            while True:
                frame = await self.frames.get()
                if key in frame:
                    return frame

    async def ask(self, **request: Any) -> None:
        assert self.socket is not None
        await self.socket.send(json.dumps({"room": None, "peer": None, "data": {}, **request}))


@pytest_asyncio.fixture
async def web() -> AsyncIterator[Web]:
    one = Web()
    await one.start()
    yield one
    await one.stop()


MakeLink = Callable[..., Awaitable[ControlLink]]


@pytest_asyncio.fixture
async def dial(web: Web, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[MakeLink]:
    monkeypatch.setattr(link, "BACKOFF", (0.02, 0.05))
    running: list[tuple[ControlLink, asyncio.Task[None]]] = []

    async def make(handle: Any = None) -> ControlLink:
        async def nothing(
            op: str, room: str | None, peer: str | None, data: dict[str, Any]
        ) -> dict[str, Any]:
            return {"op": op}

        control = ControlLink(
            url=f"ws://127.0.0.1:{web.port}",
            secret=SECRET,
            identity=WorkerIdentity("media", "media-a", "i1", "here", 7),
            handle=handle or nothing,
            rooms=lambda: ["r1"],
            load=lambda: {"peers": 3},
        )
        running.append((control, asyncio.create_task(control.run())))
        return control

    yield make
    for control, task in running:
        await control.stop()
        await asyncio.wait_for(task, 5)


async def test_it_introduces_itself_signed_then_beats(
    web: Web, dial: MakeLink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link, "HEARTBEAT_SECONDS", 0.05)
    await dial()
    hello = (await web.frames.get())["hello"]
    assert hello == {
        "protocol": 1,
        "kind": "media",
        "node": "media-a",
        "instance": "i1",
        "host": "here",
        "state": "up",
        "capacity": 7,
        "rooms": ["r1"],
    }
    for _ in range(3):
        assert (await web.next("heartbeat"))["heartbeat"] == {"peers": 3}
    assert read_header(web.headers[0], SECRET).covers(SECRET, "media-a", "i1")


async def test_requests_are_answered_and_failures_named(web: Web, dial: MakeLink) -> None:
    class Refused(Exception):
        code, message = "not_found", "no such room"

    async def handle(op: str, room: str | None, peer: str | None, data: dict[str, Any]) -> dict[str, Any]:
        if op == "refuse":
            raise Refused
        if op == "break":
            raise RuntimeError("private detail")
        return {"op": op, "room": room, "peer": peer, **data}

    await dial(handle)
    await web.next("hello")
    await web.ask(id=1, op="peer.add", room="r1", peer="p1", data={"x": 1})
    await web.ask(id=2, op="refuse", room="r1")
    await web.ask(id=3, op="break", room="r1")
    replies = [await web.next("re") for _ in range(3)]
    assert replies[0] == {"re": 1, "ok": True, "data": {"op": "peer.add", "room": "r1", "peer": "p1", "x": 1}}
    assert replies[1] == {"re": 2, "ok": False, "error": {"code": "not_found", "message": "no such room"}}
    assert replies[2]["error"]["code"] == "internal" and "private" not in json.dumps(replies[2])


async def test_one_room_is_served_in_order_and_holds_up_no_other(web: Web, dial: MakeLink) -> None:
    gate = asyncio.Event()

    async def handle(op: str, room: str | None, peer: str | None, data: dict[str, Any]) -> dict[str, Any]:
        if op == "slow":
            await gate.wait()
        return {}

    control = await dial(handle)
    await web.next("hello")
    await web.ask(id=1, op="slow", room="r1")
    await web.ask(id=2, op="quick", room="r1")
    await web.ask(id=3, op="quick", room="r2")
    assert (await web.next("re"))["re"] == 3
    gate.set()
    assert [(await web.next("re"))["re"] for _ in range(2)] == [1, 2]
    assert control._locks == {}


async def test_events_wait_for_the_link_and_come_after_the_hello(web: Web, dial: MakeLink) -> None:
    control = await dial()
    await web.next("hello")
    await web.stop()
    await asyncio.sleep(0.1)
    assert not control.linked.is_set()
    for number in range(5):
        control.emit({"event": "subscribe.offer", "room": "r1", "data": {"version": number}})
    web.frames = asyncio.Queue()
    await web.start()
    assert "hello" in await asyncio.wait_for(web.frames.get(), 5)
    versions = [(await web.next("event"))["data"]["version"] for _ in range(5)]
    assert versions == [0, 1, 2, 3, 4]


async def test_what_a_breaking_link_swallowed_is_told_again(web: Web, dial: MakeLink) -> None:
    control = await dial()
    await web.next("hello")
    for number in range(4):
        control.emit({"event": "layers", "room": "r1", "data": {"k": number}})
    numbers = [(await web.next("event"))["n"] for _ in range(4)]
    assert numbers == [1, 2, 3, 4]
    assert web.socket is not None
    await web.socket.send(json.dumps({"ack": 2}))
    await web.ask(id=1, op="ping", room="r1")
    await web.next("re")  # the acknowledgement was read before it
    await web.socket.close()
    control.emit({"event": "layers", "room": "r1", "data": {"k": 4}})
    await web.next("hello")
    assert [((frame := await web.next("event"))["n"], frame["data"]["k"]) for _ in range(3)] == [
        (3, 2),
        (4, 3),
        (5, 4),
    ]


async def test_old_events_are_not_told_again_and_pointers_never(
    web: Web, dial: MakeLink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link, "RESEND_SECONDS", -1.0)
    control = await dial()
    await web.next("hello")
    control.emit({"event": "layers", "room": "r1", "data": {}})
    control.emit({"event": "data", "room": "r1", "data": {}})
    assert (await web.next("event"))["n"] == 1
    assert "n" not in await web.next("event")
    await web.stop()
    while control.linked.is_set():
        await asyncio.sleep(0.01)
    control.emit({"event": "data", "room": "r1", "data": {}})
    await web.start()
    control.emit({"event": "quality", "room": "r1", "data": {}})
    assert (await web.next("event"))["event"] == "quality"


async def test_an_answer_never_slips_into_the_next_link(web: Web, dial: MakeLink) -> None:
    gate = asyncio.Event()

    async def handle(op: str, room: str | None, peer: str | None, data: dict[str, Any]) -> dict[str, Any]:
        await gate.wait()
        return {}

    await dial(handle)
    await web.next("hello")
    await web.ask(id=1, op="peer.add", room="r1")
    await asyncio.sleep(0.05)
    assert web.socket is not None
    await web.socket.close()
    await web.next("hello")
    gate.set()
    await web.ask(id=1, op="room.stats", room="r2")
    assert (await web.next("re"))["re"] == 1
    await asyncio.sleep(0.05)
    assert all("re" not in web.frames.get_nowait() for _ in range(web.frames.qsize()))


async def test_what_waits_is_bounded(web: Web, dial: MakeLink, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link, "MAX_WAITING", 10)
    await web.stop()
    control = await dial()
    for number in range(50):
        control.emit({"event": "speaker", "room": "r1", "data": {"n": number}})
    assert [frame["data"]["n"] for frame in control._outbox] == list(range(40, 50))


async def test_stopping_says_goodbye(web: Web, dial: MakeLink) -> None:
    control = await dial()
    await web.next("hello")
    socket = web.socket
    assert socket is not None
    await control.stop()
    await asyncio.wait_for(socket.wait_closed(), 5)
    assert socket.close_code == 1001


@pytest.mark.parametrize(
    ("host", "configured", "expected"),
    [
        ("127.0.0.1", [], ["127.0.0.1"]),
        ("::1", [], ["::1"]),
        ("localhost", [], ["127.0.0.1"]),
        ("192.0.2.7", [], ["192.0.2.7"]),
        ("0.0.0.0", ["203.0.113.7"], ["203.0.113.7"]),
    ],
)
def test_the_addresses_told_to_browsers(host: str, configured: list[str], expected: list[str]) -> None:
    found = advertised_addresses(host, configured)
    assert found == expected or (host == "localhost" and found == ["::1"])


def test_a_socket_on_all_addresses_tells_those_of_the_machine_but_no_loopback() -> None:
    found = advertised_addresses("0.0.0.0", [])
    assert found == ["127.0.0.1"] or not any(
        address.startswith("127.") or ":" in address for address in found
    )


def test_node_names_are_safe_in_group_names() -> None:
    assert node_name("Büro PC", "media-0") == "B-ro-PC-media-0"
    assert len(node_name("x" * 200, "media-0")) == 80
