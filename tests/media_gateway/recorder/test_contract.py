"""The media worker's own feed, read by the recorder: both ends of docs/protocol.md section 3."""

from __future__ import annotations

import asyncio
import socket
import time
from typing import Any

import numpy as np
import pytest

from media_gateway.recorder.reader import read_recording
from media_gateway.sfu.codecs import OPUS, VP8
from media_gateway.sfu.recorder_feed import RecorderFeed
from media_gateway.sfu.source import Source

from .conftest import Studio, near
from .feeder import SECOND, START_NS, Stream, add_audio, add_video, ntp, tone

GREEN = (40, 170, 60)


class PlainSocket:
    """What a Source and a RecorderFeed need of the worker's socket."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

    def send(self, destination: Any, data: bytes) -> None:
        self._socket.sendto(data, destination)

    def fan_out(self, packet: bytes, targets: object) -> None:
        raise AssertionError("nobody subscribes here")

    def close(self) -> None:
        self._socket.close()


async def test_what_a_source_forwards_becomes_a_film(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    worker = await studio.start()
    made = []
    for number, name, codec in ((1, "camera", VP8), (2, "mic", OPUS)):
        stream = Stream(worker, number, worker.info("p0", name))
        if name == "camera":
            add_video(stream, 0.0, 3.0, GREEN, keyframe_every=1.0, first_seq=65_530, describe=False)
        else:
            add_audio(stream, 0.0, tone(440, 3.0), describe=False)
        made.append((stream, codec))

    now = START_NS
    monkeypatch.setattr(time, "time_ns", lambda: now)
    plain = PlainSocket()
    feed = RecorderFeed("r1", worker.token, plain, worker.address, "instance-1")
    sources = {
        stream.number: Source(stream.number, "p0", "Lin Mei", stream.info.source, codec, plain, [])
        for stream, codec in made
    }
    for source in sources.values():
        source.layer("")
        feed.add(source)
    items = sorted((at, stream.number, datagram) for stream, _ in made for at, datagram in stream.items)
    for count, (at, number, datagram) in enumerate(items):
        now = START_NS + round(at * SECOND)
        packet = datagram[21:]
        source = sources[number]
        if 1.0 <= at < 1.5 and not sources[1].paused:
            sources[1].set_blocked(paused=True)
        elif at >= 1.5 and sources[1].paused:
            sources[1].set_blocked(paused=False)
        sequence = int.from_bytes(packet[2:4], "big")
        source.layer("").deliver(
            sequence + (65_536 if number == 1 and sequence < 30_000 else 0),
            int.from_bytes(packet[4:8], "big"),
            packet[1] >> 7,
            memoryview(packet)[12:],
            at,
        )
        if count % 50 == 49:
            for source, first in ((sources[1], 5000), (sources[2], 70_000)):
                elapsed = round((at - 0.02) * source.codec.clock_rate)
                source.take_sender_report(
                    source.layer(""), ntp(START_NS / SECOND + at - 0.02), first + elapsed
                )
            feed.tick(at)
            await asyncio.sleep(0)
    feed.stop()
    await studio.stop()
    plain.close()

    journals, _, warnings = read_recording(studio.directory, origin_ns=START_NS)
    assert warnings == []
    by_source = {journal.info.source: journal for journal in journals}
    assert {journal.info.name for journal in journals} == {"Lin Mei"}
    assert by_source["camera"].pauses == [(pytest.approx(1.0, abs=0.1), pytest.approx(1.5, abs=0.1))]
    assert all(
        journal.end == pytest.approx(now / SECOND - START_NS / SECOND, abs=0.01) for journal in journals
    )
    for journal in journals:
        (stream,) = journal.streams
        assert stream.lost == 0
        assert stream.reports
        assert np.all(np.diff(stream.wall) >= 0)
        assert stream.wall[0] == pytest.approx(0.02, abs=0.01)
    film = studio.compose(3.0)
    assert near(film.color(0.8, 0.5, 0.3), GREEN)
    assert max(film.color(1.4, 0.2, 0.3)) < 90
    assert near(film.color(2.6, 0.5, 0.3), GREEN)
    assert film.pitch(0.3, 2.8) == pytest.approx(440, abs=4)
