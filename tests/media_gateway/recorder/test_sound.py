"""Sound on its time: no clicks where packets are missing, no overlap, nothing lost between two reads."""

from __future__ import annotations

import numpy as np
import pytest

from media_gateway.recorder.reader import read_recording
from media_gateway.recorder.sound import RATE, SoundTrack

from .conftest import Studio
from .feeder import START_NS, Stream, add_audio, tone


@pytest.fixture
async def mic(studio: Studio) -> Stream:
    worker = await studio.start()
    return Stream(worker, 1, worker.info("p0", "mic"))


async def play(studio: Studio, *streams: Stream, seconds: float, step: int = RATE // 10) -> np.ndarray:
    await studio.record(*streams)
    journals, _, _ = read_recording(studio.directory, origin_ns=START_NS)
    track = SoundTrack(journals, 1)
    parts = [track.read(step) for _ in range(round(seconds * RATE / step))]
    empty = np.zeros((step, 1), dtype=np.float32)
    return np.concatenate([empty if part is None else part for part in parts])[:, 0]


async def test_any_size_of_reads_gives_the_same(studio: Studio, mic: Stream) -> None:
    add_audio(mic, 0.3, tone(440, 1.0))
    large = await play(studio, mic, seconds=2, step=RATE)
    journals, _, _ = read_recording(studio.directory, origin_ns=START_NS)
    track = SoundTrack(journals, 1)
    parts = [track.read(480) for _ in range(200)]
    small = np.concatenate([np.zeros((480, 1)) if part is None else part for part in parts])[:, 0]
    assert np.allclose(large, small)
    assert np.abs(large).max() == pytest.approx(0.2, abs=0.05)


async def test_silence_is_none_and_sound_stands_at_its_time(studio: Studio, mic: Stream) -> None:
    add_audio(mic, 1.0, tone(440, 0.5), delay=0.0)
    sound = await play(studio, mic, seconds=2)
    loud = np.flatnonzero(np.abs(sound) > 0.05) / RATE
    assert loud[0] == pytest.approx(1.0, abs=0.02)
    assert loud[-1] == pytest.approx(1.5, abs=0.02)
    journals, _, _ = read_recording(studio.directory, origin_ns=START_NS)
    track = SoundTrack(journals, 1)
    assert track.read(RATE // 2) is None
    assert SoundTrack([], 1).read(RATE) is None


async def test_missing_packets_are_faded_not_cut(studio: Studio, mic: Stream) -> None:
    add_audio(mic, 0.0, tone(200, 2.0, 0.5), delay=0.0)
    audio = [item for item in mic.items if item[1][0] == 2]
    gone = {id(item) for item in audio[40:45]}
    mic.items = [item for item in mic.items if id(item) not in gone]
    sound = await play(studio, mic, seconds=2)
    assert np.abs(sound[round(0.81 * RATE) : round(0.89 * RATE)]).max() < 1e-6
    steepest = np.abs(np.diff(sound[round(0.1 * RATE) : round(1.9 * RATE)])).max()
    assert steepest < 0.03  # the tone itself rises by 0.013 a sample; a cut would jump by up to 0.5
    assert np.abs(sound[round(0.95 * RATE) : round(1.8 * RATE)]).max() == pytest.approx(0.5, abs=0.1)


async def test_pause_without_packets_keeps_the_rest_on_time(studio: Studio, mic: Stream) -> None:
    """As with discontinuous transmission: timestamps go on, packets do not come."""
    add_audio(mic, 0.0, tone(300, 4.0), delay=0.0)
    mic.items = [item for item in mic.items if item[1][0] != 2 or not 1.0 <= item[0] < 3.0]
    sound = await play(studio, mic, seconds=4)
    assert np.abs(sound[round(1.1 * RATE) : round(2.95 * RATE)]).max() < 1e-6
    assert np.abs(sound[round(3.05 * RATE) : round(3.9 * RATE)]).max() > 0.15


async def test_drifting_clock_does_not_tear_the_tone(studio: Studio, mic: Stream) -> None:
    """100 ppm over 100 s are 10 ms: placed seamlessly all the same."""
    packets = 5000
    add_audio(mic, 0.0, tone(200, 2.0, 0.5), delay=0.0, describe=False)
    payloads = [item[1] for item in mic.items]
    mic.items = []
    mic.describe(0, 0)
    for index in range(packets):
        datagram = payloads[50 + index % 10]
        packet = (
            datagram[21:23]
            + (index & 0xFFFF).to_bytes(2, "big")
            + (index * 960).to_bytes(4, "big")
            + datagram[29:]
        )
        mic.packet(index * 0.02 * (1 + 1e-4), packet)
    sound = await play(studio, mic, seconds=100, step=RATE)
    middle = sound[RATE : 99 * RATE]
    assert np.abs(np.diff(middle)).max() < 0.05
    level = np.abs(middle[: len(middle) // 4800 * 4800]).reshape(-1, 4800).max(axis=1)
    assert level.min() > 0.3


async def test_garbage_in_opus_packets_is_survived(studio: Studio, mic: Stream) -> None:
    add_audio(mic, 0.0, tone(440, 1.0))
    rng = np.random.default_rng(1)
    for index, (at, datagram) in enumerate(mic.items):
        if datagram[0] == 2 and 0.3 < at < 0.5:
            mic.items[index] = (at, datagram[:33] + rng.bytes(40))
    sound = await play(studio, mic, seconds=1)
    assert np.isfinite(sound).all()
    assert np.abs(sound[round(0.7 * RATE) : round(0.9 * RATE)]).max() > 0.15
