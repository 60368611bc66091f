"""The worker's end of the control link: dials the web tier, again and again, and serves its requests.

Plain asyncio on `websockets`; knows neither Django nor what the operations mean.
"""

from __future__ import annotations

import asyncio
import collections
import json
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import websockets
from websockets.asyncio.client import ClientConnection, connect

from media_gateway.control.auth import sign

log = logging.getLogger("plenum.link")

BACKOFF = (0.2, 0.5, 1.0, 2.0)  # seconds before each new dial; the last one repeats
HEARTBEAT_SECONDS = 2.0
MAX_WAITING = 5000  # frames kept for a web tier that is away
RESEND_SECONDS = 10.0  # events on their way when a link broke are told again if they are no older
# Events that are worth nothing later.
FLEETING = frozenset({"data"})
Handler = Callable[[str, str | None, str | None, dict[str, Any]], Awaitable[dict[str, Any]]]


@dataclass(frozen=True)
class WorkerIdentity:
    """What a worker says of itself; `kind` is "media" or "recorder", `instance` new at each start."""

    kind: str
    node: str
    instance: str
    host: str
    capacity: int = 0


class _RoomLock(asyncio.Lock):
    """Goes away with its last user, so that rooms that ended leave nothing behind."""

    users = 0


@dataclass
class ControlLink:
    """`handle(op, room, peer, data)` serves requests: those of one room in order, rooms beside each other.

    An exception with a `code` (str) is answered as that error, any other as `internal`. `rooms()`,
    `state()` ("up", "draining", "restarting") and `load()` are asked at each dial and heartbeat.
    """

    url: str
    secret: str
    identity: WorkerIdentity
    handle: Handler
    rooms: Callable[[], list[str]]
    load: Callable[[], dict[str, Any]]
    state: Callable[[], str] = lambda: "up"
    linked: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self._outbox: collections.deque[dict[str, Any]] = collections.deque()
        self._wake = asyncio.Event()
        self._stopping = asyncio.Event()
        self._locks: dict[str, _RoomLock] = {}
        self._epoch = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._dropped = 0
        self._last_number = 0
        # (number, when, frame) of events that were sent and not acknowledged yet, in order.
        self._unsure: collections.deque[tuple[int, float, dict[str, Any]]] = collections.deque(
            maxlen=MAX_WAITING
        )

    def emit(self, event: dict[str, Any]) -> None:
        """Send `{"event", "room", "peer", "generation", "data"}`.

        While there is no link it waits; what a breaking link swallowed is sent again on the next one, so the
        web tier may hear it twice, in order. Pointers and the like are not kept.
        """
        if event["event"] not in FLEETING:
            self._last_number += 1
            event = {**event, "n": self._last_number}
        elif not self.linked.is_set():
            return
        self._put(event)

    def _put(self, frame: dict[str, Any]) -> None:
        if len(self._outbox) >= MAX_WAITING:
            self._outbox.popleft()
            self._dropped += 1
            if self._dropped % 1000 == 1:
                log.error("no control link: %d frames dropped so far", self._dropped)
        self._outbox.append(frame)
        self._wake.set()

    async def run(self) -> None:
        """Keep the link up until `stop`. A refusal by the web tier is logged and tried again."""
        failures = 0
        while not self._stopping.is_set():
            try:
                async with connect(
                    self.url.rstrip("/") + "/ws/gateway/",
                    additional_headers={
                        "Authorization": sign(self.secret, self.identity.node, self.identity.instance)
                    },
                    max_size=4 * 1024 * 1024,
                    open_timeout=5,
                    close_timeout=1,
                    ping_interval=10,
                    ping_timeout=10,
                    proxy=None,
                    compression=None,
                ) as socket:
                    if await self._serve(socket):
                        failures = 0
            except (OSError, TimeoutError, websockets.WebSocketException) as error:
                log.log(logging.WARNING if failures in (0, 10) else logging.DEBUG, "control link: %s", error)
            finally:
                self.linked.clear()
            delay = BACKOFF[min(failures, len(BACKOFF) - 1)]
            failures += 1
            try:
                await asyncio.wait_for(self._stopping.wait(), delay)
            except TimeoutError:
                continue

    async def stop(self) -> None:
        """Close the link so that the web tier knows at once that this worker goes; `run` then returns."""
        self._stopping.set()
        self._wake.set()
        for task in list(self._tasks):
            task.cancel()

    async def _serve(self, socket: ClientConnection) -> bool:
        """Talk until the link breaks or `stop`.

        True if the web tier took at least one heartbeat's time of it.
        """
        who = self.identity
        # Request ids are those of one link: an answer must not slip into the next one, where they begin anew.
        self._epoch += 1
        recent = asyncio.get_running_loop().time() - RESEND_SECONDS
        again = [frame for _number, sent_at, frame in self._unsure if sent_at >= recent]
        self._unsure.clear()
        self._outbox = collections.deque([*again, *(frame for frame in self._outbox if "re" not in frame)])
        hello = {
            "protocol": 1,
            "kind": who.kind,
            "node": who.node,
            "instance": who.instance,
            "host": who.host,
            "state": self.state(),
        }
        await _write(socket, {"hello": {**hello, "capacity": who.capacity, "rooms": self.rooms()}})
        await _write(socket, {"heartbeat": self.load()})
        self.linked.set()
        log.info("control link to %s is up", self.url)
        started = asyncio.get_running_loop().time()
        jobs = [
            asyncio.create_task(self._read(socket)),
            asyncio.create_task(self._flush(socket)),
            asyncio.create_task(self._beat(socket)),
            asyncio.create_task(self._stopping.wait()),
        ]
        try:
            done, _ = await asyncio.wait(jobs, return_when=asyncio.FIRST_COMPLETED)
            for job in done:
                error = job.exception()
                if error is not None and not isinstance(error, websockets.ConnectionClosed):
                    raise error
        finally:
            for job in jobs:
                job.cancel()
            await asyncio.gather(*jobs, return_exceptions=True)
            await socket.close(code=1001 if self._stopping.is_set() else 1011)
        if not self._stopping.is_set():
            log.warning("control link closed (%s)", socket.close_code)
        return asyncio.get_running_loop().time() - started > HEARTBEAT_SECONDS

    async def _read(self, socket: ClientConnection) -> None:
        async for text in socket:
            request = json.loads(text)
            if "ack" in request:
                self._acknowledged(request["ack"])
                continue
            task = asyncio.create_task(self._answer(request))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _acknowledged(self, number: int) -> None:
        while self._unsure and self._unsure[0][0] <= number:
            self._unsure.popleft()

    async def _answer(self, request: dict[str, Any]) -> None:
        room, epoch = request.get("room") or "", self._epoch
        lock = self._locks.setdefault(room, _RoomLock())
        lock.users += 1
        try:
            async with lock:  # asyncio's locks are fair: requests of one room stay in order
                data = await self.handle(
                    request["op"], request.get("room"), request.get("peer"), request.get("data") or {}
                )
            reply: dict[str, Any] = {"re": request["id"], "ok": True, "data": data}
        except Exception as error:
            code, message = getattr(error, "code", None), str(getattr(error, "message", "") or error)
            if not isinstance(code, str):
                log.exception("%s failed", request.get("op"))
                code, message = "internal", "see the worker's log"
            reply = {"re": request.get("id"), "ok": False, "error": {"code": code, "message": message}}
        finally:
            lock.users -= 1
            if not lock.users:
                self._locks.pop(room, None)
        if epoch == self._epoch:
            self._put(reply)

    async def _flush(self, socket: ClientConnection) -> None:
        while True:
            while self._outbox:
                frame = self._outbox.popleft()
                try:
                    await _write(socket, frame)
                except BaseException:
                    self._outbox.appendleft(frame)
                    raise
                if "n" in frame:
                    self._unsure.append((frame["n"], asyncio.get_running_loop().time(), frame))
            self._wake.clear()
            await self._wake.wait()

    async def _beat(self, socket: ClientConnection) -> None:
        while True:
            await asyncio.sleep(HEARTBEAT_SECONDS)
            await _write(socket, {"heartbeat": self.load()})


async def _write(socket: ClientConnection, frame: dict[str, Any]) -> None:
    await socket.send(json.dumps(frame, separators=(",", ":")))
