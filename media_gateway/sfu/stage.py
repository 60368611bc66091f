"""What the people of a room publish there: from an offer to a source that everybody receives, and its end."""

import functools
from collections.abc import Iterable
from typing import TYPE_CHECKING

from .codecs import Codec
from .errors import GatewayError
from .peer import Peer
from .source import Source

if TYPE_CHECKING:
    from .room import Room


class Stage:
    """Of one room; what comes from other workers is not on it (see relays.py)."""

    def __init__(self, room: "Room") -> None:
        self.room = room

    def publish(self, peer: Peer, text: object, sources: dict[str, str]) -> str:
        """Take a publish offer; the answer. GatewayError leaves everything as it was."""
        fresh = peer.publish is None
        connection = peer.open_publish()
        try:
            offer, plans = connection.plan(text, sources)
        except GatewayError:
            if fresh:
                connection.close()
                peer.publish = None
            raise
        opened: list[Source] = []

        def source_for(name: str, codec: Codec) -> Source:
            source = peer.sources.get(name)
            if source is None or source.codec is not codec:
                if source is not None:
                    self.retire(peer, source)
                source = self.room.new_source(peer.id, peer.name, name, codec)
                source.layers_wanted = functools.partial(self._layers_wanted, source)
                source.set_blocked(permitted=name in peer.allowed, paused=name in peer.paused)
                peer.sources[name] = source
            peer.orphans.pop(name, None)
            opened.append(source)
            return source

        answer, ended = connection.apply(offer, plans, source_for)
        for source in ended:
            if not source.uplinked:
                self.retire(peer, source)
        for source in opened:
            self._expose(peer, source)
        return answer

    def _layers_wanted(self, source: Source, active: dict[str, bool]) -> None:
        peer = self.room.peers.get(source.peer)
        if peer is not None:
            peer.emit("layers", {"source": source.name, "active": active})

    def _expose(self, peer: Peer, source: Source) -> None:
        """Let others know of a source, as soon as it is permitted.

        Told again when a new generation took it on.
        """
        if not source.permitted:
            return
        peer.emit("track.added", {"source": source.name, "kind": source.kind, "codec": source.codec.name})
        if source.exposed:
            return
        self.room.show(source)
        self.room.relays.add(source)

    def retire(self, peer: Peer, source: Source) -> None:
        """A source ended: nobody receives it any more, its m-lines become free."""
        if peer.sources.get(source.name) is source:
            del peer.sources[source.name]
        peer.orphans.pop(source.name, None)
        shown = source.exposed
        self.room.withdraw(source)
        self.room.relays.remove(source)
        for layer in source.layers:
            layer.uplink = None
        if shown:
            peer.emit("track.removed", {"source": source.name})

    def permit(self, peer: Peer, allowed: frozenset[str]) -> None:
        """Change what a peer may publish; packets of other sources are dropped from now on."""
        peer.allowed = allowed
        for source in peer.sources.values():
            source.set_blocked(permitted=source.name in allowed)
            if source.permitted and not source.exposed and source.uplinked:
                self._expose(peer, source)

    def pause(self, peer: Peer, names: Iterable[str], paused: bool) -> None:
        """Forward nothing of these sources, or go on; holds for sources published later as well."""
        for name in names:
            if paused:
                peer.paused.add(name)
            else:
                peer.paused.discard(name)
            source = peer.sources.get(name)
            if source is not None:
                source.set_blocked(paused=paused)

    def limit(self, peer: Peer) -> None:
        """Take the largest layers from a peer that sends more than it may, until it sends less."""
        limit = self.room.services.max_bitrate
        if not limit:
            return
        pictures = [
            layer for source in peer.sources.values() if source.kind == "video" for layer in source.layers
        ]
        excess = sum(layer.offered_bitrate for layer in pictures) - limit
        for layer in sorted(pictures, key=lambda layer: -layer.offered_bitrate):
            # A frame or two above is no abuse, and what was taken comes back only once there is room for it.
            layer.set_withdrawn(excess > (0.0 if layer.withdrawn else 0.1 * limit))
            if layer.withdrawn:
                excess -= layer.offered_bitrate
