"""Runs of packets to many receivers: copied, numbered and encrypted in the ring of what goes out.

For each receiver the ring takes a copy of the run, in which numbers are set and every packet is encrypted in
place. What is alike for many receivers is done for all of them at once by numpy; for a few that would cost
more than it saves.
"""

import socket
import sys
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from pylibsrtp._binding import ffi as srtp_ffi

from .burst import Run
from .srtp import MAX_TRAILER, protect_rtp
from .udp import MAX_PLAIN, Receiver, rewrite
from .udp_ring import MESSAGES, RING_BYTES, SendRing

PACKETS = 2048
"""Packets that are encrypted in one go, at most."""
FEW = 5
"""Receivers that are written one by one."""
SWAPPED = [int.from_bytes(value.to_bytes(2, "big"), sys.byteorder) for value in range(65536)]
"""A 16-bit number in network order, as a store of this system's order writes it."""
_SEQUENCE_WORD, _TIME_WORD, _NUMBER_WORD = 1, 2, 9
"""The numbers of a packet, in 16-bit words from its start"""
_STEPS = np.arange(PACKETS)


class FanOut(SendRing):
    """The ring, and how runs get into it."""

    def __init__(self, sock: socket.socket, *, gso: bool) -> None:
        super().__init__(sock, gso=gso)
        self._ring_words = self._ring_view.cast("B").cast("H")
        self._ring_bytes = np.frombuffer(self._ring_view, np.uint8)
        lengths = srtp_ffi.new("int[]", PACKETS)
        self._lengths = np.frombuffer(srtp_ffi.buffer(lengths), np.int32)
        self._length_pointers = [lengths + i for i in range(PACKETS)]

    def fan_out(self, run: Run, receivers: Iterable[Receiver], now: float) -> None:
        first = run.first
        if run.size > MAX_PLAIN:
            self.send_drops += run.count
            return
        taken: list[Receiver] = []
        for receiver in receivers:
            transport = receiver.sender.transport
            if first < receiver.floor or transport.srtp_handle is None or receiver.hold(run, now):
                continue
            if transport.stream is not None:
                self._one_by_one(run, receiver, now)
            else:
                taken.append(receiver)
        for tag in {receiver.sender.transport.tag for receiver in taken}:
            group = [receiver for receiver in taken if receiver.sender.transport.tag == tag]
            step = (run.total + run.count * tag + 1) & ~1
            messages = 1 if self.gso else run.count
            while group:
                fits = min(
                    (RING_BYTES - self._at - MAX_TRAILER) // step,
                    (MESSAGES - self._queued) // messages,
                    PACKETS // run.count,
                )
                if fits:
                    self._write(run, tag, step, group[:fits], now)
                    group = group[fits:]
                else:
                    self.flush()

    def _write(self, run: Run, tag: int, step: int, group: list[Receiver], now: float) -> None:
        """Put a run into the ring for each of a group: there is room, and their tags are alike."""
        count, stride, at = run.count, run.size + tag, self._at
        starts = range(at, at + step * len(group), step)
        numbers = []
        for receiver in group:
            sender = receiver.sender
            number = sender.number
            numbers.append(number)
            sender.number = (number + count) & 0xFFFF
        few = len(group) <= FEW
        (self._copy_each if few else self._copy_all)(run, tag, step, group, numbers)
        if any(receiver.rewrites for receiver in group) and (
            few or not self._rewrite_all(run, stride, step, group)
        ):
            self._rewrite_each(run, stride, starts, group)
        kept: Sequence[int] = starts
        if refused := self._encrypt(run, stride, starts, group):
            kept = [start for place, start in enumerate(starts) if place not in refused]
            group = [receiver for place, receiver in enumerate(group) if place not in refused]
        for receiver in group:
            receiver.sender.sent(count, stride, now)
        self._at = at + step * len(starts)
        destinations = [receiver.sender.transport.destination for receiver in group]
        size = run.total + count * tag
        if not (self.gso or count == 1):
            self._queue_packets(kept, destinations, size, stride)
        elif few:
            for start, destination in zip(kept, destinations, strict=True):
                self._message(destination, start, size, stride if count > 1 else 0, count)
        else:
            self._queue_runs(kept, destinations, size, stride, count)

    def _copy_each(self, run: Run, tag: int, step: int, group: list[Receiver], numbers: list[int]) -> None:
        words, blob, half = self._ring_words, run.blob(tag), (run.size + tag) >> 1
        at = self._at
        for receiver, number in zip(group, numbers, strict=True):
            self._ring_view[at : at + len(blob)] = blob
            word = at >> 1
            sequence = run.first + receiver.shift
            for _ in range(run.count):
                words[word + _SEQUENCE_WORD] = SWAPPED[sequence & 0xFFFF]
                words[word + _NUMBER_WORD] = SWAPPED[number & 0xFFFF]
                sequence += 1
                number += 1
                word += half
            at += step

    def _block(self, step: int, rows: int) -> Any:
        """What is being written in the ring, a row of bytes for each receiver."""
        return self._ring_bytes[self._at : self._at + rows * step].reshape(rows, step)

    def _copy_all(self, run: Run, tag: int, step: int, group: list[Receiver], numbers: list[int]) -> None:
        count, half = run.count, (run.size + tag) >> 1
        blob = run.blob(tag)
        block = self._block(step, len(group))
        block[:, : len(blob)] = np.frombuffer(blob, np.uint8)
        words = block.view(">u2")
        reach = half * (count - 1) + 1
        steps = _STEPS[:count]
        sequences = _column([receiver.shift for receiver in group]) + (run.first + steps)
        words[:, _SEQUENCE_WORD : _SEQUENCE_WORD + reach : half] = sequences
        words[:, _NUMBER_WORD : _NUMBER_WORD + reach : half] = _column(numbers) + steps

    def _rewrite_each(self, run: Run, stride: int, starts: range, group: list[Receiver]) -> None:
        for start, receiver in zip(starts, group, strict=True):
            if receiver.rewrites:
                for place, record in enumerate(run.records):
                    rewrite(self._ring_view, start + place * stride, record, receiver)

    def _rewrite_all(self, run: Run, stride: int, step: int, group: list[Receiver]) -> bool:
        """Timestamps and picture ids of the usual kind, with each receiver's offsets; whether they are."""
        pictures = [record[3] for record in run.records if record[3] is not None]
        usual = all(id_at > 0 and ident & 0x8000 and tl0_at for id_at, ident, tl0_at, _ in pictures)
        if not usual or len(pictures) not in (0, run.count):
            return False
        if any(receiver.header is not None for receiver in group):
            return False
        half = stride >> 1
        block = self._block(step, len(group))
        words = block.view(">u2")
        reach = half * (run.count - 1) + 1
        times = _column([receiver.clock_shift for receiver in group]) + [record[1] for record in run.records]
        words[:, _TIME_WORD : _TIME_WORD + reach : half] = times >> 16
        words[:, _TIME_WORD + 1 : _TIME_WORD + 1 + reach : half] = times
        if pictures:
            id_at, ident, tl0_at, tl0 = np.array(pictures).T
            packets = _STEPS[: run.count] * stride
            ident = _column([receiver.picture_shift for receiver in group]) + ident & 0x7FFF | 0x8000
            block[:, packets + id_at] = ident >> 8
            block[:, packets + id_at + 1] = ident
            block[:, packets + tl0_at] = _column([receiver.tl0_shift for receiver in group]) + tl0
        return True

    def _encrypt(self, run: Run, stride: int, starts: range, group: list[Receiver]) -> set[int]:
        """Encrypt what was copied; the places in the group of those with whom it failed (counted)."""
        count, ring = run.count, self._ring
        places = range(0, count * stride, stride)
        lengths = self._lengths[: count * len(group)]
        lengths.fill(run.size)
        lengths[count - 1 :: count] = run.last
        handles = [receiver.sender.transport.srtp_handle for receiver in group for _ in places]
        pointers = [ring + (start + place) for start in starts for place in places]
        failures = list(map(protect_rtp, handles, pointers, self._length_pointers))
        if not any(failures):
            return set()
        refused = {at // count for at, failure in enumerate(failures) if failure}
        self.protect_errors += len(refused)
        return refused


def _column(values: list[int]) -> Any:
    """A value a row, to be added to a value a column. Stores into narrower words keep the low bits."""
    return np.array(values)[:, None]
