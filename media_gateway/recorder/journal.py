"""The journal: one append-only file a track, written as the packets arrive.

Layout (big endian; docs/recording.md has the same for people)::

    header   8s magic "PLENUMJ1" · I length of the JSON · I CRC-32 of the JSON · JSON
    record   H sync 0xB10C · H length of the body · I CRC-32 of kind, arrival and body ·
             B kind · Q arrival, Unix ns · body

Record kinds and bodies are those of the recorder feed, with one addition: an empty track record is a sign
of life, so that a reader knows until when a silent track was there. Each record carries its own checksum,
so a tail torn by a crash is recognised, and damage in the middle costs only the damaged records: the reader
looks for the next valid one.
"""

from __future__ import annotations

import contextlib
import json
import mmap
import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

MAGIC = b"PLENUMJ1"
SYNC = 0xB10C
SUFFIX = ".track"
MAX_BODY = 0xFFFF

HEADER = struct.Struct("!8sII")
HEAD = struct.Struct("!HHI")
TAIL = struct.Struct("!BQ")
RECORD_BYTES = HEAD.size + TAIL.size
_SYNC_BYTES = SYNC.to_bytes(2, "big")
_RECORD = struct.Struct("!HHIBQ")


Buffer = bytes | memoryview | mmap.mmap


class JournalError(ValueError):
    """The file is not a journal, or its header is damaged."""


class Record(NamedTuple):
    """Where a record's body lies: ``buffer[offset:offset + length]``."""

    kind: int
    arrival_ns: int
    offset: int
    length: int


def encode_header(meta: dict[str, Any]) -> bytes:
    body = json.dumps(meta).encode()
    return HEADER.pack(MAGIC, len(body), zlib.crc32(body)) + body


def encode_record(kind: int, arrival_ns: int, body: bytes) -> bytes:
    """Raises ValueError for a body over 65,535 bytes."""
    if len(body) > MAX_BODY:
        raise ValueError("record body too long")
    tail = TAIL.pack(kind, arrival_ns)
    return HEAD.pack(SYNC, len(body), zlib.crc32(body, zlib.crc32(tail))) + tail + body


def read_header(buffer: Buffer) -> tuple[dict[str, Any], int]:
    """(what encode_header was given, offset of the first record). Raises JournalError."""
    if len(buffer) < HEADER.size:
        raise JournalError("too short for a header")
    magic, length, checksum = HEADER.unpack_from(buffer)
    body = bytes(buffer[HEADER.size : HEADER.size + length])
    if magic != MAGIC or len(body) != length or zlib.crc32(body) != checksum:
        raise JournalError("no valid header")
    meta = json.loads(body)
    if not isinstance(meta, dict):
        raise JournalError("the header is not a JSON object")
    return meta, HEADER.size + length


class RecordScanner:
    """Iterates over the valid records of a buffer; afterwards ``damaged_bytes`` says how much was no
    record."""

    def __init__(self, buffer: Buffer, start: int, *, verify: bool = True) -> None:
        self._view = memoryview(buffer)
        self._start = start
        self._verify = verify
        self.damaged_bytes = 0

    def __iter__(self) -> Iterator[Record]:
        view, position, size = self._view, self._start, len(self._view)
        unpack = _RECORD.unpack_from
        while position + RECORD_BYTES <= size:
            sync, length, checksum, kind, arrival_ns = unpack(view, position)
            body = position + RECORD_BYTES
            end = body + length
            if sync == SYNC and end <= size and (not self._verify or self._matches(position, end, checksum)):
                yield Record(kind, arrival_ns, body, length)
                position = end
                continue
            following = self._resync(position + 1)
            self.damaged_bytes += following - position
            position = following
        self.damaged_bytes += size - position

    def _matches(self, position: int, end: int, checksum: int) -> bool:
        # Kind, time and body stand next to each other in the file: one pass gives the checksum of the three.
        return zlib.crc32(self._view[position + HEAD.size : end]) == checksum

    def _resync(self, position: int) -> int:
        view, size = self._view, len(self._view)
        step = 1 << 16
        while position + RECORD_BYTES <= size:
            chunk = bytes(view[position : position + step + 1])
            found = chunk.find(_SYNC_BYTES)
            if found < 0:
                position += step
                continue
            position += found
            if position + RECORD_BYTES > size:
                break
            _, length, checksum, _, _ = _RECORD.unpack_from(view, position)
            end = position + RECORD_BYTES + length
            if end <= size and self._matches(position, end, checksum):
                return position
            position += 1
        return size


class JournalWriter:
    """Appends encoded records to one file; knows its length so that a half-written batch is cut off again.

    Not thread safe: one thread writes at a time. All methods raise OSError.
    """

    def __init__(self, path: Path, meta: dict[str, Any]) -> None:
        self.path = path
        self.size = 0
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            self.append(encode_header(meta))
        except OSError:
            self.close()
            path.unlink(missing_ok=True)
            raise

    def append(self, data: bytes | bytearray) -> None:
        """Write all of ``data`` or, on an error such as a full disk, nothing of it."""
        view = memoryview(data)
        written = 0
        try:
            while written < len(view):
                written += os.pwrite(self._fd, view[written:], self.size + written)
        except OSError:
            # Should even cutting fail, the next batch starts at the same place and the checksums tell the
            # rest.
            with contextlib.suppress(OSError):
                os.ftruncate(self._fd, self.size)
            raise
        self.size += written

    def sync(self) -> None:
        """Force to the disk what was appended. May run in another thread beside append() and close()."""
        descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fdatasync(descriptor)
        finally:
            os.close(descriptor)

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def map_journal(path: Path) -> mmap.mmap:
    """The file's bytes, read as they are needed. Raises JournalError for an empty file, and OSError."""
    with path.open("rb") as file:
        try:
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except ValueError as error:
            raise JournalError("empty file") from error


def list_journals(directory: Path) -> list[Path]:
    """All journal files of a recording in order of their names."""
    return sorted(path for path in directory.glob(f"*{SUFFIX}") if path.is_file())
