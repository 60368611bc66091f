"""Reading a transport-wide feedback without touching each packet in Python.

`twcc.decode` gives a list with an entry a packet, which is right for tests; the sending side of 50
subscribers reads 800 feedbacks a second and only needs to know how many of a run of numbers came and when. So
statuses stay a `bytes` (searched and counted in C) and arrivals are running sums of the delta bytes.
"""

import struct
from itertools import accumulate

_HEAD = struct.Struct("!HHI")
_HEAD_CHUNK = struct.Struct("!HHIH")
_RUN_OF_SMALL = 0x2000
_RUN_OF_LARGE = 0x4000

# A vector chunk is taken apart by table: seven statuses of one bit, or four and three of two bits.
_ONES = [bytes(value >> shift & 1 for shift in range(6, -1, -1)) for value in range(128)]
_TWOS_HIGH = [bytes(value >> shift & 3 for shift in (6, 4, 2, 0)) for value in range(256)]
_TWOS_LOW = [bytes(value >> shift & 3 for shift in (4, 2, 0)) for value in range(64)]

Feedback = tuple[int, int, int, bytes | None, list[int]]
"""(base number, statuses, reference time in units of 64 ms, each status or None when all came, arrivals).

Arrivals are in units of 250 us after the reference time, one for each packet that came; never falling: where
packets overtook each other an arrival is the time by which everything before it had come too.
"""


def read(body: bytes) -> Feedback:
    """Read the body of a feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01, section 3.1).

    Takes what `twcc.decode` takes; ValueError when it is cut off.
    """
    if len(body) >= 10:
        base, total, word, chunk = _HEAD_CHUNK.unpack_from(body)
        if _RUN_OF_SMALL + total <= chunk < _RUN_OF_LARGE and total:
            # One run of small deltas: what a line without loss brings nearly always.
            ticks = list(accumulate(body[10 : 10 + total]))
            if len(ticks) < total:
                raise ValueError("transport feedback deltas cut off")
            return base, total, word >> 8, None, ticks
    return _read_any(body)


def _read_any(body: bytes) -> Feedback:
    size = len(body)
    if size < 8:
        raise ValueError("transport feedback cut off")
    base, total, word = _HEAD.unpack_from(body)
    statuses = bytearray()
    at = 8
    while len(statuses) < total:
        if at + 2 > size:
            raise ValueError("transport feedback chunks cut off")
        high, low = body[at], body[at + 1]
        at += 2
        if high < 0x80:
            statuses += bytes((high >> 5,)) * ((high & 0x1F) << 8 | low)
        elif high < 0xC0:
            bits = (high & 0x3F) << 8 | low
            statuses += _ONES[bits >> 7]
            statuses += _ONES[bits & 0x7F]
        else:
            bits = (high & 0x3F) << 8 | low
            statuses += _TWOS_HIGH[bits >> 6]
            statuses += _TWOS_LOW[bits & 0x3F]
    del statuses[total:]
    missing = statuses.count(0)
    small = statuses.count(1)
    wide = total - missing - small
    if at + small + 2 * wide > size:
        raise ValueError("transport feedback deltas cut off")
    ticks = _mixed(body, at, statuses) if wide else list(accumulate(body[at : at + small]))
    return base, total, word >> 8, bytes(statuses) if missing else None, ticks


def _mixed(body: bytes, at: int, statuses: bytearray) -> list[int]:
    ticks: list[int] = []
    tick = 0
    for status in statuses.replace(b"\0", b""):
        if status == 1:
            tick += body[at]
            at += 1
        else:
            step = body[at] << 8 | body[at + 1]
            tick += step - 0x10000 if step & 0x8000 else step
            at += 2
        ticks.append(tick)
    return list(accumulate(ticks, max))
