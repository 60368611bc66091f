"""RTP headers (RFC 3550, RFC 8285), RTX (RFC 4588) and sequence arithmetic: pure functions on bytes."""

import struct
from dataclasses import dataclass

HEADER = struct.Struct("!BBHII")
EXTENSION_HEAD = struct.Struct("!HH")
ONE_BYTE_PROFILE = 0xBEDE
TWO_BYTE_PROFILE = 0x1000
MIN_LENGTH = 12

MID_URI = "urn:ietf:params:rtp-hdrext:sdes:mid"
RID_URI = "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id"
REPAIRED_RID_URI = "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id"
ABS_SEND_TIME_URI = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"
AUDIO_LEVEL_URI = "urn:ietf:params:rtp-hdrext:ssrc-audio-level"
TRANSPORT_CC_URI = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"


@dataclass(frozen=True, slots=True)
class Parsed:
    """One RTP packet taken apart. `start` and `end` bound the payload without padding."""

    marker: bool
    payload_type: int
    sequence: int
    timestamp: int
    ssrc: int
    extensions: dict[int, bytes]
    start: int
    end: int


def payload_bounds(data: bytes | memoryview, size: int) -> tuple[int, int]:
    """Offsets of the payload, header extension and padding left out.

    ValueError when the lengths do not fit.
    """
    first = data[0]
    start = 12 + 4 * (first & 15)
    if first & 16:
        if start + 4 > size:
            raise ValueError("extension beyond the packet")
        start += 4 + 4 * EXTENSION_HEAD.unpack_from(data, start)[1]
    end = size
    if first & 32:
        padding = data[size - 1]
        if padding == 0:
            raise ValueError("padding of length zero")
        end -= padding
    if start > end:
        raise ValueError("lengths beyond the packet")
    return start, end


def read_extensions(data: bytes | memoryview, size: int) -> dict[int, bytes]:
    """Header extension elements by id.

    Both the one-byte and the two-byte form. Broken ones end the reading.
    """
    first = data[0]
    if not first & 16:
        return {}
    at = 12 + 4 * (first & 15)
    if at + 4 > size:
        return {}
    profile, words = EXTENSION_HEAD.unpack_from(data, at)
    at += 4
    end = at + 4 * words
    found: dict[int, bytes] = {}
    if end > size:
        return found
    if profile == ONE_BYTE_PROFILE:
        while at < end:
            head = data[at]
            at += 1
            if head == 0:
                continue
            ident = head >> 4
            if ident == 15:
                break
            length = (head & 15) + 1
            if at + length > end:
                break
            found[ident] = bytes(data[at : at + length])
            at += length
    elif profile & 0xFFF0 == TWO_BYTE_PROFILE:
        while at + 1 < end:
            ident = data[at]
            if ident == 0:
                at += 1
                continue
            length = data[at + 1]
            at += 2
            if at + length > end:
                break
            found[ident] = bytes(data[at : at + length])
            at += length
    return found


def parse(data: bytes | memoryview) -> Parsed:
    """Take a packet apart. ValueError for anything that is not a whole RTP packet."""
    size = len(data)
    if size < MIN_LENGTH:
        raise ValueError("shorter than an RTP header")
    first, second, sequence, timestamp, ssrc = HEADER.unpack_from(data)
    if first >> 6 != 2:
        raise ValueError("not RTP version 2")
    start, end = payload_bounds(data, size)
    return Parsed(
        bool(second & 0x80), second & 0x7F, sequence, timestamp, ssrc, read_extensions(data, size), start, end
    )


def build(
    *, payload_type: int, sequence: int, timestamp: int, ssrc: int, payload: bytes, marker: bool = False
) -> bytes:
    """A packet with the plain 12-byte header."""
    return (
        HEADER.pack(
            0x80, (0x80 if marker else 0) | payload_type, sequence & 0xFFFF, timestamp & 0xFFFFFFFF, ssrc
        )
        + payload
    )


def is_rtcp(data: bytes | memoryview) -> bool:
    """Whether a packet of the RTP/RTCP range is RTCP (RFC 5761 section 4: packet types 192 to 223)."""
    return 192 <= data[1] <= 223


def sequence_delta(new: int, old: int) -> int:
    """Signed distance from `old` to `new` on the 16-bit circle, in -32768 to 32767."""
    return ((new - old + 0x8000) & 0xFFFF) - 0x8000


def timestamp_delta(new: int, old: int) -> int:
    """Signed distance on the 32-bit circle."""
    return ((new - old + 0x80000000) & 0xFFFFFFFF) - 0x80000000


def scan(
    data: memoryview, size: int, transport_id: int, element_id: int
) -> tuple[int, int, int | None, int, int]:
    """The reading path's one look at a header.

    (payload start, payload end, transport-wide number, and of the one further element that a stream has use
    for: where its data begins, 0 if it is not there, and its length). Ids of 0 are never found. ValueError
    or IndexError when the lengths do not fit.
    """
    start, end = payload_bounds(data, size)
    transport = None
    found = found_length = 0
    if data[0] & 16:
        at = 12 + 4 * (data[0] & 15)
        if data[at] == 0xBE and data[at + 1] == 0xDE:
            at += 4
            while at < start:
                head = data[at]
                if head == 0:
                    at += 1
                    continue
                ident, length = head >> 4, (head & 15) + 1
                if ident == 15 or at + length > start - 1:
                    break
                if ident == transport_id and length == 2:
                    transport = data[at + 1] << 8 | data[at + 2]
                elif ident == element_id:
                    found, found_length = at + 1, length
                at += 1 + length
        elif data[at] == 0x10 and not data[at + 1] & 0xF0:
            at += 4
            while at + 1 < start:
                ident = data[at]
                if ident == 0:
                    at += 1
                    continue
                length = data[at + 1]
                at += 2
                if at + length > start:
                    break
                if ident == transport_id and length == 2:
                    transport = data[at] << 8 | data[at + 1]
                elif ident == element_id and length:
                    found, found_length = at, length
                at += length
    return start, end, transport, found, found_length
