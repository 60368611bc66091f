"""A room that is spread over workers: what is sent to and what comes from the others.

Each worker relays what is published on it, and only that, to every other worker of the room; so nothing
goes round in circles, and a participant may publish on whichever worker serves them.
"""

import functools
import json
from typing import TYPE_CHECKING, Any

from .codecs import Codec
from .errors import GatewayError
from .relay_in import RelayIn
from .relay_out import RelayConnection
from .source import Source

if TYPE_CHECKING:
    from .room import Room

MAX_RELAYS = 64


class Relays:
    """Of one room. A relay has the name of the other worker."""

    def __init__(self, room: "Room") -> None:
        self.room = room
        self.out: dict[str, RelayConnection] = {}
        self.incoming: dict[str, RelayIn] = {}
        self.leader = ""
        """the other worker that speaks for the whole room, if it is not this one"""
        self.sources: list[Source] = []
        """what comes from other workers"""

    # -- operations ------------------------------------------------------------

    def open(self, name: str) -> str:
        """Begin to send to another worker: the offer it has to answer. An older relay of that name ends."""
        if name not in self.out and len(self.out) >= MAX_RELAYS:
            raise GatewayError("overloaded", "too many relays of this room")
        self.close_out(name)
        services = self.room.services
        relay = self.out[name] = RelayConnection(
            services.endpoint,
            services.candidates,
            state_changed=functools.partial(self._state, name),
            wake=services.pacer.add,
        )
        for peer in self.room.peers.values():
            for source in peer.sources.values():
                if source.exposed:
                    relay.add(source)
        return relay.current_offer()[1]

    def answer(self, name: str, text: object) -> None:
        """Take the other worker's answer."""
        relay = self.out.get(name)
        if relay is None:
            raise GatewayError("not_found", "no such relay")
        relay.answer(relay.version, text)

    def pull(self, name: str, offer: object, *, leader: bool) -> str:
        """Begin to receive from another worker: the answer to its offer.

        `leader`: that worker says who speaks, as everything is heard on each.
        """
        if not isinstance(offer, str):
            raise GatewayError("bad_request", "sdp must be a string")
        self.close_in(name)
        services = self.room.services
        relay = RelayIn(
            services.endpoint.identity,
            self._opened,
            self._ended,
            self._said,
            self.room.speaker.hear,
            functools.partial(self._tell, "relay.lost", name),
        )
        try:
            answer = relay.answer(offer, services.endpoint.now)
        except GatewayError:
            relay.close()
            raise
        self.incoming[name] = relay
        if leader:
            self.leader = name
        elif self.leader == name:
            self.leader = ""
        return answer

    def close_out(self, name: str) -> None:
        relay = self.out.pop(name, None)
        if relay is not None:
            relay.close()

    def close_in(self, name: str) -> None:
        relay = self.incoming.pop(name, None)
        if relay is not None:
            relay.close()
        if self.leader == name:
            self.leader = ""

    def _state(self, name: str, state: str) -> None:
        if state in ("failed", "closed"):
            self._tell("relay.lost", name)

    def _tell(self, event: str, name: str) -> None:
        self.room.services.emit(event, self.room.id, None, None, {"relay": name})

    # -- sources ------------------------------------------------------------

    def add(self, source: Source) -> None:
        """Something is published here."""
        for relay in self.out.values():
            relay.add(source)

    def remove(self, source: Source) -> None:
        for relay in self.out.values():
            relay.remove(source)

    def send_data(self, sender: str, topic: str, body: Any) -> None:
        """Pass a message on to the other workers of the room."""
        text = json.dumps({"from": sender, "topic": topic, "body": body}, ensure_ascii=False).encode()
        for relay in self.out.values():
            relay.transport.dtls.send_data(text)

    def _said(self, sender: str, topic: str, body: Any) -> None:
        try:
            missed = self.room.send_data(sender, topic, body, relayed=True)
        except GatewayError:
            return  # too many with what is said here
        if missed:
            data = {"topic": topic, "body": body, "missed": missed}
            self.room.services.emit("data", self.room.id, sender, None, data)

    def _opened(self, peer: str, name: str, source_name: str, codec: Codec) -> Source:
        """A track came over a relay: its source, made and shown to everybody here if it is new."""
        for source in self.sources:
            if (source.peer, source.name, source.codec) == (peer, source_name, codec):
                return source
        room, services = self.room, self.room.services
        source = room.new_source(peer, name, source_name, codec)
        self.sources.append(source)
        room.show(source)
        services.endpoint.request_flush()
        return source

    def _ended(self, source: Source) -> None:
        if source not in self.sources:
            return
        self.sources.remove(source)
        self.room.withdraw(source)

    # -- time ------------------------------------------------------------

    def tick(self, now: float) -> None:
        for relay in self.incoming.values():
            relay.tick(now)
        for source in self.sources:
            source.look(now)
            for layer in source.layers:
                layer.tick(now)

    def every_second(self, now: float, span: float) -> None:
        for relay in self.incoming.values():
            relay.every_second(now)
        for name, outgoing in list(self.out.items()):
            outgoing.transport.check_consent(now)
            if outgoing.never_came(now):
                self._tell("relay.lost", name)
            outgoing.every_second()
        for source in self.sources:
            source.every_second(now, span)

    def describe(self) -> dict[str, Any]:
        """For `room.stats`."""
        return {
            "out": {name: relay.describe() for name, relay in self.out.items()},
            "in": {name: relay.describe() for name, relay in self.incoming.items()},
        }

    def close(self) -> None:
        for name in list(self.out):
            self.close_out(name)
        for name in list(self.incoming):
            self.close_in(name)
