"""One running recording: its directory, its tracks and what waits to be written."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from pathlib import Path

from . import feed
from .journal import (
    SUFFIX,
    JournalError,
    JournalWriter,
    RecordScanner,
    encode_record,
    list_journals,
    map_journal,
    read_header,
)

MAX_TRACKS = 4096
IDLE_S = 30.0

Source = tuple[str, int]
Batch = list[tuple["Track", bytearray]]


@dataclass(slots=True)
class Track:
    """A track as one media worker instance numbers it, and its journal file."""

    number: int
    info: feed.TrackInfo | None = None
    pending: bytearray = field(default_factory=bytearray)
    writer: JournalWriter | None = None
    touched: float = 0.0  # monotonic seconds of the last datagram
    unsynced: bool = False


class Recording:
    """Takes the datagrams of one recording and keeps them in memory until take_batch() asks for them."""

    def __init__(self, recording: str, directory: Path, token: bytes, *, resumed: bool) -> None:
        self.id = recording
        self.directory = directory
        self.token = token
        self.resumed = resumed
        self.tracks: dict[tuple[Source, int], Track] = {}
        self.finished: list[Track] = []  # replaced by a newer instance of the same number, not yet closed
        self.pending_bytes = 0
        self.packets = 0
        self.bytes = 0
        self.files = 0
        self.lost = 0  # datagrams that could not be kept: backlog full or disk trouble
        self.error: str | None = None

    def take(self, kind: int, source: Source, number: int, arrival_ns: int, body: bytes) -> int:
        """Queue one datagram; returns how many bytes it added. Raises feed.FeedError when it is malformed."""
        key = (source, number)
        track = self.tracks.get(key)
        if kind == feed.KIND_RTP:
            feed.check_rtp(body)
        elif kind == feed.KIND_TRACK:
            info = feed.parse_track(body)
            if track is not None and track.info is not None and track.info.instance != info.instance:
                # Another media worker got the port of a dead one: its track 7 is not the old track 7.
                self.finished.append(track)
                track = None
            track = track or self._open_track(key)
            if track.info == info:
                body = b""  # a sign of life is enough
            track.info = info
        elif kind == feed.KIND_STATE:
            feed.parse_state(body)
        elif kind == feed.KIND_REPORT:
            feed.parse_report(body)
        else:
            raise feed.FeedError("unknown kind")
        track = track or self._open_track(key)
        record = encode_record(kind, arrival_ns, body)
        track.pending += record
        track.touched = time.monotonic()
        if kind == feed.KIND_RTP:
            self.packets += 1
            self.bytes += len(body)
        self.pending_bytes += len(record)
        return len(record)

    def _open_track(self, key: tuple[Source, int]) -> Track:
        if len(self.tracks) >= MAX_TRACKS and key not in self.tracks:
            raise feed.FeedError("too many tracks")
        track = self.tracks[key] = Track(number=key[1])
        self.files += 1
        return track

    def take_batch(self) -> Batch:
        """What waits, track by track; the caller writes it with write_batch()."""
        self.retire_idle()
        batch = []
        for track in (*self.finished, *self.tracks.values()):
            if track.pending:
                batch.append((track, track.pending))
                track.pending = bytearray()
        self.pending_bytes = 0
        return batch

    def give_back(self, batch: Batch) -> int:
        """Put back what could not be written, in front of what came since; returns its bytes."""
        size = 0
        for track, data in batch:
            track.pending = data + track.pending
            size += len(data)
        self.pending_bytes += size
        return size

    def write_batch(self, batch: Batch) -> tuple[Batch, OSError | None]:
        """Write (in a worker thread); returns what was not written and why."""
        failed: Batch = []
        trouble: OSError | None = None
        for track, data in batch:
            try:
                if track.writer is None:
                    track.writer = self._create_journal(track)
                track.writer.append(data)
                track.unsynced = True
            except OSError as error:
                failed.append((track, data))
                trouble = error
        return failed, trouble

    def _create_journal(self, track: Track) -> JournalWriter:
        opened_ns = time.time_ns()
        while True:
            path = self.directory / f"{opened_ns:016x}-{track.number:08x}{SUFFIX}"
            meta = {"version": 1, "recording": self.id, "track": track.number, "opened_ns": opened_ns}
            try:
                return JournalWriter(path, meta)
            except FileExistsError:
                opened_ns += 1  # two tracks of different workers may share number and instant

    def retire_idle(self) -> None:
        """Let go of tracks that are silent for long: a living one is described anew every 2 seconds."""
        limit = time.monotonic() - IDLE_S
        for key, track in list(self.tracks.items()):
            if track.touched < limit:
                self.finished.append(self.tracks.pop(key))

    def close_finished(self) -> None:
        """Close (in the writing thread) the files that nothing more will come for."""
        for track in [track for track in self.finished if not track.pending]:
            if track.writer is not None:
                track.writer.close()
            self.finished.remove(track)

    def sync(self) -> None:
        """Force written data to the disk (in a worker thread). Raises OSError."""
        for track in (*self.finished, *list(self.tracks.values())):
            if track.unsynced and track.writer is not None:
                track.unsynced = False
                try:
                    track.writer.sync()
                except OSError:
                    track.unsynced = True
                    raise
        descriptor = os.open(self.directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def close(self) -> None:
        for track in (*self.finished, *self.tracks.values()):
            if track.writer is not None:
                track.writer.close()


def recorded_by(directory: Path) -> set[str]:
    """The recordings whose journals already lie in a directory."""
    found = set()
    for path in list_journals(directory):
        with path.open("rb") as file:
            try:
                meta, _ = read_header(file.read(4096))
            except JournalError:
                continue  # torn at its birth: it holds nothing, the reader skips it too
        found.add(str(meta.get("recording")))
    return found


def count_journals(directory: Path) -> dict[str, int]:
    """``{tracks, bytes, packets}`` of everything journaled in a directory, by walking the record heads."""
    totals = {"tracks": 0, "bytes": 0, "packets": 0}
    for path in list_journals(directory):
        try:
            data = map_journal(path)
            _, start = read_header(data)
        except JournalError:
            continue
        totals["tracks"] += 1
        for record in RecordScanner(data, start, verify=False):
            if record.kind == feed.KIND_RTP:
                totals["packets"] += 1
                totals["bytes"] += record.length
    return totals
