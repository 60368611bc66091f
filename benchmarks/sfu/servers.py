"""The servers under test behind one interface: start, publish, subscribe, counters.

Each runs in a process of its own on the server's core. Subscribers live in the receivers' process.
"""

import asyncio
import json
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, Self

from benchmarks.janus import Janus
from media_gateway.sfu.client import MediaClient

from .processes import SERVER_CORE, Child


class Server(ABC):
    """One server under test; an asynchronous context manager."""

    pid: int

    def __init__(self, receivers: Child) -> None:
        self.receivers = receivers

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.stop()

    @abstractmethod
    async def start(self) -> None: ...

    @abstractmethod
    async def stop(self) -> None: ...

    @abstractmethod
    async def publish(self, name: str, client: MediaClient) -> None:
        """Publish the tracks of `client` and wait until it is connected."""

    @abstractmethod
    async def subscribe(self, name: str, *, timed: bool) -> None:
        """A subscriber of everything published so far; the receivers wait for the connection."""

    async def counters(self) -> dict[str, Any]:
        """What the server itself counts: `sent` datagrams and more; empty when it tells nothing."""
        return {}

    async def _answer(self, name: str, offer: str, timed: bool) -> str:
        reply = await self.receivers.call("answer", name=name, sdp=offer, timed=timed)
        answer: str = reply["sdp"]
        return answer


class Plenum(Server):
    """Our gateway. `options` are fields of GatewayConfig that this version may or may not have."""

    def __init__(self, receivers: Child, **options: Any) -> None:
        super().__init__(receivers)
        self.options = options
        self._tasks: set[asyncio.Task[None]] = set()
        self._timed: dict[str, bool] = {}

    async def start(self) -> None:
        self.child = Child("benchmarks.sfu.serve", "gateway", json.dumps(self.options))
        await self.child.__aenter__()
        self.child.on_event = self._event
        self.pid = self.child.pid

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await self.child.__aexit__()

    def _event(self, event: dict[str, Any]) -> None:
        if event["event"] == "subscribe.offer" and event["peer"] in self._timed:
            task = asyncio.ensure_future(self._take(event["peer"], event["data"]))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _take(self, peer: str, offer: dict[str, Any]) -> None:
        answer = await self._answer(peer, offer["sdp"], self._timed[peer])
        data = {"generation": 1, "version": offer["version"], "sdp": answer}
        await self.child.call("peer.answer", peer=peer, data=data)

    async def add(self, name: str, sources: list[str]) -> dict[str, Any]:
        data = {"generation": 1, "name": name, "publish": sources}
        offer: dict[str, Any] = (await self.child.call("peer.add", peer=name, data=data))["subscribe"]
        return offer

    async def publish(self, name: str, client: MediaClient) -> None:
        """The publisher's own receiving connection stays unused."""
        if name not in self._timed:
            await self.add(name, [track.source for track in client.tracks])
        data = {"generation": 1, "sdp": client.offer(), "tracks": client.published()}
        reply = await self.child.call("peer.publish", peer=name, data=data)
        client.connect(reply["sdp"])
        await asyncio.wait_for(client.connected.wait(), 10)

    async def subscribe(self, name: str, *, timed: bool, sources: tuple[str, ...] = ()) -> None:
        self._timed[name] = timed
        await self._take(name, await self.add(name, list(sources)))

    async def view(self, name: str, tracks: list[dict[str, Any]]) -> None:
        """What a subscriber shows (docs/protocol.md section 1.9)."""
        await self.child.call("peer.view", peer=name, data={"generation": 1, "tracks": tracks})

    async def counters(self) -> dict[str, Any]:
        return await self.child.call("counters")


class JanusRoom(Server):
    """Janus' videoroom; `libraries` holds another libsrtp than the system's."""

    def __init__(self, receivers: Child, libraries: Path | None) -> None:
        super().__init__(receivers)
        self.janus = Janus(core=SERVER_CORE, libraries=libraries)
        self.feeds: list[int] = []

    async def start(self) -> None:
        await self.janus.__aenter__()
        self.pid = self.janus.pid

    async def stop(self) -> None:
        await self.janus.__aexit__()

    async def publish(self, name: str, client: MediaClient) -> None:
        handle, feed, answer = await self.janus.publish(name, client.offer(setup="active"))
        client.connect(answer)
        await asyncio.wait_for(client.connected.wait(), 10)
        await self.janus.up(handle)
        self.feeds.append(feed)

    async def subscribe(self, name: str, *, timed: bool) -> None:
        handle, offer = await self.janus.subscribe(self.feeds)
        await self.janus.start(handle, await self._answer(name, offer, timed))


class AiortcObjects(Server):
    """Forwarding by aiortc's packet objects (aiortc_servers.py). One publisher."""

    async def start(self) -> None:
        self.child = Child("benchmarks.sfu.serve", "objects")
        await self.child.__aenter__()
        self.pid = self.child.pid

    async def stop(self) -> None:
        await self.child.call("close")
        await self.child.__aexit__()

    async def publish(self, name: str, client: MediaClient) -> None:
        offer = client.offer(setup="active")
        reply = await self.child.call("publish", sdp=_with_candidate(offer))
        client.connect(reply["sdp"])
        await asyncio.wait_for(client.connected.wait(), 10)

    async def subscribe(self, name: str, *, timed: bool) -> None:
        reply = await self.child.call("subscribe", peer=name)
        answer = await self._answer(name, reply["sdp"], timed)
        await self.child.call("answer", peer=name, sdp=_with_candidate(answer))

    async def counters(self) -> dict[str, Any]:
        return await self.child.call("counters")


def _with_candidate(sdp: str) -> str:
    """aiortc waits for a candidate; it learns the true address from the client's own checks."""
    lines = "a=candidate:1 1 udp 1 127.0.0.1 9 typ host\r\na=end-of-candidates\r\n"
    return sdp + lines
