"""What a browser's receiver says back, made from columns of packets: TWCC, receiver reports, NACKs."""

import time
from dataclasses import dataclass, field

import numpy as np

from media_gateway.sfu import rtcp, twcc

from .batch import Array

OWN_SSRC = 1
LONGEST = 4000
"""Packets one feedback may span; a larger step of the numbers is taken for a restart."""


def encode(base: int, numbers: Array, times_us: Array, count: int) -> bytes:
    """A TWCC body for packets `numbers` (extended, rising, from `base` on) that came at `times_us`.

    The same as `twcc.encode`, for arrays.
    """
    reference = int(times_us[0]) // twcc.REFERENCE_US
    ticks = times_us // twcc.DELTA_US - reference * (twcc.REFERENCE_US // twcc.DELTA_US)
    deltas = np.diff(ticks, prepend=0)
    large = (deltas < 0) | (deltas > 255)
    total = int(numbers[-1]) - base + 1
    head = (
        (base & 0xFFFF).to_bytes(2, "big")
        + total.to_bytes(2, "big")
        + ((reference & 0xFFFFFF) << 8 | count & 0xFF).to_bytes(4, "big")
    )
    if total == len(numbers) and not large.any():
        chunks = (twcc.SMALL_DELTA << 13 | total).to_bytes(2, "big")
        return head + chunks + deltas.astype(np.uint8).tobytes()
    symbols = np.zeros(-(-total // 7) * 7, np.int64)
    symbols[numbers - base] = np.where(large, twcc.LARGE_DELTA, twcc.SMALL_DELTA)
    words = 0xC000 | (symbols.reshape(-1, 7) << np.arange(12, -2, -2)).sum(axis=1)
    wide = deltas.clip(-32768, 32767).astype(">i2").view(np.uint8).reshape(-1, 2)
    kept = np.column_stack((large, np.ones(len(large), bool)))
    return head + words.astype(">u2").tobytes() + wide[kept].tobytes()


@dataclass(slots=True)
class Feedback:
    """One receiver's memory between its reports."""

    numbers: list[Array] = field(default_factory=list)
    """transport-wide numbers as they came, -1 where a packet had none"""
    times_us: list[Array] = field(default_factory=list)
    ssrcs: list[Array] = field(default_factory=list)
    sequences: list[Array] = field(default_factory=list)
    next_number: int | None = None
    count: int = 0
    highest: dict[int, int] = field(default_factory=dict)
    """ssrc -> extended highest sequence number"""
    heard: dict[int, tuple[int, float]] = field(default_factory=dict)
    """ssrc -> (middle of the last sender report's NTP time, when it came)"""

    def note_rtcp(self, packet: bytes) -> None:
        """Sender reports, for the reports back."""
        for part in rtcp.parse(packet):
            if isinstance(part, rtcp.SenderReport):
                self.heard[part.ssrc] = rtcp.ntp_middle(part.ntp), time.monotonic()

    def add(self, numbers: Array, times_us: Array, ssrcs: Array, sequences: Array) -> None:
        self.numbers.append(numbers)
        self.times_us.append(times_us)
        self.ssrcs.append(ssrcs)
        self.sequences.append(sequences)

    def take(self) -> tuple[bytes | None, Array, Array]:
        """(a TWCC packet if there is anything to tell, ssrcs, sequence numbers) since the last call."""
        if not self.numbers:
            empty = np.zeros(0, np.int64)
            return None, empty, empty
        numbers, times = np.concatenate(self.numbers), np.concatenate(self.times_us)
        ssrcs, sequences = np.concatenate(self.ssrcs), np.concatenate(self.sequences)
        self.numbers, self.times_us, self.ssrcs, self.sequences = [], [], [], []
        known = numbers >= 0
        if not known.all():
            numbers, times = numbers[known], times[known]
        return self._transport(numbers, times), ssrcs, sequences

    def _transport(self, numbers: Array, times: Array) -> bytes | None:
        if not len(numbers):
            return None
        near = int(numbers[0]) if self.next_number is None else self.next_number
        numbers = near + ((numbers - near + 0x8000) & 0xFFFF) - 0x8000
        if (np.diff(numbers) <= 0).any():
            numbers, first = np.unique(numbers, return_index=True)
            times = times[first]
        base = int(numbers[0]) if self.next_number is None else self.next_number
        late = int(np.searchsorted(numbers, base))
        numbers, times = numbers[late:], times[late:]  # told as lost already
        if not len(numbers):
            return None
        if int(numbers[-1]) - base > LONGEST:
            base = int(numbers[0])
        self.next_number = int(numbers[-1]) + 1
        body = encode(base, numbers, times, self.count)
        self.count = (self.count + 1) & 0xFF
        return rtcp.transport_feedback(OWN_SSRC, 0, body)

    def report(self, ssrcs: Array, sequences: Array, skip: frozenset[int]) -> bytes | None:
        """A receiver report on the streams among these packets; `skip` holds repair streams."""
        blocks = []
        now = time.monotonic()
        for ssrc in np.unique(ssrcs)[:31].tolist():
            if ssrc in skip:
                continue
            last = int(sequences[ssrcs == ssrc][-1])
            known = self.highest.get(ssrc, last)
            highest = self.highest[ssrc] = known + ((last - known + 0x8000) & 0xFFFF) - 0x8000
            middle, when = self.heard.get(ssrc, (0, now))
            dlsr = int((now - when) * 65536) if middle else 0
            blocks.append(rtcp.ReportBlock(ssrc, highest_sequence=highest, jitter=20, lsr=middle, dlsr=dlsr))
        return rtcp.ReceiverReport(OWN_SSRC, blocks).pack() if blocks else None
