"""A room: its peers, what they publish, who receives it, who speaks, what is recorded."""

import functools
import json
import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import count
from typing import Any

from .codecs import Codec
from .endpoint import Endpoint
from .errors import GatewayError
from .loudest import Loudest
from .pacer import Pacer
from .play import PlayConnection
from .publisher import PublishConnection
from .recorder_feed import RecorderFeed
from .relays import Relays
from .sdp_write import Candidate
from .source import Source
from .speaker import SpeakerDetector
from .subscriber import SubscribeConnection
from .watch import RoomWatch

log = logging.getLogger(__name__)

ADOPT_WITHIN = 10.0
"""Seconds for which the sources of a lost connection wait for the same peer to publish them again."""
CONNECT_WITHIN = 60.0
"""Seconds a peer may be in the room without ever having had a connection."""
MAX_RECORDINGS = 4


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
            self.room.lose_publisher(self)

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
        missed = self.room.send_data(self.id, topic, body)
        if missed:
            self.emit("data", {"topic": topic, "body": body, "missed": missed})

    def _hear(self, level: int) -> bool:
        self.room.speaker.hear(self.id, level)
        return self.room.loudest.hear(self.id, level, self.room.services.endpoint.now)

    def last_consent(self) -> float:
        """The newest consent on any of its connections; 0 when there never was one."""
        publish = self.publish.transport.last_consent if self.publish is not None else 0.0
        return max(publish, self.subscribe.transport.last_consent)


