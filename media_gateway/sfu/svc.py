"""Scalable video in one stream (VP9, AV1): sub-streams with the lower spatial layers only.

A browser that codes several spatial layers sends them under one SSRC. For everything behind here each of them
and all below it is a layer of the source like one of simulcast, with numbers that have no hole where a higher
layer was left out. The whole stream is the source's layer "" and the highest one; those below are "s0", "s1".
"""

from typing import TYPE_CHECKING, NamedTuple

from . import av1, vp9
from .burst import DESCRIPTOR_ID
from .codecs import AV1
from .dependency import DependencyReader

if TYPE_CHECKING:
    from .layer import Layer, Uplink
    from .source import Source

Buffer = bytes | memoryview

MAX_SPATIAL = 4
DIVIDE_EVERY = 0.5
"""Seconds for which a stream must keep its layers: a layer has a cache, and making one costs."""
REMEMBERED = 1024
"""Packets back for which it is known how many were left out before them (a power of two)."""
LONGEST_ELEMENT = 16
"""Bytes of an element that the one-byte form of header extensions carries."""


class Place(NamedTuple):
    """Where a packet belongs. `ends`: last packet of its layer's frame."""

    spatial: int
    ends: bool
    layers: int = 0
    """spatial layers of the stream from here on, where the packet tells; else 0"""
    sizes: tuple[tuple[int, int], ...] = ()
    """(width, height) by spatial layer, where told"""


class Vp9Places:
    """Reads VP9's own payload descriptor."""

    def layer_of(self, payload: Buffer, descriptor: bytes) -> Place | None:
        fields = vp9.read(payload)
        if fields is None:
            return None
        layers = fields.layers
        if not layers and not fields.predicted and fields.begins and not fields.spatial:
            layers = 1
        return Place(fields.spatial, fields.ends, layers, fields.sizes)


class Av1Places:
    """Reads the dependency descriptor, or where a browser sends none the headers of the OBUs."""

    def __init__(self) -> None:
        self._reader = DependencyReader()
        self._spatial = 0

    def layer_of(self, payload: Buffer, descriptor: bytes) -> Place | None:
        if descriptor:
            frame = self._reader.read(descriptor)
            if frame is None:
                return None
            structure = self._reader.structure if frame.structured else None
            if structure is None:
                return Place(frame.spatial, frame.ends)
            return Place(frame.spatial, frame.ends, structure.spatial_layers, structure.sizes)
        spatial = av1.spatial_layer(payload)
        if spatial is not None:
            self._spatial = spatial
        elif av1.starts_keyframe(payload):
            self._spatial = 0
        # Without a descriptor nobody says how many layers there will be: the stream stays in one piece.
        return Place(self._spatial, False, 1 if av1.starts_keyframe(payload) else 0)


class SubStream:
    """The packets of the spatial layers up to `spatial`, on their way into a layer of the source."""

    __slots__ = ("_highest", "_left_out", "_shifts", "layer", "spatial")

    def __init__(self, layer: "Layer", spatial: int) -> None:
        self.layer = layer
        self.spatial = spatial
        self._highest = -1
        self._left_out = 0
        self._shifts = [0] * REMEMBERED

    def deliver(
        self, place: Place, extended: int, timestamp: int, marker: int, payload: Buffer, now: float,
        extension: bytes, forward: bool,
    ) -> None:  # fmt: skip
        """Pass a packet on if it belongs here; else close the gap it would leave."""
        belongs = place.spatial <= self.spatial
        highest = self._highest
        if extended > highest:
            self._note(extended)
            left_out = self._left_out
            if not belongs:
                self._left_out += 1
                return
        elif highest - extended < REMEMBERED:
            left_out = self._shifts[extended % REMEMBERED]
            if not belongs:
                # Its number was kept free when it was missing: nothing stands there, so nobody asks for it.
                self.layer.deliver(extended - left_out, timestamp, 0, payload[:0], now, forward=forward)
                return
        else:
            return
        if place.ends and place.spatial == self.spatial:
            marker = 1
        self.layer.deliver(extended - left_out, timestamp, marker, payload, now, extension, forward=forward)
        if place.layers and self.spatial < len(place.sizes):
            self.layer.width, self.layer.height = place.sizes[self.spatial]

    def _note(self, extended: int) -> None:
        """Remember how many were left out before this packet and before those missing in front of it."""
        first = max(self._highest + 1, extended - REMEMBERED + 1) if self._highest >= 0 else extended
        for number in range(first, extended + 1):
            self._shifts[number % REMEMBERED] = self._left_out
        self._highest = extended

    def new_stream(self) -> None:
        self._highest = -1
        self._left_out = 0
        self.layer.new_stream()


class LayerSplitter:
    """Stands between an incoming stream and the layers of its source.

    While a stream has one spatial layer its packets go straight to the whole's layer.
    """

    def __init__(self, source: "Source", whole: "Layer", uplink: "Uplink") -> None:
        self.source = source
        self.whole = whole
        self.uplink = uplink
        self.parts: list[SubStream] = []
        """lowest first, without the whole"""
        self._described = source.codec is AV1
        self._places: Vp9Places | Av1Places = Av1Places() if self._described else Vp9Places()
        self._divided_at = -DIVIDE_EVERY

    def deliver(
        self,
        extended: int,
        timestamp: int,
        marker: int,
        payload: Buffer,
        now: float,
        extension: bytes = b"",
        *,
        forward: bool = True,
    ) -> None:
        """As `Layer.deliver`, but `extension` is the browser's bare dependency descriptor."""
        place = self._places.layer_of(payload, extension)
        if extension:
            extension = element(extension)
        if place is not None:
            if (
                place.layers
                and place.layers != len(self.parts) + 1
                and now >= self._divided_at + DIVIDE_EVERY
            ):
                self._divided_at = now
                self._divide(place.layers)
            for part in self.parts:
                part.deliver(place, extended, timestamp, marker, payload, now, extension, forward)
        self.whole.deliver(extended, timestamp, marker, payload, now, extension, forward=forward)
        if place is not None and place.layers and place.sizes:
            self.whole.width, self.whole.height = place.sizes[-1]

    def _divide(self, layers: int) -> None:
        """From here on the stream has this many spatial layers."""
        count = min(layers, MAX_SPATIAL) - 1
        rids = [f"s{number}" for number in range(count)]
        self.source.keep_layers([*rids, self.whole.rid])
        for part in self.parts[count:]:
            self._let_go(part)
        del self.parts[count:]
        for number in range(len(self.parts), count):
            part = SubStream(self.source.layer(rids[number]), number)
            part.layer.uplink = self.uplink
            part.layer.new_stream()
            self.parts.append(part)

    def new_stream(self) -> None:
        """The next packets come with new numbers."""
        for part in self.parts:
            part.new_stream()
        self.whole.new_stream()

    def release(self) -> None:
        """Nothing comes any more."""
        for part in self.parts:
            self._let_go(part)

    def _let_go(self, part: SubStream) -> None:
        if part.layer.uplink is self.uplink:
            part.layer.uplink = None


def element(descriptor: bytes) -> bytes:
    """The header extension element that carries a dependency descriptor on to subscribers.

    One longer than the one-byte form allows comes in the two-byte form; its leading zero, which is padding
    in both, tells the writer of the header so.
    """
    size = len(descriptor)
    if size <= LONGEST_ELEMENT:
        return bytes((DESCRIPTOR_ID << 4 | size - 1,)) + descriptor
    return bytes((0, DESCRIPTOR_ID, size)) + descriptor
