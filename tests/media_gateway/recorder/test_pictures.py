"""Frames are put together and decoded; what a loss broke is not shown."""

from __future__ import annotations

import base64
import json
import pathlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from media_gateway.recorder.frames import EncodedFrame, assemble
from media_gateway.recorder.pictures import PATIENCE_S, PictureTrack
from media_gateway.recorder.reader import Journal, read_recording

from .conftest import Studio, near
from .feeder import START_NS, Stream, add_video, picture, rtp

RED, BLUE = (200, 40, 40), (50, 60, 210)


@dataclass
class Camera:
    studio: Studio
    stream: Stream

    async def journal(self) -> Journal:
        await self.studio.record(self.stream)
        (journal,), _, _ = read_recording(self.studio.directory, origin_ns=START_NS)
        return journal

    async def frames(self) -> list[EncodedFrame]:
        journal = await self.journal()
        return list(assemble(journal.streams[0], journal.info.codec.lower()))

    def drop(self, start: float, end: float) -> None:
        self.stream.items = [
            item for item in self.stream.items if item[1][0] != 2 or not start <= item[0] < end
        ]


@pytest.fixture(params=["VP8", "H264", "VP9"])
async def camera(studio: Studio, request: pytest.FixtureRequest) -> Camera:
    worker = await studio.start()
    return Camera(studio, Stream(worker, 1, worker.info("p0", "camera", codec=request.param)))


def noise(at: float) -> np.ndarray:
    """A picture that takes several packets."""
    return np.random.default_rng(int(at * 100)).integers(0, 255, (180, 320, 3), dtype=np.uint8)


def color(track: PictureTrack, at: float) -> tuple[int, ...] | None:
    found = track.at(at)
    return found and tuple(found[1].to_ndarray(format="rgb24").mean(axis=(0, 1)).astype(int).tolist())


async def test_whole_frames(camera: Camera) -> None:
    add_video(camera.stream, 0.0, 2.0, draw=noise, keyframe_every=1.0)
    frames = await camera.frames()
    assert len(frames) == 30
    assert all(frame.intact for frame in frames)
    assert [frame.continues for frame in frames] == [False] + [True] * 29
    assert frames[0].keyframe
    assert frames[15].keyframe
    assert sum(frame.keyframe for frame in frames) == 2
    assert np.allclose([frame.wall for frame in frames], 0.02 + np.arange(30) / 15, atol=1e-3)


async def test_missing_packet_and_missing_frame_are_told(camera: Camera) -> None:
    add_video(camera.stream, 0.0, 1.0, draw=noise)
    videos = [index for index, item in enumerate(camera.stream.items) if item[1][0] == 2]
    times = sorted({int.from_bytes(camera.stream.items[index][1][25:29], "big") for index in videos})
    by_time = {
        time: [i for i in videos if int.from_bytes(camera.stream.items[i][1][25:29], "big") == time]
        for time in times
    }
    torn = next(index for index in range(7) if len(by_time[times[index]]) > 1)
    lost = {by_time[times[torn]][1], *by_time[times[9]]}
    camera.stream.items = [item for index, item in enumerate(camera.stream.items) if index not in lost]
    frames = await camera.frames()
    assert len(frames) == 14
    assert [index for index, frame in enumerate(frames) if not frame.intact] == [torn]
    assert [index for index, frame in enumerate(frames) if not frame.continues] == sorted({0, torn + 1, 9})


async def test_picture_freezes_from_a_loss_to_the_next_key_frame(camera: Camera) -> None:
    def draw(at: float) -> np.ndarray:
        return picture(RED if at < 1 else BLUE)

    add_video(camera.stream, 0.0, 4.0, draw=draw, keyframe_every=2.0)
    camera.drop(0.9, 1.2)
    track = PictureTrack([await camera.journal()])
    assert near(color(track, 0.5), RED)
    assert near(color(track, 1.9), RED)
    assert near(color(track, 2.2), BLUE)
    assert track.at(10) is not None
    assert track.skipped == 12


@pytest.mark.parametrize("camera", ["VP8", "H264"], indirect=True)
async def test_frozen_for_too_long_it_goes_on_without_key_frame(camera: Camera) -> None:
    def draw(at: float) -> np.ndarray:
        return noise(0.0) // 2 + np.uint8(10 * at)  # changes little: the encoder makes no key frame by itself

    add_video(camera.stream, 0.0, 9.0, draw=draw, fps=10)
    camera.drop(1.0, 1.25)
    track = PictureTrack([await camera.journal()])
    wall, _ = track.at(1.2 + PATIENCE_S - 0.3)
    assert wall < 1.1
    wall, _ = track.at(8.5)
    assert wall > 8.0


async def test_nothing_is_shown_before_the_first_key_frame(camera: Camera) -> None:
    add_video(camera.stream, 0.0, 3.0, RED, keyframe_every=1.5)
    camera.drop(0.0, 0.1)
    track = PictureTrack([await camera.journal()])
    assert color(track, 1.4) is None
    assert near(color(track, 1.8), RED)


