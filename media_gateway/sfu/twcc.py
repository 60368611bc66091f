"""Transport-wide congestion feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01).

`Recorder` collects arrivals of one publishing transport and writes the feedback; `decode` reads a feedback
back, for tests and for the side that sends.
"""

import struct

_BODY = struct.Struct("!HHI")
REFERENCE_US = 64_000
DELTA_US = 250
MAX_PACKETS = 600
"""Status entries of one feedback: 600 fit a datagram whatever their pattern."""
MAX_JUMP = 3 * MAX_PACKETS
"""A larger step of the counter is no loss; nobody is told of thousands of packets that never were."""
MAX_BODIES = 8
"""Feedbacks made at once; a counter that keeps jumping must not keep the server busy."""

NOT_RECEIVED, SMALL_DELTA, LARGE_DELTA = 0, 1, 2


def encode(base: int, arrivals: list[int | None], reference: int, count: int) -> bytes:
    """The feedback body.

    `arrivals[i]` is the arrival of sequence number `base + i` in units of 250 us since the reference time
    (`reference` * 64 ms), or None when it did not come. Steps between arrivals must fit 16 bit signed.
    """
    symbols: list[int] = []
    deltas = bytearray()
    last = 0
    for arrival in arrivals:
        if arrival is None:
            symbols.append(NOT_RECEIVED)
            continue
        step = arrival - last
        last = arrival
        if 0 <= step <= 255:
            symbols.append(SMALL_DELTA)
            deltas.append(step)
        else:
            symbols.append(LARGE_DELTA)
            deltas += step.to_bytes(2, "big", signed=True)
    body = _BODY.pack(base & 0xFFFF, len(symbols), (reference & 0xFFFFFF) << 8 | count & 0xFF)
    return body + _chunks(symbols) + bytes(deltas)


def _chunks(symbols: list[int]) -> bytes:
    out = bytearray()
    at, size = 0, len(symbols)
    while at < size:
        symbol = symbols[at]
        run = at + 1
        while run < size and run - at < 8191 and symbols[run] == symbol:
            run += 1
        if run - at >= 7:
            out += (symbol << 13 | (run - at)).to_bytes(2, "big")
            at = run
            continue
        # A vector of seven two-bit symbols; the tail is filled with "not received" and cut by the count.
        word = 0xC000
        for place, value in enumerate(symbols[at : at + 7]):
            word |= value << (12 - 2 * place)
        out += word.to_bytes(2, "big")
        at += 7
    return bytes(out)


def decode(body: bytes) -> tuple[int, list[int | None], int, int]:
    """(base, arrivals, reference, feedback count) of a body, as `encode` takes them.

    ValueError when cut off.
    """
    if len(body) < 8:
        raise ValueError("transport feedback cut off")
    base, total, word = _BODY.unpack_from(body)
    symbols: list[int] = []
    at = 8
    while len(symbols) < total:
        if at + 2 > len(body):
            raise ValueError("transport feedback chunks cut off")
        chunk = int.from_bytes(body[at : at + 2], "big")
        at += 2
        if not chunk & 0x8000:
            symbols += [chunk >> 13 & 3] * (chunk & 0x1FFF)
        elif chunk & 0x4000:
            symbols += [chunk >> shift & 3 for shift in range(12, -2, -2)]
        else:
            symbols += [chunk >> shift & 1 for shift in range(13, -1, -1)]
    arrivals: list[int | None] = []
    last = 0
    for symbol in symbols[:total]:
        if symbol == NOT_RECEIVED:
            arrivals.append(None)
            continue
        width = 1 if symbol == SMALL_DELTA else 2
        if at + width > len(body):
            raise ValueError("transport feedback deltas cut off")
        last += int.from_bytes(body[at : at + width], "big", signed=width == 2)
        at += width
        arrivals.append(last)
    return base, arrivals, word >> 8, word & 0xFF


class Recorder:
    """Arrivals of one publishing transport until the next feedback is due."""

    __slots__ = ("arrivals", "base", "count", "highest")

    def __init__(self) -> None:
        self.arrivals: dict[int, int] = {}
        self.highest: int | None = None
        self.base: int | None = None
        self.count = 0

    def add(self, sequence: int, now_us: int) -> None:
        """Note the arrival of a packet with the 16-bit transport-wide `sequence` at `now_us`."""
        highest = self.highest
        near = sequence if highest is None else highest
        extended = near + ((sequence - near + 0x8000) & 0xFFFF) - 0x8000
        if highest is None or extended > highest:
            self.highest = extended
        elif self.base is not None and extended < self.base:
            return  # already reported as lost; a second report would only confuse the estimator
        self.arrivals.setdefault(extended, now_us)

    def take(self) -> list[bytes]:
        """Feedback bodies for everything since the last call."""
        if not self.arrivals:
            return []
        pending = sorted(self.arrivals.items())
        self.arrivals = {}
        start = pending[0][0] if self.base is None else min(self.base, pending[0][0])
        if pending[-1][0] - start >= MAX_JUMP:
            start = pending[0][0]
        bodies: list[bytes] = []
        at = 0
        while at < len(pending) and len(bodies) < MAX_BODIES:
            if pending[at][0] - start >= MAX_JUMP:
                start = pending[at][0]
            reference = pending[at][1] // REFERENCE_US
            zero = reference * REFERENCE_US
            arrivals: list[int | None] = []
            last = 0
            while at < len(pending):
                sequence, when = pending[at]
                tick = (when - zero) // DELTA_US
                missing = sequence - start - len(arrivals)
                if len(arrivals) + missing >= MAX_PACKETS and arrivals:
                    break
                if not -32768 <= tick - last <= 32767:
                    break
                arrivals += [None] * missing
                arrivals.append(tick)
                last = tick
                at += 1
            bodies.append(encode(start, arrivals, reference, self.count))
            self.count = (self.count + 1) & 0xFF
            start += len(arrivals)
        self.base = start if at == len(pending) else pending[-1][0] + 1
        return bodies
