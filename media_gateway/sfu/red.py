"""Redundant audio (RFC 2198): a packet carries its own sound and, before it, that of packets before.

Browsers that receive `audio/red` get such packets as they came. For everybody else (`unpack`) the primary
block is taken out, and what a lost packet would have carried out of the redundancy of the next.
"""

from typing import TYPE_CHECKING, NamedTuple

from .codecs import OPUS

if TYPE_CHECKING:
    from .layer import Layer
    from .source import Source

Buffer = bytes | memoryview

MAX_BLOCKS = 9
MAX_OFFSET = 0x3FFF


class Block(NamedTuple):
    """One block: its payload type, how much earlier it was taken (in timestamp units), its data."""

    payload_type: int
    offset: int
    data: Buffer


def unpack(payload: Buffer) -> list[Block]:
    """The blocks of a payload, oldest first, the primary one last. ValueError when lengths do not fit."""
    at, size = 0, len(payload)
    heads: list[tuple[int, int, int]] = []
    while True:
        if at >= size:
            raise ValueError("RED headers cut off")
        first = payload[at]
        if not first & 0x80:
            break
        if at + 4 > size or len(heads) >= MAX_BLOCKS:
            raise ValueError("RED headers cut off, or too many")
        offset = payload[at + 1] << 6 | payload[at + 2] >> 2
        heads.append((first & 0x7F, offset, (payload[at + 2] & 3) << 8 | payload[at + 3]))
        at += 4
    primary = payload[at]
    at += 1
    blocks = []
    for kind, offset, length in heads:
        if at + length > size:
            raise ValueError("a RED block beyond the packet")
        blocks.append(Block(kind, offset, payload[at : at + length]))
        at += length
    blocks.append(Block(primary, 0, payload[at:size]))
    return blocks


def renumber(payload: Buffer, payload_type: int) -> bytes:
    """The payload with another payload type in all its block headers. ValueError when cut off."""
    out = bytearray(payload)
    at = 0
    while True:
        if at >= len(out):
            raise ValueError("RED headers cut off")
        more = out[at] & 0x80
        out[at] = more | payload_type
        if not more:
            return bytes(out)
        at += 4


def pack(blocks: list[Block]) -> bytes:
    """A payload out of blocks, oldest first. ValueError for offsets or lengths that have no room."""
    heads = bytearray()
    for block in blocks[:-1]:
        if not 0 <= block.offset <= MAX_OFFSET or len(block.data) > 0x3FF:
            raise ValueError("a block that does not fit a RED header")
        word = block.offset << 10 | len(block.data)
        heads += bytes((0x80 | block.payload_type,)) + word.to_bytes(3, "big")
    heads.append(blocks[-1].payload_type)
    return bytes(heads) + b"".join(bytes(block.data) for block in blocks)


class RedundantAudio:
    """Stands between a stream of redundant audio and its source's two layers: as it came, and without.

    The layer without redundancy is fed only while somebody takes it.
    """

    def __init__(self, source: "Source", layer: "Layer", plain: "Layer", payload_type: int) -> None:
        """`payload_type` is the publisher's of Opus, inside and outside of RED."""
        self.source = source
        self.layer = layer
        self.plain = plain
        self.payload_type = payload_type
        self.malformed = 0
        self.recovered = 0
        self._feeding = False
        self._highest = -1
        self._given: dict[int, None] = {}
        plain.new_stream()

    def new_stream(self) -> None:
        """The next packets come with new numbers."""
        self._highest = -1
        self._given.clear()
        self.layer.new_stream()
        self.plain.new_stream()

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
        """As `Layer.deliver`, of a payload with redundancy."""
        try:
            blocks = unpack(payload)
            ours = payload if self.payload_type == OPUS.payload_type else renumber(payload, OPUS.payload_type)
        except ValueError:
            self.malformed += 1
            return
        if blocks[-1].payload_type != self.payload_type:
            return
        self.layer.deliver(extended, timestamp, marker, ours, now, extension, forward=forward)
        if self._wanted():
            self._recover(extended, timestamp, blocks, now, forward)
            self._give(extended, timestamp, marker, blocks[-1].data, now, extension, forward)

    def deliver_plain(
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
        """A packet of Opus alone, which senders may mix in."""
        wrapped = bytes((OPUS.payload_type,)) + payload
        self.layer.deliver(extended, timestamp, marker, wrapped, now, extension, forward=forward)
        if self._wanted():
            self._give(extended, timestamp, marker, payload, now, extension, forward)

    def _wanted(self) -> bool:
        wanted = bool(self.plain.live) or self.source.tap is not None
        if wanted and not self._feeding:
            self.plain.resume()
            self._highest = -1
        self._feeding = wanted
        return wanted

    def _recover(self, extended: int, timestamp: int, blocks: list[Block], now: float, forward: bool) -> None:
        """Packets missing right before this one, out of its redundancy."""
        if self._highest < 0:
            return
        missing = extended - self._highest - 1
        for back in range(min(missing, len(blocks) - 1), 0, -1):
            block = blocks[-1 - back]
            if block.payload_type != self.payload_type or not len(block.data):
                continue
            self.recovered += 1
            self._give(
                extended - back, timestamp - block.offset & 0xFFFFFFFF, 0, block.data, now, b"", forward
            )

    def _give(
        self,
        extended: int,
        timestamp: int,
        marker: int,
        data: Buffer,
        now: float,
        extension: bytes,
        forward: bool,
    ) -> None:
        if extended in self._given:
            return  # came after it had been recovered
        self._given[extended] = None
        if len(self._given) > 64:
            del self._given[next(iter(self._given))]
        self._highest = max(self._highest, extended)
        self.plain.deliver(extended, timestamp, marker, data, now, extension, forward=forward)
