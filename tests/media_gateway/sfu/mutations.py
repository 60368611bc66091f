"""Datagrams a hostile network may bring: damaged copies of real ones, and made-up RTP and RTCP."""

import random
import struct
from collections.abc import Sequence

from media_gateway.sfu import rtcp, rtp

INTERESTING = (0x00, 0x01, 0x7F, 0x80, 0xFF)
TYPES = (200, 201, 202, 203, 204, 205, 206, 207, 192, 195, 208, 223)


def damaged(rng: random.Random, samples: Sequence[bytes]) -> bytes:
    """A real datagram with one to four things wrong."""
    data = bytearray(samples[rng.randrange(len(samples))])
    for _ in range(rng.randrange(1, 5)):
        kind = rng.randrange(8)
        size = len(data)
        if not size:
            return rng.randbytes(rng.randrange(1, 40))
        at = rng.randrange(size)
        if kind == 0:
            data[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            data[at] = INTERESTING[rng.randrange(5)]
        elif kind == 2:
            del data[at:]
        elif kind == 3:
            data += rng.randbytes(rng.randrange(1, 64))
        elif kind == 4:
            data[at : at + 2] = struct.pack("!H", rng.choice((0, 1, 3, 4, 255, 256, 0x7FFF, 0xFFFF, size)))
        elif kind == 5:
            other = samples[rng.randrange(len(samples))]
            data[at:] = other[rng.randrange(len(other)) :]
        elif kind == 6:
            data[at:at] = data[at : at + rng.randrange(1, 32)]
        else:
            data[at : at + 8] = bytes(8)
    return bytes(data[:2040]) or b"\x00"


def hostile_rtcp(rng: random.Random, ssrcs: Sequence[int]) -> bytes:
    """A compound of one to three packets, each wrong or extreme in its own way; sometimes cut off."""
    data = b"".join(_hostile_packet(rng, ssrcs) for _ in range(rng.randrange(1, 4)))
    if rng.randrange(5) == 0:
        data = data[: rng.randrange(4, len(data) + 1)]
    return data[:1400]


def _hostile_packet(rng: random.Random, ssrcs: Sequence[int]) -> bytes:
    sender, media = _ssrc(rng, ssrcs), _ssrc(rng, ssrcs)
    kind = rng.randrange(12)
    if kind == 0:
        return _storm(rng, sender, media)
    if kind == 1:
        return _remb(rng, sender, ssrcs)
    if kind == 2:
        return rtcp.transport_feedback(sender, media, _feedback(rng))
    if kind == 3:
        blocks = [_block(rng, ssrcs) for _ in range(rng.randrange(32))]
        return rtcp.ReceiverReport(sender, blocks).pack()
    if kind == 4:
        blocks = [_block(rng, ssrcs) for _ in range(rng.randrange(32))]
        numbers = rng.getrandbits(64), rng.getrandbits(32), rng.getrandbits(32), rng.getrandbits(32)
        return rtcp.SenderReport(sender, *numbers, blocks).pack()
    if kind == 5:
        return rtcp.source_description(sender, "x" * rng.randrange(300))
    if kind == 6:  # BYE for everybody
        count = rng.randrange(32)
        return _packet(203, count, b"".join(_ssrc(rng, ssrcs).to_bytes(4, "big") for _ in range(count)))
    if kind == 7:  # extended report with blocks whose lengths lie
        body = b"".join(
            struct.pack("!BBH", rng.randrange(1, 12), 0, rng.choice((0, 2, 9, 0xFFFF)))
            + rng.randbytes(4 * rng.randrange(4))
            for _ in range(rng.randrange(1, 6))
        )
        return _packet(207, 0, sender.to_bytes(4, "big") + body)
    if kind == 8:
        fir = struct.pack("!IB3x", media, rng.randrange(256)) * rng.randrange(3)
        return _packet(206, rng.choice((1, 2, 4, 15)), struct.pack("!II", sender, media) + fir)
    if kind == 9:  # a length that lies
        head = struct.pack(
            "!BBH", 0x80 | rng.randrange(32), rng.choice(TYPES), rng.choice((0, 1, 2, 400, 0xFFFF))
        )
        return head + rng.randbytes(4 * rng.randrange(12))
    if kind == 10:  # padding that lies
        body = rng.randbytes(4 * rng.randrange(1, 8) - 1) + bytes((rng.choice((0, 1, 4, 200, 255)),))
        return struct.pack("!BBH", 0xA0 | rng.randrange(32), rng.choice(TYPES), len(body) // 4) + body
    return _packet(rng.choice(TYPES), rng.randrange(32), rng.randbytes(4 * rng.randrange(40)))


def _storm(rng: random.Random, sender: int, media: int) -> bytes:
    """NACKs for as many sequence numbers as a datagram holds, somewhere in all of them."""
    first, pairs = rng.randrange(65536), rng.choice((1, 20, 330))
    body = b"".join(struct.pack("!HH", (first + 17 * i) & 0xFFFF, 0xFFFF) for i in range(pairs))
    return _packet(205, 1, struct.pack("!II", sender, media) + body)


def _remb(rng: random.Random, sender: int, ssrcs: Sequence[int]) -> bytes:
    count = rng.randrange(5)
    told = rng.choice((count, 0, 255))
    rate = rng.choice((0, 0x3FFFF | 63 << 18, rng.getrandbits(24)))
    body = struct.pack("!II4sI", sender, 0, b"REMB", told << 24 | rate)
    return _packet(206, 15, body + b"".join(_ssrc(rng, ssrcs).to_bytes(4, "big") for _ in range(count)))


def _feedback(rng: random.Random) -> bytes:
    """A transport-wide feedback: any counts, any chunks, deltas or not."""
    total = rng.choice((0, 1, 7, 100, 8191, 65535))
    head = struct.pack("!HHI", rng.randrange(65536), total, rng.getrandbits(32))
    chunks = b"".join(
        struct.pack("!H", rng.choice((0x1FFF, 0x3FFF, 0x5FFF, 0x7FFF, 0x8000, 0xFFFF, rng.getrandbits(16))))
        for _ in range(rng.randrange(12))
    )
    return head + chunks + rng.randbytes(rng.choice((0, 1, 30, 600)))


def _block(rng: random.Random, ssrcs: Sequence[int]) -> rtcp.ReportBlock:
    return rtcp.ReportBlock(
        _ssrc(rng, ssrcs), rng.randrange(256), rng.randrange(-0x800000, 0x800000), rng.getrandbits(32),
        rng.getrandbits(32), rng.getrandbits(32), rng.getrandbits(32),
    )  # fmt: skip


def _packet(kind: int, count: int, body: bytes) -> bytes:
    return struct.pack("!BBH", 0x80 | count, kind, len(body) // 4) + body


def _ssrc(rng: random.Random, ssrcs: Sequence[int]) -> int:
    return rng.choice(ssrcs) if rng.randrange(4) else rng.choice((0, 1, 0xFFFFFFFF))


def hostile_rtp(rng: random.Random, sequence: int, ssrcs: Sequence[int], types: Sequence[int]) -> bytes:
    """A packet that libsrtp lets through, with anything in its extensions, padding and payload."""
    first = 0x80
    contributing = rng.choice((0, 0, 0, 1, 15))
    body = rng.randbytes(4 * contributing)
    first |= contributing
    if rng.randrange(4):
        first |= 0x10
        profile = rng.choice((0xBEDE, 0xBEDE, 0x1000, 0x100F, rng.getrandbits(16)))
        inner = _elements(rng) if rng.randrange(4) else rng.randbytes(4 * rng.randrange(10))
        body += struct.pack("!HH", profile, len(inner) // 4) + inner
    payload = rng.randbytes(rng.choice((0, 1, 2, 3, 4, 10, 200, 1200)))
    if rng.randrange(3) == 0:  # a VP8 descriptor of any shape
        payload = bytes((rng.choice((0x10, 0x90, 0x80, 0xFF)), rng.choice((0x80, 0xC0, 0xFF)))) + payload
    if rng.randrange(4) == 0:
        first |= 0x20
        payload += bytes((rng.choice((0, 1, 4, 200, 255)),))
    second = rng.choice(types) if rng.randrange(8) else rng.randrange(128)
    if 64 <= second < 96:
        second = types[0]  # would be taken for RTCP
    head = rtp.HEADER.pack(
        first, second | rng.choice((0, 0x80)), sequence & 0xFFFF, rng.getrandbits(32), rng.choice(ssrcs)
    )
    return (head + body + payload)[:1500]


def _elements(rng: random.Random) -> bytes:
    """One-byte elements: levels, transport numbers that jump, mids and rids that are none."""
    data = b""
    for _ in range(rng.randrange(1, 8)):
        ident, length = rng.randrange(16), rng.randrange(16)
        data += bytes((ident << 4 | length,)) + rng.randbytes(rng.choice((length + 1, length, 0)))
    return data + bytes(-len(data) & 3)


def hostile_layer(
    rng: random.Random, sequence: int, ssrc: int, payload_type: int, rid: bytes, seed: tuple[bytes, bytes]
) -> bytes:
    """A packet of a captured stream, (descriptor, payload), as good as whole: one to three bytes differ.

    Extension ids: 3 transport number, 4 mid, 5 dependency descriptor, 10 rid.
    """
    descriptor, payload = bytearray(seed[0]), bytearray(seed[1])
    for _ in range(rng.randrange(1, 4)):
        part = descriptor if descriptor and rng.randrange(2) else payload
        if part:
            # Most of what is told stands at the beginning.
            part[rng.randrange(min(len(part), 1 + rng.randrange(40)))] = rng.randrange(256)
    if rng.randrange(10) == 0:
        del payload[rng.randrange(len(payload) + 1) :]
    elements = bytes((3, 2)) + (sequence & 0xFFFF).to_bytes(2, "big") + bytes((4, 1)) + b"1"
    if rid:
        elements += bytes((10, len(rid))) + rid
    if descriptor:
        elements += bytes((5, len(descriptor))) + descriptor
    elements += bytes(-len(elements) & 3)
    head = rtp.HEADER.pack(
        0x90, payload_type | rng.choice((0, 0x80)), sequence & 0xFFFF, sequence // 4 * 3000 & 0xFFFFFFFF, ssrc
    )
    extension = struct.pack("!HH", rtp.TWO_BYTE_PROFILE, len(elements) // 4) + elements
    return head + extension + bytes(payload[: 1400 - len(extension)])
