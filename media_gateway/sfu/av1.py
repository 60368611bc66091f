"""AV1 in RTP (the Alliance for Open Media's "RTP Payload Format For AV1"): key frames, sizes, OBUs."""

from collections.abc import Iterator

from .bits import BitReader

Buffer = bytes | memoryview

SEQUENCE_HEADER, TEMPORAL_DELIMITER, TILE_LIST = 1, 2, 8


def starts_keyframe(payload: Buffer) -> bool:
    """Whether a payload begins a coded video sequence: the N bit of its aggregation header (section 4.4)."""
    return len(payload) > 1 and payload[0] & 0x88 == 0x08


def leb128(data: Buffer, at: int) -> tuple[int, int]:
    """(value, offset after it). ValueError when it is too long or cut off (AV1 section 4.10.5)."""
    value = 0
    for place in range(8):
        if at >= len(data):
            break
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << 7 * place
        if not byte & 0x80:
            return value, at
    raise ValueError("not a leb128 number")


def encode_leb128(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def elements(payload: Buffer) -> Iterator[Buffer]:
    """The OBU elements of a packet, the first and last possibly fragments. ValueError for broken lengths."""
    if len(payload) < 2:
        raise ValueError("an AV1 payload without data")
    count = payload[0] >> 4 & 3
    at, size, number = 1, len(payload), 0
    while at < size:
        number += 1
        if number == count:
            length = size - at
        else:
            length, at = leb128(payload, at)
        if at + length > size:
            raise ValueError("an OBU element beyond the packet")
        yield payload[at : at + length]
        at += length
    if count and number != count:
        raise ValueError("fewer OBU elements than told")


def keyframe_size(payload: Buffer) -> tuple[int, int] | None:
    """The largest width and height of a sequence, where the packet carries its header; else None."""
    if not starts_keyframe(payload):
        return None
    try:
        for element in elements(payload):
            body = _body(element)
            if body is not None and element[0] >> 3 & 15 == SEQUENCE_HEADER:
                return _sequence_size(body)
    except ValueError:
        return None
    return None


def _body(obu: Buffer) -> Buffer | None:
    """What follows an OBU's header; None for an empty element."""
    if not len(obu):
        return None
    at = 2 if obu[0] & 4 else 1
    if obu[0] & 2:
        length, at = leb128(obu, at)
        return obu[at : at + length]
    return obu[at:]


def _sequence_size(body: Buffer) -> tuple[int, int]:
    """A sequence header as far as its size (AV1 section 5.5.1). ValueError when cut off."""
    bits = BitReader(body[:128])
    bits.read(4)
    if bits.flag():
        bits.read(5)
    else:
        _skip_operating_points(bits)
    width_bits, height_bits = bits.read(4) + 1, bits.read(4) + 1
    return bits.read(width_bits) + 1, bits.read(height_bits) + 1


def _skip_operating_points(bits: BitReader) -> None:
    delay_bits = 0
    model = False
    if bits.flag():
        bits.read(64)
        if bits.flag():
            bits.golomb()
        model = bits.flag()
        if model:
            delay_bits = bits.read(5) + 1
            bits.read(42)
    display_delay = bits.flag()
    for _ in range(bits.read(5) + 1):
        bits.read(12)
        if bits.read(5) > 7:
            bits.read(1)
        if model and bits.flag():
            bits.read(2 * delay_bits + 1)
        if display_delay and bits.flag():
            bits.read(4)


def spatial_layer(payload: Buffer) -> int | None:
    """The spatial id in the OBU headers of a packet; None where none says (a fragment, or no extension).

    For streams that come without a dependency descriptor.
    """
    if len(payload) < 2 or payload[0] & 0x80:
        return None
    found = None
    try:
        for element in elements(payload):
            if len(element) > 1 and element[0] & 4:
                found = element[1] >> 3 & 3
    except ValueError:
        return None
    return found


def profile_fits(parameters: dict[str, str]) -> int:
    """The main profile (8 and 10 bit, 4:2:0)."""
    return int(parameters.get("profile", "0") == "0")


def temporal_unit(payloads: list[bytes]) -> tuple[bytes, bool, bool]:
    """(low-overhead byte stream of a temporal unit, whether it is whole at its start, whether it is a key).

    Fragments are joined and every OBU gets its size field, as decoders of files want it. ValueError for
    broken packets. At least one payload.
    """
    obus: list[bytearray] = []
    current: bytearray | None = None
    for payload in payloads:
        for place, part in enumerate(elements(payload)):
            if place == 0 and payload[0] & 0x80:
                if current is not None:
                    current += part
                continue
            current = bytearray(part)
            obus.append(current)
        if not payload[0] & 0x40:
            current = None
    begins = not payloads[0][0] & 0x80
    stream = b"".join(_sized(bytes(obu)) for obu in obus if obu)
    key = any(obu and obu[0] >> 3 & 15 == SEQUENCE_HEADER for obu in obus)
    return stream, begins, key


def _sized(obu: bytes) -> bytes:
    kind = obu[0] >> 3 & 15
    if kind in (TEMPORAL_DELIMITER, TILE_LIST):
        return b""
    if obu[0] & 2:
        return obu
    header = 2 if obu[0] & 4 else 1
    body = obu[header:]
    return bytes((obu[0] | 2,)) + obu[1:header] + encode_leb128(len(body)) + body
