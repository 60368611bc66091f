"""The recorder: operations, what it refuses, what it survives."""

from __future__ import annotations

import asyncio
import errno
import os
import random
import socket
from pathlib import Path

import pytest

from media_gateway.recorder import feed
from media_gateway.recorder.journal import list_journals
from media_gateway.recorder.reader import read_recording
from media_gateway.recorder.service import RecorderError, RecorderService

from .conftest import Studio
from .feeder import START_NS, Stream, Worker, add_audio, rtp, send_all, tone


async def start(service: RecorderService, recording: str = "r1", directory: str = "meeting") -> dict:
    return await service.handle("recording.start", {"recording": recording, "directory": directory})


async def settle(service: RecorderService) -> None:
    """Until everything is taken and written."""
    await asyncio.sleep(0.05)
    for _ in range(100):
        await asyncio.sleep(0.02)
        if service.load()["pending_bytes"] == 0:
            return
    raise AssertionError("the recorder did not write")


async def test_start_answers_address_and_token_and_is_idempotent(service: RecorderService) -> None:
    answer = await start(service)
    assert answer == await start(service)
    host, port = answer["address"]
    assert host == "127.0.0.1"
    assert port > 0
    assert len(bytes.fromhex(answer["token"])) == 8
    assert service.recordings == ["r1"]
    assert (service.root / "meeting").stat().st_mode & 0o777 == 0o700


async def test_same_start_twice_at_once_is_one_recording(service: RecorderService) -> None:
    first, second = await asyncio.gather(start(service), start(service))
    assert first == second


async def test_two_recordings_have_two_tokens(service: RecorderService) -> None:
    first = await start(service)
    second = await start(service, "r2", "other")
    assert first["token"] != second["token"]
    assert first["address"] == second["address"]


@pytest.mark.parametrize(
    ("directory", "code"),
    [
        ("../outside", "forbidden"),
        ("/etc", "forbidden"),
        ("meeting/../../outside", "forbidden"),
        (".", "forbidden"),
        ("", "bad_request"),
        ("a\0b", "bad_request"),
        (None, "bad_request"),
        (7, "bad_request"),
    ],
)
async def test_directory_outside_the_root_is_refused(
    service: RecorderService, directory: object, code: str
) -> None:
    with pytest.raises(RecorderError) as caught:
        await service.handle("recording.start", {"recording": "r1", "directory": directory})
    assert caught.value.code == code
    assert service.recordings == []
    assert not (service.root.parent / "outside").exists()


