"""A room's sources to another worker, for rooms with more listeners than one worker can serve.

The other worker is a subscriber like a browser, with ICE, DTLS and SRTP, but gets every layer of every
source that is published *here*, each under an SSRC of its own, and chooses for its own subscribers. What
the tracks are is told on the same transport, as DTLS application data: one JSON object a track, repeated
every second, so that losing one costs little and no third party has to keep two workers in step.
"""

import json
import secrets
from collections.abc import Callable
from typing import Any

from . import rtcp
from .burst import OwnHeader
from .downtrack import DownTrack
from .endpoint import Endpoint
from .layer import Layer
from .sdp_write import Candidate
from .sender import Sender
from .source import Source
from .subscriber import SubscribeConnection

CONNECT_WITHIN = 10.0
"""Seconds in which the other worker connects, or the relay is made anew."""


class RelayTrack(DownTrack):
    """One layer of a source, and never another."""

    def __init__(self, source: Source, layer: Layer, sender: Sender) -> None:
        super().__init__(source, sender, "")
        self.own = layer
        self.ssrc = secrets.randbelow(0xFFFFFFFE) + 1
        self.header = OwnHeader(self.ssrc)
        self.rtx_ssrc: int = secrets.randbelow(0xFFFFFFFE) + 1
        self.rtx = self.attached = True

    def tell(self) -> bytes:
        """What the other worker must know of it."""
        source, layer = self.source, self.own
        return json.dumps(
            {
                "ssrc": self.ssrc,
                "rtx": self.rtx_ssrc,
                "peer": source.peer,
                "name": source.peer_name,
                "source": source.name,
                "codec": source.codec.name,
                "rid": layer.rid,
                "place": source.layers.index(layer) if layer in source.layers else 0,
                "width": layer.width,
                "height": layer.height,
                "paused": source.blocked,
            },
            ensure_ascii=False,
            separators=(",", ":"),
        ).encode()


class RelayConnection(SubscribeConnection):
    """The sending end; negotiated once, tracks come and go without."""

    def __init__(
        self,
        endpoint: Endpoint,
        candidates: tuple[Candidate, ...],
        *,
        state_changed: Callable[[str], None],
        wake: Callable[[Sender], None],
    ) -> None:
        super().__init__(
            endpoint,
            candidates,
            offer=lambda version, text: None,
            state_changed=state_changed,
            call_later=lambda delay, function: None,
            wake=wake,
            paused=lambda tracks: None,
        )
        self.sources: list[Source] = []
        self.tracks: dict[int, RelayTrack] = {}
        self._awaited_since: float | None = None

    def never_came(self, now: float) -> bool:
        """Whether the other worker let `CONNECT_WITHIN` pass without connecting; said once in that time."""
        if self.transport.address is not None:
            return False
        if self._awaited_since is None:
            self._awaited_since = now
        if now - self._awaited_since < CONNECT_WITHIN:
            return False
        self._awaited_since = now
        return True

    def add(self, source: Source) -> None:
        if source not in self.sources:
            self.sources.append(source)
            self._follow(source)

    def remove(self, source: Source) -> None:
        if source in self.sources:
            self.sources.remove(source)
        for ssrc in [ssrc for ssrc, track in self.tracks.items() if track.source is source]:
            self._end(ssrc)

    def _follow(self, source: Source) -> None:
        """Have a track for each layer there is."""
        if not self.transport.ready:
            return
        known = {track.own: ssrc for ssrc, track in self.tracks.items() if track.source is source}
        for layer in source.layers:
            if layer not in known:
                track = RelayTrack(source, layer, self.sender)
                self.tracks[track.ssrc] = track
                source.attach(track, self.endpoint.now)
                if not track.is_audio:
                    track.aim(layer)
                self.transport.dtls.send_data(track.tell())
        for layer, ssrc in known.items():
            if layer not in source.layers:
                self._end(ssrc)

    def _end(self, ssrc: int) -> None:
        track = self.tracks.pop(ssrc)
        track.source.detach(track)
        self.transport.forget_ssrcs([track.ssrc, track.rtx_ssrc])
        self.transport.dtls.send_data(json.dumps({"ssrc": ssrc, "ended": True}).encode())

    def transport_state(self, state: str) -> None:
        if state == "connected":
            for source in self.sources:
                self._follow(source)
        self.state_changed(state)

    def tick(self, now: float) -> None:
        """Nothing to choose: the line between workers carries everything."""

    def every_second(self) -> None:
        """Tell every track again, and take on layers that came meanwhile."""
        for source in self.sources:
            self._follow(source)
        if self.transport.ready:
            for track in self.tracks.values():
                if track.layer is None and track.target is None and not track.is_audio:
                    track.aim(track.own)
                self.transport.dtls.send_data(track.tell())

    def _by_ssrc(self, ssrc: int) -> DownTrack | None:
        return self.tracks.get(ssrc)

    def _take(self, message: rtcp.Packet, now: float) -> None:
        if not isinstance(message, rtcp.TransportFeedback | rtcp.Remb):
            super()._take(message, now)

    def describe(self) -> dict[str, Any]:
        return super().describe() | {"tracks": [track.describe() for track in self.tracks.values()]}

    def close(self) -> None:
        for ssrc in list(self.tracks):
            self._end(ssrc)
        self.sources.clear()
        super().close()
