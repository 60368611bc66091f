"""Extended reports (RFC 3611): a receiver's clock, and the answer that tells it the round trip."""

import struct
from dataclasses import dataclass

EXTENDED_REPORT = 207
REFERENCE_TIME = 4
DELAY_SINCE_REFERENCE = 5

_HEAD = struct.Struct("!BBH")
_BLOCK = struct.Struct("!BBH")
_DELAY = struct.Struct("!III")


@dataclass(slots=True)
class ReferenceTime:
    """A receiver's clock, for it to learn the round trip from the answer (section 4.4). `ntp` has 64 bits."""

    sender: int
    ntp: int

    def pack(self) -> bytes:
        return (
            _HEAD.pack(0x80, EXTENDED_REPORT, 4)
            + self.sender.to_bytes(4, "big")
            + _BLOCK.pack(REFERENCE_TIME, 0, 2)
            + self.ntp.to_bytes(8, "big")
        )

    def answer(self, ssrc: int) -> bytes:
        """An extended report that says this reference time was received just now."""
        return DelayReport(ssrc, [(self.sender, self.ntp >> 16 & 0xFFFFFFFF, 0)]).pack()


@dataclass(slots=True)
class DelayReport:
    """Answers to reference times (section 4.5).

    `delays` holds (the receiver it is for, the middle of the time it sent, delay in 1/65536 s).
    """

    sender: int
    delays: list[tuple[int, int, int]]

    def pack(self) -> bytes:
        body = b"".join(_DELAY.pack(*delay) for delay in self.delays)
        return (
            _HEAD.pack(0x80, EXTENDED_REPORT, 2 + len(body) // 4)
            + self.sender.to_bytes(4, "big")
            + _BLOCK.pack(DELAY_SINCE_REFERENCE, 0, len(body) // 4)
            + body
        )


def parse(body: memoryview) -> ReferenceTime | DelayReport | None:
    """The first of the two kinds of blocks in a report; None without one. ValueError when cut off."""
    if len(body) < 4:
        raise ValueError("extended report cut off")
    sender = int.from_bytes(body[:4], "big")
    at = 4
    while at + 4 <= len(body):
        kind, _, words = _BLOCK.unpack_from(body, at)
        at += 4
        end = at + 4 * words
        if end > len(body):
            raise ValueError("extended report block cut off")
        if kind == REFERENCE_TIME and words == 2:
            return ReferenceTime(sender, int.from_bytes(body[at:end], "big"))
        if kind == DELAY_SINCE_REFERENCE:
            return DelayReport(sender, [_DELAY.unpack_from(body, place) for place in range(at, end - 11, 12)])
        at = end
    return None
