"""Media servers as a call needs them: take a publisher's offer, make a viewer's, take the answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from media_gateway.sfu.gateway import Gateway, GatewayConfig

OnOffer = Callable[[dict[str, Any]], None]
"""Gets `{version, sdp}` of a viewer."""


class MediaServer(Protocol):
    """One room with a publisher and a viewer, whoever serves it."""

    encodings: list[dict[str, Any]]
    """the layers its publishers send, as `sendEncodings`"""

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    async def publish(self, sdp: str, tracks: list[dict[str, str]]) -> str:
        """The answer to the publisher's offer."""
        ...

    async def view(self, offer: OnOffer) -> None:
        """Let the viewer in; `offer` is called for the first offer and for later ones."""
        ...

    async def answer(self, version: int, sdp: str) -> None:
        """The viewer's answer."""
        ...


LAYERS: list[dict[str, Any]] = [
    {"rid": "q", "scaleResolutionDownBy": 4, "maxBitrate": 150_000},
    {"rid": "h", "scaleResolutionDownBy": 2, "maxBitrate": 500_000},
    {"rid": "f", "scaleResolutionDownBy": 1, "maxBitrate": 1_700_000},
]
ONE_LAYER: list[dict[str, Any]] = [{"maxBitrate": 1_700_000}]


class PlenumServer:
    """The product's gateway, in this process."""

    def __init__(self, encodings: list[dict[str, Any]] | None = None, **config: Any) -> None:
        self.encodings = encodings or LAYERS
        self.gateway = Gateway(GatewayConfig(host="127.0.0.1", **config), self._event)
        self.events: list[dict[str, Any]] = []
        self._offer: OnOffer | None = None

    def _event(self, event: dict[str, Any]) -> None:
        self.events.append(event)
        if event["event"] == "subscribe.offer" and event["peer"] == "bob" and self._offer is not None:
            self._offer(event["data"])

    async def call(self, op: str, peer: str | None = None, **data: Any) -> dict[str, Any]:
        return await self.gateway.handle(op, "room", peer, data)

    async def start(self) -> None:
        await self.gateway.start()
        await self.call("peer.add", "ann", generation=1, name="Ann", publish=["mic", "camera"])

    async def stop(self) -> None:
        await self.gateway.stop()

    async def publish(self, sdp: str, tracks: list[dict[str, str]]) -> str:
        reply = await self.call("peer.publish", "ann", generation=1, sdp=sdp, tracks=tracks)
        return str(reply["sdp"])

    async def view(self, offer: OnOffer) -> None:
        self._offer = offer
        reply = await self.call("peer.add", "bob", generation=1, name="Bob", publish=[])
        offer(reply["subscribe"])

    async def answer(self, version: int, sdp: str) -> None:
        await self.call("peer.answer", "bob", generation=1, version=version, sdp=sdp)

    async def stats(self) -> dict[str, Any]:
        """`room.stats` of the gateway."""
        return await self.call("room.stats")
