"""The streams of a publishing connection: from an SSRC to the layer of a source."""

from typing import TYPE_CHECKING, Protocol

from . import dependency, rtcp, rtp
from .burst import AUDIO_LEVEL_ID
from .planning import Plan
from .receive import StreamReceiver
from .red import RedundantAudio
from .source import Source
from .svc import LayerSplitter, element

if TYPE_CHECKING:
    from .publisher import PublishConnection

NACK_EVERY = 0.005
"""Seconds between two looks at the list of missing packets."""
NOTHING = -1
"""A payload type that no packet has."""


Buffer = bytes | memoryview


class Delivery(Protocol):
    """What takes a stream's packets in: a layer, or what stands before several."""

    def __call__(
        self, extended: int, timestamp: int, marker: int, payload: Buffer, now: float,
        extension: bytes = b"", *, forward: bool = True,
    ) -> None: ...  # fmt: skip


class IncomingStream:
    """One layer of one m-line: its order and losses, and where its packets go."""

    __slots__ = (
        "deliver", "element_id", "hears", "layer", "nackable", "next_nack", "payload_type",
        "plain_payload_type", "receiver", "redundant", "rid", "rtx_payload_type", "splitter", "ssrc",
        "track",
    )  # fmt: skip

    def __init__(self, track: "PublishedTrack", rid: str) -> None:
        self.track = track
        self.rid = rid
        self.layer = track.source.layer(rid)
        self.ssrc: int | None = None
        self.receiver = StreamReceiver(track.source.codec.clock_rate)
        self.next_nack = 0.0
        self.payload_type = NOTHING
        self.rtx_payload_type: int | None = None
        self.plain_payload_type: int | None = None
        self.nackable = False
        self.element_id = 0
        self.hears = track.source.name == "mic"
        self.splitter: LayerSplitter | None = None
        self.redundant: RedundantAudio | None = None
        self.deliver: Delivery = self.layer.deliver
        self.layer.uplink = self
        self.layer.new_stream()

    def follow(self, plan: Plan) -> None:
        """Take on the numbers of a new offer."""
        self.payload_type, self.rtx_payload_type = plan.payload_type, plan.rtx_payload_type
        self.plain_payload_type = plan.plain_payload_type
        self.nackable = plan.asks("nack")
        uri = rtp.AUDIO_LEVEL_URI if self.hears else dependency.URI
        self.element_id = next((ident for ident, known in plan.extensions if known == uri), 0)
        codec = self.track.source.codec
        if codec.layered and self.rid == "" and self.splitter is None:
            self.splitter = LayerSplitter(self.track.source, self.layer, self)
            self.deliver = self.splitter.deliver
        elif codec.described and self.splitter is None:
            self.deliver = self._deliver_layer
        plain_type = self.plain_payload_type
        if plain_type is not None and (self.redundant is None or self.redundant.payload_type != plain_type):
            source = self.track.source
            self.redundant = RedundantAudio(source, self.layer, source.plain_layer(), plain_type)
            self.deliver = self.redundant.deliver

    def _deliver_layer(
        self, extended: int, timestamp: int, marker: int, payload: bytes | memoryview, now: float,
        extension: bytes = b"", *, forward: bool = True,
    ) -> None:  # fmt: skip
        """A layer of simulcast, of which `extension` is the browser's bare dependency descriptor."""
        carried = element(extension) if extension else b""
        self.layer.deliver(extended, timestamp, marker, payload, now, carried, forward=forward)

    def take(
        self, extended: int, timestamp: int, second: int, payload: memoryview, element: bytes, now: float
    ) -> None:
        """One packet off the straight way; `element` is its audio level or dependency descriptor, if any."""
        deliver = self.deliver
        if self.redundant is not None and second & 0x7F == self.plain_payload_type:
            deliver = self.redundant.deliver_plain
        forward = True
        if self.hears and element:
            source, connection = self.track.source, self.track.connection
            forward = source.blocked or connection.hear(element[0] & 0x7F)
            element = bytes((AUDIO_LEVEL_ID << 4, element[0]))
        deliver(extended, timestamp, second >> 7, payload, now, element, forward=forward)

    def bind(self, ssrc: int) -> None:
        """The layer's media comes with this SSRC from now on."""
        if ssrc == self.ssrc:
            return
        if self.ssrc is not None:
            self.track.connection.by_ssrc.pop(self.ssrc, None)
            self.receiver = StreamReceiver(self.track.source.codec.clock_rate)
            self._new_stream()
        self.ssrc = ssrc

    def _new_stream(self) -> None:
        (self.splitter or self.redundant or self.layer).new_stream()

    def request_keyframe(self) -> bool:
        """Send a PLI, or a FIR where only that is known; False when there is no way to."""
        connection = self.track.connection
        if self.ssrc is None or not connection.transport.ready:
            return False
        connection.plis += 1
        request = rtcp.KeyFrameRequest(connection.ssrc, self.ssrc)
        if self.track.only_fir:
            self.track.firs += 1
            connection.send(request.pack_fir(self.track.firs))
        else:
            connection.send(request.pack())
        return True

    def ask_again(self, now: float) -> None:
        """NACK what is missing, as far as it is due."""
        self.next_nack = now + NACK_EVERY
        receiver = self.receiver
        abandoned = receiver.abandoned
        due = receiver.due(now)
        if receiver.abandoned != abandoned and self.nackable:
            self._start_afresh(now)
        # Where the browser resends nothing a gap is only counted.
        if due and self.nackable and self.ssrc is not None and not self.track.source.blocked:
            connection = self.track.connection
            connection.nacks += len(due)
            connection.send(rtcp.Nack(connection.ssrc, self.ssrc, due).pack())

    def _start_afresh(self, now: float) -> None:
        """What is lost for good can be decoded by nobody: ask for a key frame before viewers have to."""
        layer = self.layer
        if layer.codec.starts_keyframe is None or self.track.source.blocked:
            return
        if self.splitter is not None:
            layer.request_keyframe(now)
        elif layer.needs(self.receiver.abandoned_to):
            layer.resume()  # it asks itself, unless the next packet begins a key frame

    def release(self) -> None:
        """Nothing comes by this stream any more."""
        if self.layer.uplink is self:
            self.layer.uplink = None
        if self.splitter is not None:
            self.splitter.release()

    def describe(self) -> dict[str, object]:
        receiver = self.receiver
        return {
            "rid": self.rid,
            "received": receiver.received,
            "lost": receiver.lost,
            "recovered": receiver.recovered,
            "jitter_ms": round(1000 * receiver.jitter / receiver.clock_rate, 1),
        }


