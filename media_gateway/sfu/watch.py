"""Watches over one room: where media stops (`diagnosis`), and how good each connection is (`quality`)."""

from typing import TYPE_CHECKING, Any

from .diagnosis import Diagnosis, Reports, Trouble
from .downtrack import DownTrack
from .quality import Measured, Quality
from .source import Source

if TYPE_CHECKING:
    from .peer import Peer
    from .room import Room

SCORE_EVERY = 2.0


class PeerWatch:
    """What is known of one peer's line."""

    def __init__(self) -> None:
        self.reports = Reports()
        self.quality = Quality()
        self._before: dict[tuple[str, str], dict[str, Any]] = {}
        self._before_at = 0.0
        self._received = self._expected = 0

    def concealed(self) -> float | None:
        """Share of sound the browser had to make up since the last look; None when it did not tell."""
        samples = concealed = 0
        for key, stat in self.reports.last_in.items():
            before = self._before.get(key, {})
            samples += max(0, stat["samples"] - before.get("samples", 0))
            concealed += max(0, stat["concealed"] - before.get("concealed", 0))
        return concealed / samples if samples else None

    def frozen(self, now: float) -> float | None:
        """Share of the time for which the worst picture stood still."""
        span = 1000 * (now - self._before_at)
        worst = None
        for key, stat in self.reports.last_in.items():
            if stat["frames"] and key in self._before:
                stood = max(0, stat["freeze_ms"] - self._before[key]["freeze_ms"])
                worst = max(worst or 0.0, min(1.0, stood / span))
        return worst

    def uplink_loss(self, peer: "Peer") -> float | None:
        """Share of what it sent that never came, since the last look."""
        if peer.publish is None:
            return None
        receivers = peer.publish.receivers()
        expected = sum(receiver.expected for receiver in receivers)
        received = sum(receiver.received for receiver in receivers)
        grown, came = expected - self._expected, received - self._received
        self._expected, self._received = expected, received
        return min(1.0, max(0.0, 1 - came / grown)) if grown > 0 and came >= 0 else None

    def keep(self, now: float) -> None:
        """What was told so far is the past."""
        self._before = dict(self.reports.last_in)
        self._before_at = now


class RoomWatch:
    """Called every second by its room."""

    def __init__(self, room: "Room") -> None:
        self.room = room
        self.diagnosis = Diagnosis(self._tell, self._heal)
        self.peers: dict[str, PeerWatch] = {}
        self._scored_at = 0.0

    def of(self, peer: str) -> PeerWatch:
        return self.peers.setdefault(peer, PeerWatch())

    def forget(self, peer: str) -> None:
        """A peer left."""
        self.peers.pop(peer, None)
        for watch in self.peers.values():
            watch.reports.forget(peer)

    def renew(self, peer: str) -> None:
        """A peer came with new connections: its browser counts from zero."""
        self.peers.pop(peer, None)

    def every_second(self, now: float) -> None:
        diagnosis = self.diagnosis
        diagnosis.begin()
        for index, peer in enumerate(self.room.peers.values(), start=1):
            watch = self.of(peer.id)
            for source in peer.sources.values():
                diagnosis.look_up(source, watch.reports, now)
            if not peer.subscribe.transport.ready:
                continue
            allocation = peer.subscribe.allocation
            for down in peer.subscribe.downs.values():
                shown = down.is_audio or allocation.shows(down)
                diagnosis.look_down(down, index, watch.reports, shown, now)
        diagnosis.end()
        if now - self._scored_at >= SCORE_EVERY:
            self._scored_at = now
            self._score(now)

    # -- quality ------------------------------------------------------------

    def _score(self, now: float) -> None:
        changed: dict[str, int] = {}
        for peer in self.room.peers.values():
            watch = self.of(peer.id)
            shown = watch.quality.update(self._measure(peer, watch, now))
            watch.keep(now)
            if shown is not None:
                changed[peer.id] = shown
        if changed:
            self.room.services.emit("quality", self.room.id, None, None, {"peers": changed})

    def _measure(self, peer: "Peer", watch: PeerWatch, now: float) -> Measured:
        subscribe = peer.subscribe
        downs = [down for down in subscribe.downs.values() if down.layer is not None]
        lost = [down.fraction_lost / 256 for down in downs]
        up = watch.uplink_loss(peer)
        losses = ([max(lost)] if lost else []) + ([] if up is None else [up])
        trips = [down.round_trip for down in downs if down.round_trip is not None]
        jitters = [
            stat["jitter_ms"] / 1000
            for key, stat in watch.reports.last_in.items()
            if stat["samples"] and watch.reports.fresh(now)
        ]
        layer, wanted = subscribe.allocation.shortfall
        return Measured(
            audio=any(down.is_audio for down in downs) or "mic" in peer.sources,
            video=any(not down.is_audio for down in subscribe.downs.values()) or "camera" in peer.sources,
            loss=max(losses) if losses else None,
            round_trip=max(trips) if trips else None,
            jitter=max(jitters) if jitters else None,
            concealed=watch.concealed(),
            frozen=watch.frozen(now),
            layer=layer,
            wanted_layer=wanted,
        )

    # -- trouble ------------------------------------------------------------

    def _peer_of(self, down: DownTrack) -> "Peer | None":
        return next((peer for peer in self.room.peers.values() if peer.subscribe.sender is down.sender), None)

    def _tell(self, source: Source, down: DownTrack | None, trouble: Trouble, state: str) -> None:
        subscriber = None if down is None else self._peer_of(down)
        data = {
            "peer": source.peer,
            "source": source.name,
            "hop": trouble.hop,
            "state": state,
            "action": trouble.action,
            "subscriber": None if subscriber is None else subscriber.id,
        }
        publisher = self.room.peers.get(source.peer)
        for peer in (publisher, subscriber):
            if peer is not None:
                peer.emit("trouble", data)

    def _heal(self, source: Source, down: DownTrack | None, step: str) -> bool:
        """Do one step of the ladder; False when it is nothing for this way."""
        now = self.room.services.endpoint.now
        if step == "keyframe" and source.kind == "video":
            if down is None:
                source.request_keyframe(now)
            else:
                down.request_keyframe(now)
            return True
        if down is None:
            return False
        if step == "resubscribe":
            aimed = down.layer or down.target
            source.detach(down)
            source.attach(down, now)
            if not down.is_audio and aimed is not None:
                down.aim(aimed)
            return True
        peer = self._peer_of(down)
        if step == "restart" and peer is not None and peer.subscribe.transport.state != "failed":
            peer.subscribe.restart()
            return True
        return False

    def describe(self) -> dict[str, Any]:
        """For `room.stats`."""
        return {
            "troubles": self.diagnosis.troubles(),
            "quality": {peer: watch.quality.shown for peer, watch in self.peers.items()},
        }
