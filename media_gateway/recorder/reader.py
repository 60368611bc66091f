"""Reads the journals of a recording back: the packets of each track in order, with what was said about it."""

from __future__ import annotations

import mmap
import struct
from array import array
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from . import feed
from .clock import Floats
from .journal import JournalError, RecordScanner, list_journals, map_journal, read_header
from .sequence import Ints, order_packets, unwrap
from .wallclock import Report, place_report, set_wall_clock

ALIVE_S = 3.0  # a living track is described every 2 seconds

_RTP = struct.Struct("!BBHII")
_SEQ, _MARKER, _TIMESTAMP, _SSRC, _ARRIVAL, _OFFSET, _LENGTH = range(7)


@dataclass(slots=True)
class Stream:
    """The packets of one SSRC of a journal, in order of sequence number, without duplicates.

    ``sequence`` and ``timestamp`` go on over their wrap-arounds. ``arrival`` and ``wall`` (the capture
    time) are seconds after the recording's origin.
    """

    buffer: mmap.mmap
    sequence: Ints
    timestamp: Ints
    marker: NDArray[np.bool_]
    arrival: Floats
    offset: Ints
    length: Ints
    reports: list[Report] = field(default_factory=list)
    wall: Floats = field(default_factory=lambda: np.empty(0))

    def payload(self, index: int) -> bytes:
        """The payload of a packet; empty for one that carried padding alone."""
        start = int(self.offset[index])
        return self.buffer[start : start + int(self.length[index])]

    @property
    def lost(self) -> int:
        """How many sequence numbers are missing between the first and the last."""
        return int(self.sequence[-1] - self.sequence[0]) + 1 - len(self.sequence)


@dataclass(slots=True)
class Journal:
    """One file: a track of one media worker instance, or the part of it that one recorder process wrote.

    ``start`` and ``end`` say from when until when the track was there, ``pauses`` when it was silenced;
    seconds after the recording's origin.
    """

    path: Path
    info: feed.TrackInfo
    start: float
    end: float
    pauses: list[tuple[float, float]]
    streams: list[Stream]


def read_recording(directory: Path, *, origin_ns: int | None = None) -> tuple[list[Journal], int, list[str]]:
    """All journals of a directory, their packets on one wall clock.

    Returns (journals in order of their start, the origin in Unix nanoseconds that their times count from,
    warnings). Without ``origin_ns`` the first arrival of anything is the origin. Raises OSError.
    """
    warnings: list[str] = []
    raw: list[_RawJournal] = []
    for path in list_journals(directory):
        try:
            raw.append(_RawJournal(path))
        except JournalError as error:
            warnings.append(f"{path.name}: {error}")
    raw = [each for each in raw if each.first_ns]
    if origin_ns is None:
        origin_ns = min((each.first_ns for each in raw), default=0)
    journals = []
    for each in raw:
        if each.damaged_bytes:
            warnings.append(f"{each.path.name}: {each.damaged_bytes} damaged bytes left out")
        if each.info is None:
            count = len(each.columns[_SEQ])
            warnings.append(f"{each.path.name}: {count} packets of an undescribed track left out")
            continue
        journals.append(each.build(each.info, origin_ns))
    journals.sort(key=lambda journal: journal.start)
    warnings += set_wall_clock([(journal.info, journal.streams) for journal in journals])
    return journals, origin_ns, warnings


class _RawJournal:
    """A file as it was written: packets in order of arrival, times in Unix nanoseconds. Raises
    JournalError."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.info: feed.TrackInfo | None = None
        self.first_ns = self.last_ns = self.ended_ns = 0
        self.states: list[tuple[int, bool]] = []
        self.reports: list[tuple[int, int, int]] = []
        self.columns = tuple(array("q") for _ in range(7))
        self.buffer = map_journal(path)
        _, start = read_header(self.buffer)
        scanner = RecordScanner(self.buffer, start)
        for kind, arrival_ns, offset, length in scanner:
            self.first_ns = min(self.first_ns or arrival_ns, arrival_ns)
            self.last_ns = max(self.last_ns, arrival_ns)
            if kind == feed.KIND_RTP:
                self._add_packet(arrival_ns, offset, offset + length)
            else:
                self._add_other(kind, arrival_ns, self.buffer[offset : offset + length])
        self.damaged_bytes = scanner.damaged_bytes

    def _add_packet(self, arrival_ns: int, start: int, end: int) -> None:
        if end - start < _RTP.size:
            return
        first, second, number, timestamp, ssrc = _RTP.unpack_from(self.buffer, start)
        start += _RTP.size
        if first & 0x3F:  # the feed promises bare packets; the header's own word is honoured all the same
            start += 4 * (first & 0x0F)
            if first & 0x10 and start + 4 <= end:
                start += 4 + 4 * int.from_bytes(self.buffer[start + 2 : start + 4], "big")
            if first & 0x20:
                end -= self.buffer[end - 1]
        row = (number, second >> 7, timestamp, ssrc, arrival_ns, start, max(0, end - start))
        for column, value in zip(self.columns, row, strict=True):
            column.append(value)
        self.ended_ns = 0

    def _add_other(self, kind: int, arrival_ns: int, body: bytes) -> None:
        if kind == feed.KIND_TRACK and body:
            self.info = feed.parse_track(body)
        elif kind == feed.KIND_STATE:
            state = feed.parse_state(body)
            if state.ended:
                self.ended_ns = arrival_ns
            else:
                self.states.append((arrival_ns, state.paused))
        elif kind == feed.KIND_REPORT:
            self.reports.append((arrival_ns, *feed.parse_report(body)))

    def build(self, info: feed.TrackInfo, origin_ns: int) -> Journal:
        def after(time_ns: int) -> float:
            return (time_ns - origin_ns) / 1e9

        end = after(self.ended_ns) if self.ended_ns else after(self.last_ns) + ALIVE_S
        streams = self._build_streams(origin_ns)
        for arrival_ns, ntp_time, timestamp in self.reports:
            place_report(streams, info.clock_rate, after(arrival_ns), ntp_time, timestamp, origin_ns)
        states = [(after(at), paused) for at, paused in self.states]
        return Journal(self.path, info, after(self.first_ns), end, _pauses(states, end), streams)

    def _build_streams(self, origin_ns: int) -> list[Stream]:
        if not self.columns[_SEQ]:
            return []
        table = [np.frombuffer(column, dtype=np.int64) for column in self.columns]
        streams = []
        for ssrc in dict.fromkeys(self.columns[_SSRC]):
            rows = np.flatnonzero(table[_SSRC] == ssrc)
            order, sequence = order_packets(table[_SEQ][rows], table[_ARRIVAL][rows])
            rows = rows[order]
            streams.append(
                Stream(
                    buffer=self.buffer,
                    sequence=sequence,
                    timestamp=unwrap(table[_TIMESTAMP][rows], 32),
                    marker=table[_MARKER][rows].astype(bool),
                    arrival=(table[_ARRIVAL][rows] - origin_ns) / 1e9,
                    offset=table[_OFFSET][rows],
                    length=table[_LENGTH][rows],
                )
            )
        return streams


def _pauses(states: list[tuple[float, bool]], end: float) -> list[tuple[float, float]]:
    pauses: list[tuple[float, float]] = []
    since: float | None = None
    for at, paused in sorted(states):
        if paused and since is None:
            since = at
        elif not paused and since is not None:
            pauses.append((since, at))
            since = None
    if since is not None:
        pauses.append((since, max(since, end)))
    return pauses
