"""Reading journals back: what is on the wall clock where, and what is left out."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from media_gateway.recorder import feed
from media_gateway.recorder.journal import JournalWriter, encode_record
from media_gateway.recorder.reader import read_recording

from .conftest import Studio
from .feeder import SECOND, START_NS, Stream, rtp, spoil


def ramp(stream: Stream, seconds: float, *, rate: int = 48_000, step: float = 0.02, **options: float) -> None:
    """Packets every ``step`` seconds whose payload is their number."""
    delay = options.get("delay", 0.02)
    drift = options.get("drift", 0.0)
    first_seq, first_timestamp = int(options.get("first_seq", 0)), int(options.get("first_timestamp", 0))
    rng = np.random.default_rng(4)
    for index in range(round(seconds / step)):
        at = index * step
        jitter = rng.exponential(options.get("jitter", 0.0)) if options.get("jitter") else 0.0
        timestamp = first_timestamp + round(at * (1 + drift) * rate)
        stream.packet(at + delay + jitter, rtp(first_seq + index, timestamp, struct.pack("!I", index)))


@pytest.fixture
async def mic(studio: Studio) -> Stream:
    worker = await studio.start()
    stream = Stream(worker, 1, worker.info("p0", "mic"))
    stream.describe(0, 0)
    return stream


async def test_spoiled_stream_comes_back_in_order(studio: Studio, mic: Stream) -> None:
    ramp(mic, 4.0, first_seq=65_450, first_timestamp=(1 << 32) - 48_000)
    spoil(mic, loss=0.1, reorder=0.3, duplicate=0.3)
    await studio.record(mic)
    (journal,), _, warnings = read_recording(studio.directory, origin_ns=START_NS)
    (stream,) = journal.streams
    numbers = [struct.unpack("!I", stream.payload(index))[0] for index in range(len(stream.sequence))]
    assert numbers == sorted(set(numbers))
    assert np.array_equal(stream.sequence - stream.sequence[0], np.array(numbers) - numbers[0])
    assert stream.lost == numbers[-1] - numbers[0] + 1 - len(numbers)
    assert 5 < stream.lost < 40
    assert np.allclose(stream.wall, 0.02 + 0.02 * np.array(numbers), atol=1e-3)
    assert warnings == []


async def test_jitter_and_drift_do_not_move_the_wall_clock(studio: Studio, mic: Stream) -> None:
    ramp(mic, 300.0, step=0.1, jitter=0.03, drift=1e-4)
    await studio.record(mic)
    (journal,), _, _ = read_recording(studio.directory, origin_ns=START_NS)
    (stream,) = journal.streams
    true = 0.02 + 0.1 * np.arange(3000)
    assert np.abs(stream.wall - true).max() < 0.01


@pytest.mark.parametrize("clock_error", [0.0, 3600.0, -5e8])
async def test_reports_bring_the_tracks_of_a_person_together(
    studio: Studio, mic: Stream, clock_error: float
) -> None:
    """Sound arrives after 20 ms, the picture after 400 ms: by arrivals they would be 380 ms apart."""
    ramp(mic, 10.0)
    camera = Stream(mic.worker, 2, mic.worker.info("p0", "camera"))
    camera.describe(0, 0)
    ramp(camera, 10.0, rate=90_000, step=0.04, delay=0.4, first_timestamp=777)
    for second in (2, 4, 6):
        ntp = START_NS / SECOND + second + clock_error
        mic.report(second + 0.02, ntp, 48_000 * second)
        camera.report(second + 0.05, ntp, 777 + 90_000 * second)
    await studio.record(mic, camera)
    journals, _, warnings = read_recording(studio.directory, origin_ns=START_NS)
    for journal in journals:
        assert journal.streams[0].wall[0] == pytest.approx(0.02, abs=2e-3)
    assert warnings == []


async def test_reports_that_contradict_each_other_are_not_believed(studio: Studio, mic: Stream) -> None:
    ramp(mic, 10.0)
    rng = np.random.default_rng(1)
    for second in range(1, 9):
        mic.report(second + 0.02, START_NS / SECOND + rng.uniform(-100, 100), 48_000 * second)
    await studio.record(mic)
    (journal,), _, _ = read_recording(studio.directory, origin_ns=START_NS)
    assert np.allclose(journal.streams[0].wall, 0.02 + 0.02 * np.arange(500), atol=1e-3)


async def test_report_of_another_time_is_ignored(studio: Studio, mic: Stream) -> None:
    ramp(mic, 2.0)
    mic.report(1.0, START_NS / SECOND + 1, 48_000 * 500)
    await studio.record(mic)
    (journal,), _, _ = read_recording(studio.directory, origin_ns=START_NS)
    assert journal.streams[0].reports == []


async def test_sender_whose_clock_stood_still_in_a_pause_goes_on_at_the_right_time(
    studio: Studio, mic: Stream
) -> None:
    ramp(mic, 2.0)
    for index in range(100):
        mic.packet(30 + index * 0.02, rtp(100 + index, 96_000 + index * 960, b"x"))
    await studio.record(mic)
    (journal,), _, _ = read_recording(studio.directory, origin_ns=START_NS)
    wall = journal.streams[0].wall
    assert wall[99] == pytest.approx(2.0, abs=0.01)
    assert wall[100] == pytest.approx(30.0, abs=0.01)


async def test_each_source_of_packets_in_a_track_is_a_stream(studio: Studio, mic: Stream) -> None:
    for index in range(10):
        mic.packet(index * 0.02, rtp(index, index * 960, b"a", ssrc=1))
        mic.packet(5 + index * 0.02, rtp(40_000 + index, 7 + index * 960, b"b", ssrc=2))
    await studio.record(mic)
    (journal,), _, _ = read_recording(studio.directory, origin_ns=START_NS)
    assert [stream.payload(0) for stream in journal.streams] == [b"a", b"b"]
    assert [round(float(stream.wall[0]), 3) for stream in journal.streams] == [0.0, 5.0]


async def test_pauses_and_end_are_read(studio: Studio, mic: Stream) -> None:
    ramp(mic, 1.0)
    mic.state(2.0, paused=True)
    mic.state(2.5, paused=True)
    mic.state(3.0, paused=False)
    mic.state(5.0, paused=True)
    mic.state(6.0, ended=True)
    await studio.record(mic)
    (journal,), _, _ = read_recording(studio.directory, origin_ns=START_NS)
    assert journal.pauses == [(2.0, 3.0), (5.0, 6.0)]
    assert (journal.start, journal.end) == (0.0, 6.0)


async def test_track_without_end_lives_a_little_longer_than_its_last_sign(
    studio: Studio, mic: Stream
) -> None:
    ramp(mic, 1.0)
    mic.describe(2.0, 8.0)
    await studio.record(mic)
    (journal,), _, _ = read_recording(studio.directory, origin_ns=START_NS)
    assert journal.end == pytest.approx(11.0)


async def test_padding_and_extensions_are_left_out_of_payloads(studio: Studio, mic: Stream) -> None:
    header = struct.pack("!BBHII", 0x80 | 0x20 | 0x10 | 0x01, 96, 1, 960, 1)
    packet = header + bytes(4) + struct.pack("!HHI", 0xBEDE, 1, 0) + b"payload" + b"\0\0\3"
    mic.packet(0.1, packet)
    mic.packet(0.2, struct.pack("!BBHII", 0x80 | 0x20, 96, 2, 1920, 1) + b"\0\0\0\4")
    await studio.record(mic)
    (journal,), _, _ = read_recording(studio.directory, origin_ns=START_NS)
    assert [journal.streams[0].payload(index) for index in range(2)] == [b"payload", b""]


async def test_damaged_files_are_told_and_the_rest_is_read(studio: Studio, mic: Stream) -> None:
    ramp(mic, 1.0)
    await studio.record(mic)
    (path,) = studio.directory.iterdir()
    with path.open("ab") as file:
        file.write(encode_record(feed.KIND_RTP, START_NS, rtp(1, 1, b"torn"))[:-2])
    (studio.directory / "empty.track").touch()
    (studio.directory / "noise.track").write_bytes(bytes(100))
    writer = JournalWriter(studio.directory / "undescribed.track", {})
    writer.append(encode_record(feed.KIND_RTP, START_NS, rtp(1, 1, b"who am I")))
    writer.close()
    journals, _, warnings = read_recording(studio.directory)
    assert [len(journal.streams[0].sequence) for journal in journals] == [50]
    assert sorted(warning.partition(": ")[2] for warning in warnings) == [
        "1 packets of an undescribed track left out",
        "31 damaged bytes left out",
        "empty file",
        "no valid header",
    ]