class Room:
    """Everything that goes on in one meeting's session on this worker."""

    def __init__(self, ident: str, services: Services, instance: str) -> None:
        self.id = ident
        self.services = services
        self.instance = instance
        self.peers: dict[str, Peer] = {}
        self.feeds: dict[str, RecorderFeed] = {}
        self.speaker = SpeakerDetector()
        self.loudest = Loudest(services.loudest)
        self.watch = RoomWatch(self)
        self.relays = Relays(self)
        self.empty_since: float | None = None
        self._turn = 0
        self._second_at = time.monotonic()
        self._span = 1.0

    # -- peers ------------------------------------------------------------

    def add_peer(self, ident: str, generation: int, name: str, allowed: Iterable[str], now: float) -> Peer:
        """Add a peer, or replace an older generation of it; the same generation again changes nothing."""
        old = self.peers.get(ident)
        if old is not None and old.generation > generation:
            raise GatewayError("stale_generation", f"generation {old.generation} is in the room")
        if old is not None and old.generation == generation:
            return old
        peer = Peer(self, ident, generation, name, allowed, now)
        if old is not None:
            # Its sources stay subscribed and wait to be published again: others see a freeze, not a new
            # track.
            self._close_connections(old)
            peer.sources, old.sources = old.sources, {}
            peer.paused = old.paused
            peer.orphans = dict.fromkeys(peer.sources, now + ADOPT_WITHIN)
            for source in peer.sources.values():
                source.peer_name = name
                source.set_blocked(permitted=source.name in peer.allowed)
        self.peers[ident] = peer
        self.watch.renew(ident)
        for other in self.peers.values():
            if other is not peer:
                for source in other.sources.values():
                    if source.exposed:
                        peer.subscribe.add(source)
        for source in self.relays.sources:
            peer.subscribe.add(source)
        return peer

    def remove_peer(self, peer: Peer) -> None:
        """Take a peer out for good."""
        self.peers.pop(peer.id, None)
        self._close_connections(peer)
        for source in list(peer.sources.values()):
            self._retire(peer, source)
        self.speaker.forget(peer.id)
        self.loudest.forget(peer.id)
        self.watch.forget(peer.id)

    def _close_connections(self, peer: Peer) -> None:
        peer.subscribe.close()
        if peer.publish is not None:
            peer.publish.close()
            peer.publish = None

    def play(self, peer: Peer, text: object) -> str:
        """Play to a peer by its own offer (WHEP), in the place of offers of ours; the answer."""
        services, before = self.services, peer.subscribe
        connection = PlayConnection(
            services.endpoint,
            services.candidates,
            offer=before.offer,
            state_changed=before.state_changed,
            call_later=services.call_later,
            wake=services.pacer.add,
            paused=lambda tracks: None,
            speakers=lambda: list(self.speaker.speakers),
        )
        try:
            answer = connection.take_offer(text)
        except GatewayError:
            connection.close()
            raise
        peer.subscribe = connection
        for down in before.downs.values():
            connection.add(down.source)
        before.close()
        return answer

    def lose_publisher(self, peer: Peer) -> None:
        """The publishing connection ended: keep its sources for a while, for a new one to adopt."""
        connection, peer.publish = peer.publish, None
        if connection is not None:
            deadline = connection.transport.endpoint.now + ADOPT_WITHIN
            for source in connection.close():
                peer.orphans[source.name] = deadline

    # -- sources ------------------------------------------------------------

    def new_source(self, peer: str, peer_name: str, name: str, codec: Codec) -> Source:
        endpoint = self.services.endpoint
        number = next(self.services.numbers)
        return Source(number, peer, peer_name, name, codec, endpoint.socket, endpoint.outbox)

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
                    self._retire(peer, source)
                source = self.new_source(peer.id, peer.name, name, codec)
                source.layers_wanted = functools.partial(self._layers_wanted, source)
                source.set_blocked(permitted=name in peer.allowed, paused=name in peer.paused)
                peer.sources[name] = source
            peer.orphans.pop(name, None)
            opened.append(source)
            return source

        answer, ended = connection.apply(offer, plans, source_for)
        for source in ended:
            if not source.uplinked:
                self._retire(peer, source)
        for source in opened:
            self._expose(peer, source)
        return answer

    def _layers_wanted(self, source: Source, active: dict[str, bool]) -> None:
        peer = self.peers.get(source.peer)
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
        source.exposed = True
        for other in self.peers.values():
            if other is not peer:
                other.subscribe.add(source)
        self.relays.add(source)
        for feed in self.feeds.values():
            feed.add(source)

    def _retire(self, peer: Peer, source: Source) -> None:
        """A source ended: nobody receives it any more, its m-lines become free."""
        if peer.sources.get(source.name) is source:
            del peer.sources[source.name]
        peer.orphans.pop(source.name, None)
        for other in self.peers.values():
            other.subscribe.remove(source)
        self.relays.remove(source)
        for feed in list(source.tap.feeds) if source.tap is not None else ():
            feed.remove(source)
        for layer in source.layers:
            layer.uplink = None
        if source.exposed:
            source.exposed = False
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

    # -- messages ------------------------------------------------------------

    def send_data(self, sender: str, topic: str, body: Any, *, relayed: bool = False) -> list[str]:
        """Send to every open data channel but the sender's; who has none.

        What came from another worker is not sent on to others.
        """
        text = json.dumps({"from": sender, "topic": topic, "body": body}, ensure_ascii=False)
        missed = []
        for peer in self.peers.values():
            if peer.id == sender:
                continue
            data = peer.publish.data if peer.publish is not None else None
            if data is None or not data.send(text):
                missed.append(peer.id)
        if not relayed:
            self.relays.send_data(sender, topic, body)
        return missed

    # -- recording ------------------------------------------------------------

    def record(self, feed: RecorderFeed) -> int:
        """Feed a recorder; a second call for the same recording moves it to the new address.

        Tracks announced.
        """
        if feed.recording not in self.feeds and len(self.feeds) >= MAX_RECORDINGS:
            raise GatewayError("overloaded", "too many recordings of this room")
        self.unrecord(feed.recording)
        self.feeds[feed.recording] = feed
        exposed = [s for peer in self.peers.values() for s in peer.sources.values() if s.exposed]
        exposed += self.relays.sources
        for source in exposed:
            feed.add(source)
        return len(exposed)

    def unrecord(self, recording: str) -> None:
        feed = self.feeds.pop(recording, None)
        if feed is not None:
            feed.stop()

    # -- time ------------------------------------------------------------

    def tick(self, now: float) -> None:
        """Every few ten milliseconds. Subscribers take turns: each is looked at every fourth time."""
        self._turn += 1
        for place, peer in enumerate(self.peers.values(), self._turn):
            if not place & 3:
                peer.subscribe.tick(now)
            for source in peer.sources.values():
                source.look(now)
                for layer in source.layers:
                    layer.tick(now)
        self.relays.tick(now)

    def evaluate_speakers(self, now: float) -> None:
        speakers = self.speaker.evaluate(now)
        if speakers is not None and not self.relays.leader:
            self.services.emit("speaker", self.id, None, None, {"peers": speakers})

    def every_second(self, now: float, lost_after: float) -> None:
        """Consent, reports, repeated announcements, sources nobody came back for."""
        self._span, self._second_at = now - self._second_at, now
        for peer in list(self.peers.values()):
            self._check_peer(peer, now, lost_after)
        for feed in self.feeds.values():
            feed.tick(now)
        self.relays.every_second(now, self._span)
        self.watch.every_second(now)

    def _check_peer(self, peer: Peer, now: float, lost_after: float) -> None:
        consent = peer.last_consent()
        peer.subscribe.transport.check_consent(now)
        if peer.publish is not None:
            peer.publish.transport.check_consent(now)
        silence = now - consent if consent else now - peer.added_at
        if silence > (lost_after if consent else CONNECT_WITHIN):
            log.info("peer %s of room %s is gone", peer.id, self.id)
            self.remove_peer(peer)
            peer.emit("peer.gone", {})
            return
        peer.subscribe.repeat_offer(now)
        if peer.publish is not None:
            peer.publish.report(now)
            self._limit(peer)
        for source in list(peer.sources.values()):
            source.every_second(now, self._span)
            if now > peer.orphans.get(source.name, now):
                self._retire(peer, source)

    def _limit(self, peer: Peer) -> None:
        """Take the largest layers from a peer that sends more than it may, until it sends less."""
        limit = self.services.max_bitrate
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

    # -- end ------------------------------------------------------------

    def describe(self) -> dict[str, Any]:
        """For `room.stats`."""
        return {
            "room": self.id,
            "speakers": list(self.speaker.speakers),
            **self.watch.describe(),
            "relays": self.relays.describe(),
            "recordings": {
                feed.recording: {"tracks": len(feed.sources), "packets": feed.packets}
                for feed in self.feeds.values()
            },
            "peers": [
                {
                    "peer": peer.id,
                    "generation": peer.generation,
                    "publish": peer.publish.describe() if peer.publish is not None else None,
                    "subscribe": peer.subscribe.describe(),
                }
                for peer in self.peers.values()
            ],
        }

    def close(self) -> None:
        for peer in list(self.peers.values()):
            self.remove_peer(peer)
        self.relays.close()
        for recording in list(self.feeds):
            self.unrecord(recording)
