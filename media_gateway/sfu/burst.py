"""Outgoing packets as templates, and the runs of them that go to each subscriber in one piece.

A template is a whole plain RTP packet that lacks two numbers: the sequence number and the transport-wide
one. Both stand at even offsets, so a socket can write them into a copy without taking the header apart.
Packets that follow each other and are nearly of one size make a *run*: with UDP segmentation offload the
kernel takes a run as one message, and wants all of its segments but the last to be equal. Encoders cut a
frame into packets that differ by a byte or two, so these are levelled with RTP padding (RFC 3550 section
5.1).
"""

import struct
from typing import NamedTuple

AUDIO_LEVEL_ID, TRANSPORT_CC_ID, DESCRIPTOR_ID = 1, 3, 5
"""Header extension ids of our own offers"""
SEQUENCE_AT = 2
TIMESTAMP_AT = 4
SSRC_AT = 8
NUMBER_AT = 18
HEADER_SIZE = 20
"""Fixed header, extension head, and one word with the transport-wide number; further elements follow it."""
LEVELLED = 8
"""Bytes of padding that are worth an equal size."""
MAX_RUN_PACKETS = 40
MAX_RUN_BYTES = 48_000
"""The kernel allows 64 segments and 65,507 bytes; shorter runs also leave room in the send ring."""

_HEADER = struct.Struct("!BBHIIHHBBH")
_U32 = struct.Struct("!I")
_PROFILE = 0xBEDE
_WIDE_PROFILE = 0x1000
_ELEMENT = 0, TRANSPORT_CC_ID << 4 | 1
_WIDE_ELEMENT = TRANSPORT_CC_ID, 2
"""The bytes before the transport-wide number, in the one-byte and the two-byte form (RFC 8285)"""

Record = tuple[int, int, bytes, "Picture | None"]
"""(index, timestamp, template, where the codec counts pictures)"""
Picture = tuple[int, int, int, int]
"""VP8: (offset of the picture id in the template or 0, its value with the width bit, then TL0PICIDX so)

Where a dependency descriptor counts frames: (minus the offset of its number, the number, 0, 0).
"""


class OwnHeader(NamedTuple):
    """What one subscriber knows a track by instead of the source's SSRC and the numbers of our own offers."""

    ssrc: int
    payload_type: int | None = None
    number_id: int | None = None
    """of the transport-wide number's header extension"""

    def write(self, view: memoryview, at: int) -> None:
        """Into the packet, made by `template`, that stands at `at`."""
        _U32.pack_into(view, at + SSRC_AT, self.ssrc)
        if self.payload_type is not None:
            view[at + 1] = view[at + 1] & 0x80 | self.payload_type
        if self.number_id is None:
            return
        if view[at + 12] == _PROFILE >> 8:
            view[at + NUMBER_AT - 1] = self.number_id << 4 | 1
        else:
            view[at + NUMBER_AT - 2] = self.number_id


def template(second: int, timestamp: int, ssrc: int, extension: bytes, payload: bytes | memoryview) -> bytes:
    """A packet without its two numbers. `second` is the header's second byte (marker, payload type).

    `extension` holds further one-byte elements with ids as in our own offers; if it begins with a zero byte
    (padding in both forms), two-byte ones.
    """
    profile, first_element = _PROFILE, _ELEMENT
    if extension:
        if not extension[0]:
            profile, first_element = _WIDE_PROFILE, _WIDE_ELEMENT
        extension += bytes(-len(extension) & 3)
    return (
        _HEADER.pack(0x90, second, 0, timestamp, ssrc, profile, 1 + (len(extension) >> 2), *first_element, 0)
        + extension
        + payload
    )


def header_size(packet: bytes) -> int:
    """Where the payload of a packet begins that names no contributing sources, as none of ours does."""
    return 16 + 4 * (packet[14] << 8 | packet[15]) if packet[0] & 0x10 else 12


def retransmission(packet: bytes, payload_type: int, sequence: int, ssrc: int) -> bytes:
    """The RTX packet (RFC 4588) that carries `packet`: its sequence number, then its payload."""
    size = header_size(packet)
    return b"".join(
        (
            packet[:1],
            bytes(((packet[1] & 0x80) | payload_type,)),
            sequence.to_bytes(2, "big"),
            packet[4:8],
            ssrc.to_bytes(4, "big"),
            packet[12:size],
            packet[2:4],
            packet[size:],
        )
    )


def padding(payload_type: int, sequence: int, ssrc: int) -> bytes:
    """An RTX packet of nothing but padding: what a probe sends when there is no media to repeat."""
    packet = bytearray(template(payload_type, 0, ssrc, b"", bytes(254) + b"\xff"))
    packet[0] |= 0x20
    packet[SEQUENCE_AT : SEQUENCE_AT + 2] = sequence.to_bytes(2, "big")
    return bytes(packet)


class Run:
    """Packets with consecutive indices: all of `size` bytes but the last, which has `last` bytes."""

    __slots__ = ("_blobs", "count", "first", "last", "packets", "records", "size", "total")

    def __init__(self, records: list[Record], size: int) -> None:
        self.records = records
        self.first = records[0][0]
        self.count = len(records)
        if self.count == 1:
            self.packets = [records[0][2]]
            self.size = self.last = len(records[0][2])
        else:
            # An even size keeps every packet of the run at an even offset.
            self.size = size + (size & 1)
            last = len(records[-1][2])
            self.last = self.size if last >= self.size - LEVELLED - 1 else last
            self.packets = [_padded(record[2], self.size) for record in records[:-1]]
            self.packets.append(_padded(records[-1][2], self.last))
        self.total = (self.count - 1) * self.size + self.last
        self._blobs: dict[int, bytes] = {}

    def blob(self, tag: int) -> bytes:
        """All packets in a row, each followed by `tag` bytes of room for what encryption adds."""
        blob = self._blobs.get(tag)
        if blob is None:
            blob = self._blobs[tag] = b"".join([packet + bytes(tag) for packet in self.packets])
        return blob


def _padded(packet: bytes, size: int) -> bytes:
    missing = size - len(packet)
    if missing == 0:
        return packet
    return bytes((packet[0] | 0x20,)) + packet[1:] + bytes(missing - 1) + bytes((missing,))


def runs(records: list[Record]) -> list[Run]:
    """Cut packets, in the order they are to be sent, into runs."""
    if len(records) == 1:
        return [Run(records, 0)]
    made: list[Run] = []
    start, end = 0, len(records)
    while start < end:
        low = high = len(records[start][2])
        bytes_so_far = high
        at = start + 1
        while at < end and at - start < MAX_RUN_PACKETS and records[at][0] == records[at - 1][0] + 1:
            size = len(records[at][2])
            bytes_so_far += size
            if bytes_so_far > MAX_RUN_BYTES:
                break
            if max(high, size) - min(low, size) <= LEVELLED:
                low, high = min(low, size), max(high, size)
                at += 1
            elif size < low:
                at += 1  # the last of a frame is shorter: it may end a run
                break
            else:
                break
        made.append(Run(records[start:at], high))
        start = at
    return made
