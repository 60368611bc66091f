"""What one participant publishes: one source in one or several layers, sent on under one SSRC."""

import random
import secrets
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from . import rtcp
from .codecs import Codec
from .layer import Layer
from .rtp import timestamp_delta
from .supply import Supply, supply_of
from .udp import UdpSocket

if TYPE_CHECKING:
    from .downtrack import DownTrack
    from .recorder_feed import Tap

SAME_CLOCK = 0.5
"""Seconds by which two layers' timestamps may disagree with their arrival and still be of one clock."""
UNWANTED = 4.0
"""Seconds after which a layer that nobody watches is switched off at the sender."""
SUPPLY_EVERY = 0.1


class Source:
    """One source of one participant, with its layers (lowest quality first) and receivers."""

    def __init__(
        self,
        number: int,
        peer: str,
        peer_name: str,
        name: str,
        codec: Codec,
        socket: UdpSocket,
        outbox: list[Layer],
    ) -> None:
        self.number = number
        self.peer = peer
        self.peer_name = peer_name
        self.name = name
        self.codec = codec
        self.kind = codec.kind
        self.socket = socket
        self.outbox = outbox
        """layers with packets to send at the next flush, shared by the whole worker"""
        self.ssrc = secrets.randbelow(0xFFFFFFFE) + 1
        self.rtx_ssrc = secrets.randbelow(0xFFFFFFFE) + 1 if codec.rtx_payload_type is not None else None
        self.layers: list[Layer] = []
        self.plain: Layer | None = None
        """redundant audio without its redundancy, for those that take only that"""
        self.exposed = False
        self.permitted = True
        self.paused = False
        self.sender_report: tuple[int, int] | None = None
        self.downs: dict[DownTrack, None] = {}
        """who receives it; a dict, because rooms are large and its order is that of their coming"""
        self.supply = Supply()
        self._supply_at = float("-inf")
        self._supplied: list[Layer] = []
        self.tap: Tap | None = None
        self.layers_wanted: Callable[[dict[str, bool]], None] = lambda active: None
        """gets which layers the publisher should send, on change"""
        self._first_timestamp = random.randrange(1 << 32)

    # -- layers ------------------------------------------------------------

    def layer(self, rid: str, *, place: int | None = None) -> Layer:
        """The layer of that name, made at `place` or above the known ones if there is none."""
        for layer in self.layers:
            if layer.rid == rid:
                return layer
        layer = Layer(self, rid)
        self.layers.insert(len(self.layers) if place is None else place, layer)
        return layer

    def plain_layer(self) -> Layer:
        """`plain`, made if it is not there yet. For sources whose codec has a plain form."""
        if self.plain is None:
            assert self.codec.plain is not None
            self.plain = Layer(self, "", self.codec.plain)
        return self.plain

    @property
    def every_layer(self) -> list[Layer]:
        return self.layers if self.plain is None else [*self.layers, self.plain]

    def keep_layers(self, rids: list[str]) -> None:
        """The publisher now sends just these, lowest first; subscribers of others wait for one of them."""
        for rid in rids:
            self.layer(rid)
        gone = [layer for layer in self.layers if layer.rid not in rids]
        self.layers = sorted(
            (layer for layer in self.layers if layer.rid in rids), key=lambda layer: rids.index(layer.rid)
        )
        for layer in gone:
            for down in [*layer.live, *layer.waiting]:
                down.aim(self.layers[0])

    @property
    def uplinked(self) -> bool:
        """Whether a connection publishes it now."""
        return any(layer.uplink is not None for layer in self.layers)

    @property
    def blocked(self) -> bool:
        """Nothing is forwarded now."""
        return self.paused or not self.permitted

    def align(self, layer: Layer, timestamp: int, now: float) -> int:
        """What to add to a layer's timestamps so that all layers tell one time that never goes back.

        Layers of one encoder usually share a clock; then they keep their exact relation. Otherwise the new
        stream is fitted to the others by when it came.
        """
        rate = self.codec.clock_rate
        latest: Layer | None = None
        for other in self.layers:
            if not other.last_at:
                continue
            if other.clock_shift is not None and other is not layer:
                elapsed = (now - other.last_at) * rate
                if abs(timestamp_delta(timestamp, other.last_raw) - elapsed) < SAME_CLOCK * rate:
                    return other.clock_shift
            if latest is None or other.last_at > latest.last_at:
                latest = other
        if latest is None:
            return (self._first_timestamp - timestamp) & 0xFFFFFFFF
        elapsed_ticks = max(1, int((now - latest.last_at) * rate))
        return (latest.last_timestamp + elapsed_ticks - timestamp) & 0xFFFFFFFF

    def set_blocked(self, *, paused: bool | None = None, permitted: bool | None = None) -> None:
        """Change what blocks the source.

        When the last block falls, it goes on with a key frame and no hole.
        """
        before = self.blocked
        if paused is not None:
            self.paused = paused
        if permitted is not None:
            self.permitted = permitted
        if before == self.blocked:
            return
        if self.tap is not None:
            self.tap.state({"paused": self.blocked})
        if not self.blocked:
            now = time.monotonic()
            for layer in self.every_layer:
                layer.resume()
                if layer.live or layer.waiting or self.tap is not None:
                    layer.request_keyframe(now)

    def take_sender_report(self, layer: Layer, ntp: int, timestamp: int) -> None:
        """Pass the publisher's clock on: the NTP time as it is, the RTP timestamp in outgoing terms."""
        if layer.clock_shift is None or self.blocked:
            return
        self.sender_report = (ntp, (timestamp + layer.clock_shift) & 0xFFFFFFFF)
        # Spatial layers come by the whole stream's report, sound without redundancy by the redundant one's.
        for each in self.every_layer:
            if each is layer or each is self.plain or (layer.uplink and each.uplink is layer.uplink):
                for down in each.live:
                    down.send_report()
                if self.tap is not None and self.tap.layer is each:
                    self.tap.sender_report()

    # -- receivers ------------------------------------------------------------

    def attach(self, down: "DownTrack", now: float) -> None:
        """A subscriber takes this source: audio begins at once, video where the subscriber aims."""
        self.downs[down] = None
        if self.codec.starts_keyframe is None and self.layers:
            layer = self.plain if down.plain and self.plain is not None else self.layers[0]
            layer.send(now)
            down.enter(layer, layer.next_index, layer.last_timestamp, None, now)

    def freshen(self, now: float) -> None:
        """Somebody will begin to receive it in a moment. Encoders make key frames of all layers at once."""
        flowing = [layer for layer in self.layers if layer.flowing(now)]
        if flowing:
            flowing[-1].freshen(now)

    def detach(self, down: "DownTrack") -> None:
        down.leave()
        self.downs.pop(down, None)

    def request_keyframe(self, now: float) -> None:
        """A key frame of everything that somebody receives."""
        for layer in self.layers:
            if layer.live or layer.waiting or (self.tap is not None and self.tap.layer is layer):
                layer.request_keyframe(now)

    # -- time ------------------------------------------------------------

    def look(self, now: float) -> Supply:
        """What the layers are like now, looked at ten times a second for everybody who chooses among them.

        When one begins or stops to come, all who receive the source choose anew at once.
        """
        if now - self._supply_at < SUPPLY_EVERY and self._supplied == self.layers:
            return self.supply
        self._supply_at, self._supplied = now, list(self.layers)
        before, self.supply = self.supply, supply_of(self.layers, now)
        if (self.supply.left_out, self.supply.flowing) != (before.left_out, before.flowing):
            for down in self.downs:
                down.sender.stale = True
        return self.supply

    def every_second(self, now: float, span: float) -> None:
        for layer in self.every_layer:
            layer.measure(span)
            layer.cache.prune(now)
        if len(self.layers) > 1 and self.layers[-1].rid:
            self._order(now)
            self._choose_active(now)

    def _order(self, now: float) -> None:
        """Names may mislead: once every layer was seen, the larger picture is the better one."""
        if all(layer.pixels and layer.flowing(now) for layer in self.layers):
            ordered = sorted(self.layers, key=lambda layer: layer.pixels)
            if ordered != self.layers:
                self.layers = ordered

    def want(self, layer: Layer) -> None:
        """Somebody aims at a layer: have it sent, if it was switched off."""
        layer.unwanted_since = None
        if not layer.active:
            layer.active = True
            layer.asked_at = time.monotonic()
            self._announce_active()

    def _choose_active(self, now: float) -> None:
        """Switch off at the sender what nobody watches; the lowest stays, so a newcomer sees something."""
        changed = False
        recorded = self.tap is not None
        for place, layer in enumerate(self.layers):
            wanted = place == 0 or layer.live or layer.waiting or (recorded and place == len(self.layers) - 1)
            if wanted:
                layer.unwanted_since = None
                changed |= not layer.active
                layer.active = True
            elif layer.unwanted_since is None:
                layer.unwanted_since = now
            elif layer.active and now - layer.unwanted_since > UNWANTED:
                layer.active = False
                changed = True
        if changed:
            self._announce_active()

    def _announce_active(self) -> None:
        if not self.layers[-1].rid:
            return  # the spatial layers of one stream cannot be switched off one by one
        self.layers_wanted({layer.rid: layer.active for layer in self.layers})

    # -- end ------------------------------------------------------------

    def describe(self) -> dict[str, object]:
        """For `room.stats`."""
        return {
            "source": self.name,
            "codec": self.codec.name,
            "ssrc": self.ssrc,
            "packets": sum(layer.packets for layer in self.layers),
            "bytes": sum(layer.octets for layer in self.layers),
            "blocked": self.blocked,
            "subscribers": sum(len(layer.live) for layer in self.every_layer),
            "waiting": sum(len(layer.waiting) for layer in self.layers),
            "keyframe_requests": sum(layer.keyframe_requests for layer in self.layers),
            "layers": [layer.describe() for layer in self.layers],
        }

    def report_for(self, packets: int, octets: int, *, ssrc: int) -> bytes | None:
        """A sender report with a CNAME, the counts being one subscriber's.

        None before the publisher sent one.
        """
        if self.sender_report is None:
            return None
        ntp, timestamp = self.sender_report
        report = rtcp.SenderReport(ssrc, ntp, timestamp, packets, octets)
        return report.pack() + rtcp.source_description(ssrc, self.peer)
