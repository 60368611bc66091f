"""A room: its peers, what they publish, who receives it, who speaks, what is recorded."""

import json
import logging
import time
from collections.abc import Iterable
from typing import Any

from .allowance import Allowance
from .codecs import Codec
from .errors import GatewayError
from .loudest import Loudest
from .peer import Peer, Services
from .recorder_feed import RecorderFeed
from .relays import Relays
from .source import Source
from .speaker import SpeakerDetector
from .stage import Stage
from .watch import RoomWatch

log = logging.getLogger(__name__)

CONNECT_WITHIN = 60.0
"""Seconds a peer may be in the room without ever having had a connection."""
MAX_RECORDINGS = 4


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
        self.stage = Stage(self)
        self.relays = Relays(self)
        self.allowance = Allowance(services.data_rate, 2 * services.data_rate)
        self.refused = 0
        """messages beyond the room's rate"""
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
            peer.succeed(old, now)
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
        peer.close_connections()
        for source in list(peer.sources.values()):
            self.stage.retire(peer, source)
        self.speaker.forget(peer.id)
        self.loudest.forget(peer.id)
        self.watch.forget(peer.id)

    # -- sources ------------------------------------------------------------

    def new_source(self, peer: str, peer_name: str, name: str, codec: Codec) -> Source:
        endpoint = self.services.endpoint
        number = next(self.services.numbers)
        return Source(number, peer, peer_name, name, codec, endpoint.socket, endpoint.outbox)

    def show(self, source: Source) -> None:
        """Have everybody else here receive a source, and the recorders."""
        source.exposed = True
        for other in self.peers.values():
            if other.id != source.peer:
                other.subscribe.add(source)
        for feed in self.feeds.values():
            feed.add(source)

    def withdraw(self, source: Source) -> None:
        """A source ended: nobody receives it any more, its m-lines become free."""
        source.exposed = False
        for peer in self.peers.values():
            peer.subscribe.remove(source)
        for feed in list(source.tap.feeds) if source.tap is not None else ():
            feed.remove(source)

    # -- messages ------------------------------------------------------------

    def send_data(self, sender: str, topic: str, body: Any, *, relayed: bool = False) -> list[str]:
        """Send to every open data channel but the sender's; who has none.

        All that a room says passes here, by whatever way it came, so its rate is kept here: GatewayError
        `rate_limited`. What came from another worker is not sent on to others.
        """
        if not self.allowance.take(time.monotonic()):
            self.refused += 1
            raise GatewayError("rate_limited", "the room says too much")
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
            self.stage.limit(peer)
        for source in list(peer.sources.values()):
            source.every_second(now, self._span)
            if now > peer.orphans.get(source.name, now):
                self.stage.retire(peer, source)

    # -- end ------------------------------------------------------------

    def describe(self) -> dict[str, Any]:
        """For `room.stats`."""
        return {
            "room": self.id,
            "speakers": list(self.speaker.speakers),
            **self.watch.describe(),
            "relays": self.relays.describe(),
            "data_refused": self.refused,
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