class PublishedTrack:
    """One receiving m-line: its source, and the streams that carry the source's layers."""

    def __init__(self, connection: "PublishConnection", mid: str, source: Source) -> None:
        self.connection = connection
        self.mid = mid
        self.source = source
        self.streams: dict[str, IncomingStream] = {}
        self.only_fir = False
        self.firs = 0

    def follow(self, plan: Plan) -> None:
        """Arrange the streams as a checked offer says."""
        self.only_fir = plan.asks("ccm fir") and not plan.asks("nack pli")
        if list(self.streams) != list(plan.layers):
            for rid in [rid for rid in self.streams if rid not in plan.layers]:
                self._drop(self.streams.pop(rid))
            self.source.keep_layers(list(plan.layers))
            self.streams = {rid: self.streams.get(rid) or IncomingStream(self, rid) for rid in plan.layers}
        for stream in self.streams.values():
            stream.follow(plan)
        self._bind(plan)

    def _bind(self, plan: Plan) -> None:
        """Take on the SSRCs that the offer names; those of layers by rid are learned from the packets."""
        section, by_ssrc = plan.section, self.connection.by_ssrc
        if plan.rids:
            return
        primaries = plan.ssrcs
        if not primaries:
            repairs = set(section.repairs.values())
            primaries = tuple(ssrc for ssrc in section.ssrcs if ssrc not in repairs)[:1]
        for stream, primary in zip(self.streams.values(), primaries, strict=False):
            by_ssrc[primary] = stream
            stream.bind(primary)
            repair = section.repairs.get(primary)
            if repair is not None:
                by_ssrc[repair] = stream

    def describe(self) -> dict[str, object]:
        """The whole of its streams, and each."""
        receivers = [stream.receiver for stream in self.streams.values()]
        return {
            "mid": self.mid,
            "received": sum(receiver.received for receiver in receivers),
            "lost": sum(receiver.lost for receiver in receivers),
            "recovered": sum(receiver.recovered for receiver in receivers),
            "streams": [stream.describe() for stream in self.streams.values()],
        }

    def close(self) -> None:
        for stream in self.streams.values():
            self._drop(stream)
        self.streams.clear()

    def _drop(self, stream: IncomingStream) -> None:
        by_ssrc = self.connection.by_ssrc
        for ssrc in [ssrc for ssrc, owner in by_ssrc.items() if owner is stream]:
            del by_ssrc[ssrc]
        stream.release()


class Learner:
    """Finds the stream of an SSRC that the offer did not name, by what its first packets carry."""

    def __init__(self) -> None:
        self.mid_id = self.rid_id = self.repaired_id = 0

    def take(self, extensions: tuple[tuple[int, str], ...]) -> None:
        """Learn the ids of an accepted m-line; they are the same on all of a bundle."""
        for ident, uri in extensions:
            if uri == rtp.MID_URI:
                self.mid_id = ident
            elif uri == rtp.RID_URI:
                self.rid_id = ident
            elif uri == rtp.REPAIRED_RID_URI:
                self.repaired_id = ident

    def find(
        self, tracks: dict[str, PublishedTrack], payload_type: int, view: memoryview, length: int
    ) -> IncomingStream | None:
        """By MID and RID, else by a payload type that one m-line only can have."""
        found = rtp.read_extensions(view, length)
        mid, rid = self._text(found, self.mid_id), self._text(found, self.rid_id)
        repaired = self._text(found, self.repaired_id)
        if mid is not None:
            track = tracks.get(mid)
            streams = list(track.streams.values()) if track is not None else []
        else:
            # A guess must not take a stream away from the SSRC it is known to have.
            streams = [
                stream
                for track in tracks.values()
                for stream in track.streams.values()
                if stream.ssrc is None
            ]
        name = rid if rid is not None else repaired
        if name is not None:
            streams = [stream for stream in streams if stream.rid == name]
        fitting = [stream for stream in streams if payload_type in _types(stream, repair=rid is None)]
        return fitting[0] if len(fitting) == 1 else None

    @staticmethod
    def _text(found: dict[int, bytes], ident: int) -> str | None:
        value = found.get(ident) if ident else None
        return None if value is None else value.decode("ascii", "replace")


def _types(stream: IncomingStream, *, repair: bool) -> tuple[int | None, ...]:
    if repair:
        return stream.payload_type, stream.plain_payload_type, stream.rtx_payload_type
    return stream.payload_type, stream.plain_payload_type