async def test_packets_that_are_no_frames_are_survived(camera: Camera) -> None:
    add_video(camera.stream, 0.0, 3.0, RED, keyframe_every=1.0)
    rng = np.random.default_rng(7)
    damaged = []
    for at, datagram in camera.stream.items:
        if datagram[0] == 2 and 1.0 < at < 1.9:
            datagram = datagram[:33] + rng.bytes(len(datagram) - 33)
        damaged.append((at, datagram))
    camera.stream.items = damaged
    track = PictureTrack([await camera.journal()])
    assert near(color(track, 0.9), RED)
    assert near(color(track, 2.5), RED)


def replay(stream: Stream, name: str, *, lost: Callable[[dict[str, Any]], bool] = lambda row: False) -> None:
    """The first second of a camera as Chromium sent it."""
    rows = json.loads((pathlib.Path(__file__).parent / "captured" / f"{name}.json").read_text())
    stream.describe(0.0, 1.0)
    for row in rows:
        if not lost(row):
            payload = base64.b64decode(row["payload"])
            packet = rtp(row["sequence"], row["timestamp"], payload, marker=row["marker"])
            stream.packet(row["at"] + 0.02, packet)


@pytest.mark.parametrize(
    ("name", "codec", "expected", "width"),
    [
        ("av1", "AV1", (30, 30, 200), 320),
        ("av1_l2t1", "AV1", (200, 30, 30), 640),
        ("vp9_l2t1_key", "VP9", (30, 200, 30), 640),
    ],
)
async def test_what_a_browser_sends(
    studio: Studio, name: str, codec: str, expected: tuple[int, int, int], width: int
) -> None:
    """AV1, and streams with two spatial layers: one picture a frame, and that the large one."""
    worker = await studio.start()
    stream = Stream(worker, 1, worker.info("p0", "camera", codec=codec))
    replay(stream, name)
    journal = await Camera(studio, stream).journal()
    frames = list(assemble(journal.streams[0], codec.lower()))
    assert len(frames) > 15 and all(frame.intact for frame in frames)
    assert frames[0].keyframe and [frame.continues for frame in frames] == [False] + [True] * (
        len(frames) - 1
    )
    track = PictureTrack([journal])
    seen: dict[float, int] = {}
    for step in range(100):
        found = track.at(step / 100)
        if found is not None:
            seen[found[0]] = found[1].width
    assert set(seen.values()) == {width} and len(seen) > 15
    shown = color(track, 1.0)
    assert shown is not None and all(abs(a - b) < 60 for a, b in zip(shown, expected, strict=True))
    assert track.skipped == 0 and track.unknown_codecs == set()


async def test_a_lost_packet_of_av1_is_told(studio: Studio) -> None:
    worker = await studio.start()
    stream = Stream(worker, 1, worker.info("p0", "camera", codec="AV1"))
    rows = json.loads((pathlib.Path(__file__).parent / "captured" / "av1_l2t1.json").read_text())
    missing = rows[9]["sequence"]
    replay(stream, "av1_l2t1", lost=lambda row: row["sequence"] == missing)
    frames = await Camera(studio, stream).frames()
    assert [frame.intact and frame.continues for frame in frames].count(False) >= 2


async def test_padding_packets_are_no_gap(studio: Studio) -> None:
    worker = await studio.start()
    stream = Stream(worker, 1, worker.info("p0", "camera"))
    camera = Camera(studio, stream)
    middle = add_video(stream, 0.0, 1.0, RED)
    last = stream.items[-1]
    stream.items.append(
        (last[0] + 0.001, last[1][:21] + b"\x80\x60" + middle.to_bytes(2, "big") + last[1][25:33])
    )
    add_video(stream, 1.0, 1.2, RED, first_seq=middle + 1, first_timestamp=95_000, describe=False)
    frames = await camera.frames()
    assert [index for index, frame in enumerate(frames) if not frame.continues] == [0]


async def test_sequence_numbers_left_out_between_consecutive_pictures_are_no_loss(studio: Studio) -> None:
    """A forwarder that throws padding away leaves holes; the picture ids tell that nothing is missing."""
    worker = await studio.start()
    stream = Stream(worker, 1, worker.info("p0", "camera"))
    add_video(stream, 0.0, 1.0, RED, fps=10)
    items = []
    for index, (at, datagram) in enumerate(item for item in stream.items if item[1][0] == 2):
        seq = 1000 + index + (5 if at > 0.5 else 0)
        items.append((at, datagram[:23] + seq.to_bytes(2, "big") + datagram[25:]))
    stream.items = [item for item in stream.items if item[1][0] != 2] + items
    frames = await Camera(studio, stream).frames()
    assert [frame.continues for frame in frames] == [False] + [True] * 9


async def test_picture_may_change_its_size(camera: Camera) -> None:
    seq = add_video(camera.stream, 0.0, 1.0, RED)
    add_video(
        camera.stream,
        1.0,
        2.0,
        BLUE,
        width=640,
        height=360,
        first_seq=seq,
        first_timestamp=95_000,
        describe=False,
    )
    track = PictureTrack([await camera.journal()])
    small, large = track.at(0.9), track.at(1.9)
    assert small is not None
    assert large is not None
    assert (small[1].width, large[1].width) == (320, 640)
