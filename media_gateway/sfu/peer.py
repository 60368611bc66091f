"""One participant of a room: its two connections, and what it may publish."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any

from .endpoint import Endpoint
from .errors import GatewayError
from .pacer import Pacer
from .play import PlayConnection
from .publisher import PublishConnection
from .sdp_write import Candidate
from .source import Source
from .subscriber import SubscribeConnection

if TYPE_CHECKING:
    from .room import Room

ADOPT_WITHIN = 10.0
"""Seconds for which the sources of a lost connection wait for the same peer to publish them again."""


@dataclass(slots=True)
class Services:
    """What rooms need of the worker they live on."""

    endpoint: Endpoint
    candidates: tuple[Candidate, ...]
    emit: Callable[[str, str, str | None, int | None, dict[str, Any]], None]
    """emit(event, room, peer, generation, data)"""
    busy: Callable[[PublishConnection], None]
    call_later: Callable[[float, Callable[[], None]], object]
    pacer: Pacer
    loudest: int
    """voices forwarded at once in a room"""
    data_rate: float
    """messages a second in a room"""
    max_bitrate: int
    """bit/s a peer may publish; 0 is no limit"""
    numbers: "count[int]"
    """track numbers, unique in this worker's life"""


class Peer:
    """One participant's two connections and its sources."""

    def __init__(
        self, room: "Room", ident: str, generation: int, name: str, allowed: Iterable[str], now: float
    ) -> None:
        self.room = room
        self.id = ident
        self.generation = generation
        self.name = name
        self.allowed = frozenset(allowed)
        self.topics: frozenset[str] = frozenset()
        """what it may say by the data channel"""
        self.paused: set[str] = set()
        self.sources: dict[str, Source] = {}
        self.orphans: dict[str, float] = {}
        self.added_at = now
        self.was_connected = False
        self.publish: PublishConnection | None = None
        services = room.services
        self.subscribe = SubscribeConnection(
            services.endpoint,
            services.candidates,
            offer=self._offer,
            state_changed=lambda state: self._state("subscribe", state),
            call_later=services.call_later,
            wake=services.pacer.add,
            paused=lambda tracks: self.emit("paused", {"tracks": tracks}),
        )

    def emit(self, event: str, data: dict[str, Any]) -> None:
        self.room.services.emit(event, self.room.id, self.id, self.generation, data)

    def _offer(self, version: int, text: str) -> None:
        self.emit("subscribe.offer", {"version": version, "sdp": text})

    def _state(self, connection: str, state: str) -> None:
        self.was_connected = self.was_connected or state == "connected"
        self.emit("peer.state", {"pc": connection, "state": state})
        if connection == "publish" and state in ("failed", "closed"):
            self.lose_publisher()

    def open_publish(self) -> PublishConnection:
        """The publishing connection, a fresh one if there is none or the last one ended."""
        if self.publish is None:
            services = self.room.services
            self.publish = PublishConnection(
                services.endpoint,
                services.candidates,
                hear=self._hear,
                state_changed=lambda state: self._state("publish", state),
                busy=services.busy,
                message=self._message,
            )
        return self.publish

    def _message(self, topic: str, body: Any) -> None:
        if topic not in self.topics:
            return
        try:
            missed = self.room.send_data(self.id, topic, body)
        except GatewayError:
            return  # too many: lost, as what a peer says beyond its own rate
        if missed:
            self.emit("data", {"topic": topic, "body": body, "missed": missed})

    def _hear(self, level: int) -> bool:
        self.room.speaker.hear(self.id, level)
        return self.room.loudest.hear(self.id, level, self.room.services.endpoint.now)

    def last_consent(self) -> float:
        """The newest consent on any of its connections; 0 when there never was one."""
        publish = self.publish.transport.last_consent if self.publish is not None else 0.0
        return max(publish, self.subscribe.transport.last_consent)

    def play(self, text: object) -> str:
        """Play to it by its own offer (WHEP), in the place of offers of ours; the answer."""
        services, before = self.room.services, self.subscribe
        connection = PlayConnection(
            services.endpoint,
            services.candidates,
            offer=before.offer,
            state_changed=before.state_changed,
            call_later=services.call_later,
            wake=services.pacer.add,
            paused=lambda tracks: None,
            speakers=lambda: list(self.room.speaker.speakers),
        )
        try:
            answer = connection.take_offer(text)
        except GatewayError:
            connection.close()
            raise
        self.subscribe = connection
        for down in before.downs.values():
            connection.add(down.source)
        before.close()
        return answer

    def lose_publisher(self) -> None:
        """The publishing connection ended: keep its sources for a while, for a new one to adopt."""
        connection, self.publish = self.publish, None
        if connection is not None:
            deadline = connection.transport.endpoint.now + ADOPT_WITHIN
            for source in connection.close():
                self.orphans[source.name] = deadline

    def succeed(self, old: "Peer", now: float) -> None:
        """Take the place of an older generation.

        Its sources stay subscribed and wait to be published again: others see a freeze, not a new track.
        """
        old.close_connections()
        self.sources, old.sources = old.sources, {}
        self.paused = old.paused
        self.orphans = dict.fromkeys(self.sources, now + ADOPT_WITHIN)
        for source in self.sources.values():
            source.peer_name = self.name
            source.set_blocked(permitted=source.name in self.allowed)

    def close_connections(self) -> None:
        self.subscribe.close()
        if self.publish is not None:
            self.publish.close()
            self.publish = None