async def test_symbolic_link_out_of_the_root_is_refused(service: RecorderService, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (service.root / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RecorderError) as caught:
        await start(service, directory="link/meeting")
    assert caught.value.code == "forbidden"
    assert list((tmp_path / "elsewhere").iterdir()) == []


async def test_absolute_directory_inside_the_root_is_taken(service: RecorderService) -> None:
    await start(service, directory=str(service.root / "2030" / "meeting"))
    assert (service.root / "2030" / "meeting").is_dir()


@pytest.mark.parametrize(
    ("op", "data"),
    [
        ("recording.start", None),
        ("recording.start", []),
        ("recording.start", {"directory": "meeting"}),
        ("recording.start", {"recording": "", "directory": "meeting"}),
        ("recording.start", {"recording": "x" * 200, "directory": "meeting"}),
        ("recording.delete", {"recording": "r1"}),
    ],
)
async def test_malformed_requests_are_refused(service: RecorderService, op: str, data: object) -> None:
    with pytest.raises(RecorderError) as caught:
        await service.handle(op, data)
    assert caught.value.code == "bad_request"


async def test_one_directory_is_for_one_recording(service: RecorderService) -> None:
    answer = await start(service)
    with pytest.raises(RecorderError, match="another recording runs"):
        await start(service, "r2")
    with pytest.raises(RecorderError, match="another directory"):
        await start(service, "r1", "elsewhere")
    worker = Worker(answer)
    mic = Stream(worker, 1, worker.info("p", "mic"))
    add_audio(mic, 0, tone(440, 0.1))
    await send_all(mic)
    await service.handle("recording.stop", {"recording": "r1"})
    with pytest.raises(RecorderError, match="holds another recording"):
        await start(service, "r2")
    worker.close()


async def test_stop_of_an_unknown_recording(service: RecorderService) -> None:
    with pytest.raises(RecorderError) as caught:
        await service.handle("recording.stop", {"recording": "never"})
    assert caught.value.code == "not_found"


async def test_stop_counts_everything_and_may_be_repeated(studio: Studio) -> None:
    worker = await studio.start()
    mic = Stream(worker, 1, worker.info("p", "mic"))
    add_audio(mic, 0, tone(440, 1.0))
    for at, datagram in sorted(mic.items):  # no turn for the recorder: all of it waits in the socket
        assert at < 2
        worker.send(datagram)
    totals = await studio.stop()
    assert totals["tracks"] == 1
    assert totals["packets"] == 50
    assert totals["bytes"] == sum(len(item[1]) - 21 for item in mic.items if item[1][0] == feed.KIND_RTP)
    assert await studio.stop() == totals
    assert studio.service.recordings == []


async def test_resumed_recording_goes_on_in_new_files(tmp_path: Path) -> None:
    packets = 0
    for run in range(2):
        service = RecorderService(tmp_path, min_free_bytes=0)
        await service.start()
        worker = Worker(await start(service))
        mic = Stream(worker, 1, worker.info("p", "mic"))
        add_audio(mic, run * 5.0, tone(440, 0.5))
        await send_all(mic)
        packets += 25
        before = {path: path.read_bytes() for path in list_journals(tmp_path / "meeting")}
        if run == 1:
            totals = await service.handle("recording.stop", {"recording": "r1"})
            assert totals["tracks"] == 2
            assert totals["packets"] == packets
        await service.stop()
        worker.close()
    assert len(list_journals(tmp_path / "meeting")) == 2
    assert all(path.read_bytes().startswith(data) for path, data in before.items())


async def test_recording_may_be_started_again_after_its_stop(studio: Studio) -> None:
    await studio.start()
    first = await studio.stop()
    assert first["packets"] == 0
    worker = await studio.start()
    mic = Stream(worker, 1, worker.info("p", "mic"))
    add_audio(mic, 0, tone(440, 0.2))
    assert (await studio.record(mic))["packets"] == 10


async def test_stranger_and_garbage_are_dropped_and_counted(studio: Studio) -> None:
    worker = await studio.start()
    chance = random.Random(5)
    good = feed.pack_track(worker.token, 1, START_NS, worker.info("p", "mic"))
    worker.send(good)
    worker.send(feed.pack_rtp(b"stranger", 1, START_NS, rtp(1, 1, b"x")))
    worker.send(good[:20])
    worker.send(b"")
    bad = [
        feed.pack(9, worker.token, 1, START_NS, b""),
        feed.pack(feed.KIND_RTP, worker.token, 1, START_NS, b"\x80" * 5),
        feed.pack(feed.KIND_RTP, worker.token, 1, START_NS, b"\x00" * 40),
        feed.pack(feed.KIND_TRACK, worker.token, 1, START_NS, b"{"),
        feed.pack(feed.KIND_TRACK, worker.token, 1, START_NS, b"[" * 3000),
        feed.pack(feed.KIND_TRACK, worker.token, 1, START_NS, b'{"instance": 5}'),
        feed.pack(feed.KIND_STATE, worker.token, 1, START_NS, b'{"paused": "yes"}'),
        feed.pack(feed.KIND_STATE, worker.token, 1, START_NS, b"[]"),
        feed.pack(feed.KIND_REPORT, worker.token, 1, START_NS, bytes(11)),
    ]
    for datagram in bad:
        worker.send(datagram)
    for _ in range(500):
        worker.send(chance.randbytes(chance.randint(0, 200)))
    await settle(studio.service)
    dropped = studio.service.dropped
    assert dropped["malformed"] + dropped["unknown_token"] == 3 + len(bad) + 500
    assert dropped["unknown_token"] >= 1
    assert (await studio.stop())["packets"] == 0
    journals, _, warnings = read_recording(studio.directory)
    assert len(journals) == 1
    assert warnings == []


async def test_packets_before_the_description_are_kept(studio: Studio) -> None:
    worker = await studio.start()
    mic = Stream(worker, 1, worker.info("p", "mic"))
    add_audio(mic, 0, tone(440, 0.4), describe=False)
    mic.describe(0.5, 0.5)
    await studio.record(mic)
    journals, _, _ = read_recording(studio.directory)
    assert [len(stream.sequence) for journal in journals for stream in journal.streams] == [20]


async def test_new_worker_on_the_port_of_a_dead_one_gets_its_own_file(studio: Studio) -> None:
    worker = await studio.start("instance-1")
    mic = Stream(worker, 1, worker.info("p", "mic"))
    add_audio(mic, 0, tone(440, 0.2))
    await send_all(mic)
    worker.instance = "instance-2"
    again = Stream(worker, 1, worker.info("p", "mic"))
    add_audio(again, 5, tone(440, 0.4))
    assert (await studio.record(again))["tracks"] == 2
    journals, _, _ = read_recording(studio.directory)
    assert [journal.info.instance for journal in journals] == ["instance-1", "instance-2"]
    assert [len(journal.streams[0].sequence) for journal in journals] == [10, 20]


async def test_written_within_the_flush_interval(studio: Studio) -> None:
    worker = await studio.start()
    mic = Stream(worker, 1, worker.info("p", "mic"))
    add_audio(mic, 0, tone(440, 0.2))
    await send_all(mic)
    await asyncio.sleep(0.3)
    journals, _, _ = read_recording(studio.directory)
    assert len(journals[0].streams[0].sequence) == 10


async def test_full_disk_is_reported_and_survived(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    worker = await studio.start()
    mic = Stream(worker, 1, worker.info("p", "mic"))
    add_audio(mic, 0, tone(440, 0.2))
    await send_all(mic)
    await settle(studio.service)

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", full)
        later = Stream(worker, 1, mic.info)
        add_audio(later, 0.2, tone(440, 0.2), first_seq=510, first_timestamp=70_000 + 9600, describe=False)
        await send_all(later)
        await asyncio.sleep(0.3)
        load = studio.service.load()["recordings"]["r1"]
        assert load["state"] == "failing"
        assert load["error"] == "disk_full"
        assert studio.service.load()["pending_bytes"] > 0
    await settle(studio.service)
    assert studio.service.load()["recordings"]["r1"]["error"] is None
    assert (await studio.stop())["packets"] == 20
    journals, _, warnings = read_recording(studio.directory)
    assert [len(journal.streams[0].sequence) for journal in journals] == [20]
    assert warnings == []


async def test_backlog_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    service = RecorderService(tmp_path, flush_interval=0.05, max_pending_bytes=20_000, min_free_bytes=0)
    await service.start()
    worker = Worker(await start(service))

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    for seq in range(300):
        worker.send(feed.pack_rtp(worker.token, 1, START_NS, rtp(seq, seq, bytes(1000))))
        await asyncio.sleep(0)
    await asyncio.sleep(0.2)
    load = service.load()
    assert 20_000 <= load["pending_bytes"] < 23_000
    assert load["dropped"]["backlog"] > 200
    assert load["recordings"]["r1"]["lost"] == load["dropped"]["backlog"]
    totals = await service.handle("recording.stop", {"recording": "r1"})
    assert totals["tracks"] == 1
    assert service.load()["pending_bytes"] == 0
    await service.stop()
    worker.close()


async def test_start_without_free_space_is_refused(tmp_path: Path) -> None:
    service = RecorderService(tmp_path, min_free_bytes=1 << 62)
    await service.start()
    with pytest.raises(RecorderError) as caught:
        await start(service)
    assert caught.value.code == "no_space"
    await service.stop()


async def test_unwritable_folder_is_an_error_not_a_crash(service: RecorderService) -> None:
    (service.root / "meeting").write_text("a file where the folder should be")
    with pytest.raises(RecorderError) as caught:
        await start(service)
    assert caught.value.code == "internal"


async def test_datagrams_the_kernel_had_no_room_for_are_counted(studio: Studio) -> None:
    worker = await studio.start()
    assert studio.service.load()["dropped"]["kernel"] == 0
    for _ in range(2000):
        worker.send(bytes(60_000))  # no turn for the recorder meanwhile
    assert studio.service.load()["dropped"]["kernel"] > 0


async def test_load_tells_how_busy_it_is(studio: Studio) -> None:
    worker = await studio.start()
    mic = Stream(worker, 1, worker.info("p", "mic"))
    add_audio(mic, 0, tone(440, 1.0))
    await send_all(mic)
    load = studio.service.load()
    assert load["rooms"] == 1
    assert load["peers"] == 1
    assert load["packets_per_s"] > 0
    assert load["recordings"]["r1"]["packets"] == 50
    assert studio.service.load()["packets_per_s"] == 0


def test_only_loopback_is_listened_on(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="loopback"):
        RecorderService(tmp_path, host="0.0.0.0")


async def test_port_in_use_is_an_error(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        service = RecorderService(tmp_path, port=taken.getsockname()[1])
        with pytest.raises(OSError, match="in use"):
            await service.start()
        await service.stop()
