"""Journal files: what is written comes back, whatever happens to the end of the file."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from media_gateway.recorder.journal import (
    JournalError,
    JournalWriter,
    RecordScanner,
    encode_header,
    encode_record,
    list_journals,
    read_header,
)

records = st.lists(
    st.tuples(st.integers(0, 255), st.integers(0, 2**64 - 1), st.binary(max_size=200)), max_size=12
)


def scan(data: bytes) -> tuple[list[tuple[int, int, bytes]], int]:
    _, start = read_header(data)
    scanner = RecordScanner(data, start)
    found = [(kind, at, data[offset : offset + length]) for kind, at, offset, length in scanner]
    return found, scanner.damaged_bytes


@settings(deadline=None)
@given(records)
def test_round_trip(items: list[tuple[int, int, bytes]]) -> None:
    data = encode_header({"recording": "r"}) + b"".join(encode_record(*item) for item in items)
    assert read_header(data)[0] == {"recording": "r"}
    assert scan(data) == (items, 0)


@settings(deadline=None)
@given(records, st.data())
def test_torn_tail_costs_the_torn_record_alone(
    items: list[tuple[int, int, bytes]], data: st.DataObject
) -> None:
    header = encode_header({})
    parts = [encode_record(*item) for item in items]
    whole = header + b"".join(parts)
    cut = data.draw(st.integers(len(header), len(whole)))
    found, damaged = scan(whole[:cut])
    ends = [len(header)]
    for part in parts:
        ends.append(ends[-1] + len(part))
    complete = sum(end <= cut for end in ends) - 1
    assert found == items[:complete]
    assert damaged == cut - ends[complete]


@settings(deadline=None)
@given(records.filter(bool), st.data())
def test_damage_in_the_middle_costs_the_damaged_record_alone(
    items: list[tuple[int, int, bytes]], data: st.DataObject
) -> None:
    header = encode_header({})
    parts = [encode_record(*item) for item in items]
    victim = data.draw(st.integers(0, len(parts) - 1))
    place = data.draw(st.integers(0, len(parts[victim]) - 1))
    flip = data.draw(st.integers(1, 255))
    broken = bytearray(parts[victim])
    broken[place] ^= flip
    parts[victim] = bytes(broken)
    found, damaged = scan(header + b"".join(parts))
    assert found == items[:victim] + items[victim + 1 :]
    assert damaged == len(broken)


def test_tail_of_zeros_as_a_power_cut_leaves_it_is_no_record() -> None:
    record = (2, 7, b"payload")
    found, damaged = scan(encode_header({}) + encode_record(*record) + bytes(5000))
    assert found == [record]
    assert damaged == 5000


@pytest.mark.parametrize("data", [b"", b"PLENUMJ1", b"something else entirely", encode_header({"a": 1})[:-1]])
def test_what_is_no_journal_is_refused(data: bytes) -> None:
    with pytest.raises(JournalError):
        read_header(data)


def test_body_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="too long"):
        encode_record(2, 0, bytes(65_536))


def test_writer_never_touches_an_existing_file(tmp_path: Path) -> None:
    path = tmp_path / "a.track"
    path.write_bytes(b"precious")
    with pytest.raises(FileExistsError):
        JournalWriter(path, {})
    assert path.read_bytes() == b"precious"


def test_files_are_private(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path / "a.track", {})
    writer.close()
    assert (tmp_path / "a.track").stat().st_mode & 0o777 == 0o600


def test_half_written_batch_is_taken_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.track"
    writer = JournalWriter(path, {})
    writer.append(encode_record(2, 1, b"first"))
    size = path.stat().st_size
    real = os.pwrite
    calls = []

    def full(descriptor: int, data: bytes, offset: int) -> int:
        calls.append(offset)
        if len(calls) > 1:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(descriptor, bytes(data)[:10], offset)

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(OSError, match="No space"):
        writer.append(encode_record(2, 2, b"second"))
    monkeypatch.undo()
    assert path.stat().st_size == size
    writer.append(encode_record(2, 2, b"second"))
    writer.close()
    assert scan(path.read_bytes()) == ([(2, 1, b"first"), (2, 2, b"second")], 0)


def test_only_journals_are_listed(tmp_path: Path) -> None:
    for name in ("b.track", "a.track", "notes.txt"):
        (tmp_path / name).touch()
    (tmp_path / "folder.track").mkdir()
    assert [path.name for path in list_journals(tmp_path)] == ["a.track", "b.track"]
    assert list_journals(tmp_path / "missing") == []
