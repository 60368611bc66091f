"""From datagrams on the feed to the finished file."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from media_gateway.recorder.__main__ import main
from media_gateway.recorder.compose import compose, make_poster, missing_codecs
from media_gateway.recorder.loudness import RATE, block_powers, integrated_loudness
from media_gateway.recorder.painter import BACKGROUND, TILE

from .conftest import Studio, near
from .feeder import SECOND, START_NS, Stream, add_audio, add_video, picture, spoil, tone

RED, GREEN, BLUE, YELLOW = (200, 40, 40), (40, 170, 60), (50, 60, 210), (210, 190, 40)


def dark(color: tuple[int, ...]) -> bool:
    """A name tile, the background or a title card: nothing a test camera sends."""
    return max(color) < 90


async def test_three_people_are_seen_and_heard(studio: Studio) -> None:
    worker = await studio.start()
    streams = []
    for index, (color, frequency) in enumerate(((RED, 440), (GREEN, 660), (BLUE, 880))):
        camera = Stream(worker, 10 + index, worker.info(f"p{index}", "camera"))
        add_video(camera, 0.1, 4.0, color, ssrc=10 + index)
        mic = Stream(worker, 20 + index, worker.info(f"p{index}", "mic"))
        add_audio(mic, 0.2 + 1.2 * index, tone(frequency, 1.0), ssrc=20 + index)
        streams += [camera, mic]
    totals = await studio.record(*streams)
    film = studio.compose(4.6, full=True)

    assert totals["tracks"] == 6
    assert totals["packets"] > 6 * 40
    assert (film.video.codec_context.name, film.audio.codec_context.name) == ("h264", "aac")
    assert (film.video.width, film.video.height, film.video.average_rate) == (1280, 720, 25)
    assert film.video_duration == pytest.approx(4.6, abs=0.05)
    assert film.audio_duration == pytest.approx(4.6, abs=0.05)
    assert film.result.tracks == 6
    assert film.result.participants == 3
    assert film.result.size_bytes == studio.output.stat().st_size
    assert film.result.lost_packets == 0
    assert film.result.warnings == []
    # Two above, one below in the middle.
    assert near(film.color(2.0, 0.25, 0.25), RED)
    assert near(film.color(2.0, 0.75, 0.25), GREEN)
    assert near(film.color(2.0, 0.50, 0.70), BLUE)
    for index, frequency in enumerate((440, 660, 880)):
        assert film.pitch(0.4 + 1.2 * index, 1.1 + 1.2 * index) == pytest.approx(frequency, abs=4)


async def test_the_index_stands_in_front_and_every_two_seconds_can_be_sought(studio: Studio) -> None:
    def draw(at: float) -> np.ndarray:
        return picture((RED, GREEN, BLUE, YELLOW)[int(at // 2) % 4])

    worker = await studio.start()
    camera = Stream(worker, 1, worker.info("p0", "camera"))
    add_video(camera, 0.0, 8.0, draw=draw, delay=0.0)
    await studio.record(camera)
    studio.compose(8.0)

    head = studio.output.read_bytes()
    assert head.index(b"moov") < head.index(b"mdat")
    with av.open(str(studio.output)) as container:
        stream = container.streams.video[0]
        keys = [
            float(packet.pts * packet.time_base) for packet in container.demux(stream) if packet.is_keyframe
        ]
        assert max(b - a for a, b in pairwise(keys)) <= 2.0
        for wanted, color in ((7.0, YELLOW), (1.0, RED), (5.0, BLUE), (3.0, GREEN)):
            container.seek(int(wanted * av.time_base), backward=True)
            frame = next(frame for frame in container.decode(stream) if frame.time >= wanted - 0.021)
            assert wanted - 0.03 <= frame.time <= wanted + 0.05
            assert near(tuple(frame.to_ndarray(format="rgb24").mean(axis=(0, 1)).astype(int)), color, 40)


async def test_recording_without_tracks_is_a_title_card(studio: Studio) -> None:
    await studio.start()
    await studio.stop()
    film = studio.compose(3.0, title="Physics 101 · 物理")
    assert film.video_duration == pytest.approx(3.0, abs=0.05)
    assert film.audio_duration == pytest.approx(3.0, abs=0.05)
    assert film.result.participants == 0
    assert near(film.color(1.0, 0.1, 0.1), BACKGROUND, 6)
    assert film.picture(1.0).max() > 200  # the title's letters
    assert film.level(0, 3) < 1e-4


async def test_directory_that_never_came_to_be_is_a_title_card(tmp_path: Path) -> None:
    result = compose(
        tmp_path / "nothing", tmp_path / "out.mp4", started_at_ns=START_NS, stopped_at_ns=START_NS
    )
    assert result.duration_s == pytest.approx(0.04)
    assert result.size_bytes > 0


async def test_times_in_the_wrong_order_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="stops before it starts"):
        compose(tmp_path, tmp_path / "out.mp4", started_at_ns=START_NS, stopped_at_ns=START_NS - 1)
    assert not (tmp_path / "out.mp4").exists()


async def test_times_are_taken_from_the_journals_when_not_given(studio: Studio) -> None:
    worker = await studio.start()
    mic = Stream(worker, 1, worker.info("p0", "mic"))
    add_audio(mic, 5.0, tone(440, 1.0))
    mic.state(6.1, ended=True)
    await studio.record(mic)
    result = compose(studio.directory, studio.output)
    assert result.duration_s == pytest.approx(1.1, abs=0.1)


async def test_only_what_lies_between_start_and_stop_is_shown(studio: Studio) -> None:
    worker = await studio.start()
    early = Stream(worker, 1, worker.info("early", "camera"))
    add_video(early, -6.0, -4.0, RED)
    early.state(-4.0, ended=True)
    there = Stream(worker, 2, worker.info("there", "camera"))
    add_video(there, -1.0, 2.0, GREEN)
    mic = Stream(worker, 3, worker.info("there", "mic"))
    add_audio(mic, -1.0, np.concatenate((tone(440, 1.0), tone(880, 2.0))))
    await studio.record(early, there, mic)
    film = studio.compose(1.5)
    assert film.result.participants == 1
    assert near(film.color(0.0, 0.5, 0.5), GREEN)
    assert film.pitch(0.1, 1.4) == pytest.approx(880, abs=4)
    assert film.duration == pytest.approx(1.5, abs=0.1)


async def test_paused_camera_becomes_a_name_tile(studio: Studio) -> None:
    worker = await studio.start()
    camera = Stream(worker, 1, worker.info("p0", "camera", "Lin Mei"))
    add_video(camera, 0.0, 6.0, GREEN, keyframe_every=1.0)
    camera.items = [item for item in camera.items if item[1][0] != 2 or not 2.0 <= item[0] < 4.0]
    camera.state(2.0, paused=True)
    camera.state(4.0, paused=False)
    await studio.record(camera)
    film = studio.compose(6.0)
    assert near(film.color(1.5, 0.2, 0.3), GREEN)
    assert dark(film.color(2.3, 0.2, 0.3))
    assert dark(film.color(3.8, 0.2, 0.3))
    assert film.picture(3.0)[150:210, 280:360].max() > 180  # the initials
    assert near(film.color(5.5, 0.2, 0.3), GREEN)


async def test_camera_that_just_stops_sending_freezes_then_becomes_a_name_tile(studio: Studio) -> None:
    worker = await studio.start()
    camera = Stream(worker, 1, worker.info("p0", "camera"))
    add_video(camera, 0.0, 1.0, GREEN)
    camera.describe(2.0, 10.0)
    await studio.record(camera)
    film = studio.compose(7.0)
    assert near(film.color(3.0, 0.2, 0.3), GREEN)
    assert dark(film.color(6.0, 0.2, 0.3))


async def test_person_with_sound_alone_has_a_name_tile_and_ring_while_speaking(studio: Studio) -> None:
    worker = await studio.start()
    camera = Stream(worker, 1, worker.info("p0", "camera"))
    add_video(camera, 0.0, 4.0, RED)
    mic = Stream(worker, 2, worker.info("p1", "mic", "王伟"))
    add_audio(mic, 0.0, np.concatenate((np.zeros(48_000), tone(300, 1.5), np.zeros(72_000))))
    await studio.record(camera, mic)
    film = studio.compose(4.0, full=True)
    assert near(film.color(0.5, 0.25, 0.5), RED)
    assert dark(film.color(0.5, 0.60, 0.40))
    edge = (0.75, 187 / 720)  # the upper edge of the right tile
    assert dark(film.color(0.5, *edge, size=1))
    assert near(film.color(2.0, *edge, size=1), (63, 191, 174), 50)
    assert dark(film.color(3.8, *edge, size=1))


async def test_layout_follows_who_comes_and_goes(studio: Studio) -> None:
    worker = await studio.start()
    first = Stream(worker, 1, worker.info("p0", "camera"))
    add_video(first, 0.0, 5.0, RED)
    second = Stream(worker, 2, worker.info("p1", "camera"))
    add_video(second, 1.5, 3.5, BLUE)
    second.state(3.5, ended=True)
    await studio.record(first, second)
    film = studio.compose(5.0)
    assert near(film.color(1.0, 0.75, 0.5), RED)  # alone: the whole frame
    assert near(film.color(3.0, 0.25, 0.5), RED)
    assert near(film.color(3.0, 0.75, 0.5), BLUE)
    assert near(film.color(4.5, 0.75, 0.5), RED)


async def test_shared_screen_is_large_with_the_people_beside_it(studio: Studio) -> None:
    worker = await studio.start()
    streams = []
    for index, color in enumerate((RED, GREEN)):
        camera = Stream(worker, 1 + index, worker.info(f"p{index}", "camera"))
        add_video(camera, 0.0, 4.0, color)
        streams.append(camera)
    # A screen on which nothing moves sends one picture and lives on by its description.
    screen = Stream(worker, 5, worker.info("p1", "screen"))
    add_video(screen, 1.0, 1.2, YELLOW, width=640, height=360, describe=False)
    screen.describe(1.0, 3.0)
    screen.state(3.0, ended=True)
    await studio.record(*streams, screen)
    film = studio.compose(4.0, full=True)
    assert near(film.color(0.7, 0.25, 0.5), RED)
    assert near(film.color(2.9, 0.40, 0.5, size=120), YELLOW)
    assert near(film.color(2.9, 0.90, 0.40, size=15), RED)
    assert near(film.color(2.9, 0.90, 0.58, size=15), GREEN)
    assert near(film.color(3.6, 0.75, 0.5), GREEN)


async def test_picture_of_another_shape_is_letterboxed(studio: Studio) -> None:
    worker = await studio.start()
    tall = Stream(worker, 1, worker.info("p0", "camera"))
    add_video(tall, 0.0, 1.0, GREEN, width=180, height=320)
    await studio.record(tall)
    film = studio.compose(1.0)
    assert near(film.color(0.5, 0.5, 0.5), GREEN)
    assert near(film.color(0.5, 0.2, 0.3), TILE, 8)
    assert near(film.color(0.5, 0.8, 0.3), TILE, 8)


async def test_sound_and_picture_are_in_step(studio: Studio) -> None:
    """A flash and a beep at the same moment, sent by a browser whose picture takes longer than its sound."""

    def draw(at: float) -> np.ndarray:
        return picture((235, 235, 235) if 2.0 <= at < 2.2 else (20, 20, 20))

    worker = await studio.start()
    samples = np.zeros(48_000 * 4)
    samples[96_000 : 96_000 + 9_600] = tone(1000, 0.2, 0.5)
    camera = Stream(worker, 1, worker.info("p0", "camera"))
    add_video(camera, 0.0, 4.0, draw=draw, fps=30, delay=0.25)
    mic = Stream(worker, 2, worker.info("p0", "mic"))
    add_audio(mic, 0.0, samples, delay=0.03)
    ntp = START_NS / SECOND + 3600  # the browser's clock is an hour fast
    for second in range(4):
        camera.report(second + 0.3, ntp + second, 5000 + 90_000 * second)
        mic.report(second + 0.1, ntp + second, 70_000 + 48_000 * second)
    await studio.record(camera, mic)
    film = studio.compose(4.0)

    flash = next(at for at, frame in film.pictures if frame.to_ndarray(format="gray").mean() > 120)
    loud = np.abs(film.sound[0]) > 0.1
    beep = float(np.argmax(loud)) / RATE
    assert abs(flash - beep) < 0.08
    assert beep == pytest.approx(2.0, abs=0.1)


async def test_loss_duplicates_and_disorder_do_not_stop_the_film(studio: Studio) -> None:
    def draw(at: float) -> np.ndarray:
        return picture(RED if at < 2 else BLUE)

    worker = await studio.start()
    camera = Stream(worker, 1, worker.info("p0", "camera"))
    # Both counters wrap around in the middle of the recording.
    add_video(
        camera, 0.0, 4.0, draw=draw, first_seq=65_520, first_timestamp=(1 << 32) - 100_000, keyframe_every=0.5
    )
    mic = Stream(worker, 2, worker.info("p0", "mic"))
    add_audio(mic, 0.0, tone(500, 4.0), first_seq=65_500, first_timestamp=(1 << 32) - 50_000)
    for stream in (camera, mic):
        spoil(stream, loss=0.03, reorder=0.2, duplicate=0.2)
    await studio.record(camera, mic)
    film = studio.compose(4.0)
    assert 0 < film.result.lost_packets < 30
    assert near(film.color(1.8, 0.5, 0.4), RED, 40)
    assert near(film.color(3.8, 0.5, 0.4), BLUE, 40)
    for start in (0.3, 1.3, 2.3, 3.0):
        assert film.pitch(start, start + 0.7) == pytest.approx(500, abs=4)
        assert film.strength(500, start, start + 0.7) > 0.1


async def test_both_parts_of_a_recording_that_outlived_a_media_worker(studio: Studio) -> None:
    """The second worker numbers its tracks anew; between the two there is a gap, on the wall clock."""
    first = await studio.start("instance-1")
    camera = Stream(first, 1, first.info("p0", "camera"))
    add_video(camera, 0.0, 2.0, RED)
    mic = Stream(first, 2, first.info("p0", "mic"))
    add_audio(mic, 0.0, tone(440, 2.0))
    second = await studio.start("instance-2")
    mic_again = Stream(second, 1, second.info("p0", "mic"))
    add_audio(mic_again, 6.0, tone(880, 2.0), first_seq=9, first_timestamp=9)
    camera_again = Stream(second, 2, second.info("p0", "camera"))
    add_video(camera_again, 6.0, 8.0, BLUE, first_seq=9, first_timestamp=9)
    totals = await studio.record(camera, mic, mic_again, camera_again)
    film = studio.compose(8.0)
    assert totals["tracks"] == 4
    assert film.result.tracks == 2
    assert film.result.participants == 1
    assert near(film.color(1.0, 0.2, 0.3), RED)
    assert dark(film.color(5.7, 0.2, 0.3))
    assert near(film.color(7.0, 0.2, 0.3), BLUE)
    assert film.pitch(0.3, 1.8) == pytest.approx(440, abs=4)
    assert film.level(2.3, 5.8) < 1e-3
    assert film.pitch(6.3, 7.8) == pytest.approx(880, abs=4)


async def test_h264_is_composed_too(studio: Studio) -> None:
    worker = await studio.start()
    camera = Stream(worker, 1, worker.info("p0", "camera", codec="H264"))
    add_video(camera, 0.0, 2.0, GREEN, keyframe_every=1.0)
    await studio.record(camera)
    film = studio.compose(2.0)
    assert near(film.color(1.0, 0.5, 0.4), GREEN)


async def test_unknown_codec_is_told_and_the_rest_is_composed(studio: Studio) -> None:
    worker = await studio.start()
    camera = Stream(worker, 1, worker.info("p0", "camera", codec="H265"))
    camera.describe(0.0, 1.0)
    camera.packet(0.5, b"\x80\x60" + bytes(30))
    mic = Stream(worker, 2, worker.info("p0", "mic"))
    add_audio(mic, 0.0, tone(440, 1.0))
    await studio.record(camera, mic)
    film = studio.compose(1.0)
    assert film.result.warnings == ["p0: cannot decode H265"]
    assert film.pitch(0.1, 0.9) == pytest.approx(440, abs=4)


async def test_quiet_and_loud_microphones_come_out_alike_and_nothing_clips(studio: Studio) -> None:
    worker = await studio.start()
    quiet = Stream(worker, 1, worker.info("p0", "mic"))
    add_audio(quiet, 0.0, tone(400, 3.0, 0.04))
    loud = Stream(worker, 2, worker.info("p1", "mic"))
    add_audio(loud, 3.0, tone(900, 3.0, 0.9))
    both = Stream(worker, 3, worker.info("p2", "mic"))
    add_audio(both, 3.0, tone(1500, 3.0, 0.9))
    await studio.record(quiet, loud, both)
    film = studio.compose(6.0)
    assert film.strength(900, 3.5, 5.5) / film.strength(400, 0.5, 2.5) == pytest.approx(1.0, rel=0.3)
    assert np.abs(film.sound).max() < 0.97
    blocks = np.ascontiguousarray(film.sound[:, : 6 * RATE].T)
    assert integrated_loudness(block_powers(blocks)) == pytest.approx(-17, abs=1.0)


async def test_screen_sound_stays_stereo_and_microphones_are_in_the_middle(studio: Studio) -> None:
    worker = await studio.start()
    left = np.stack((tone(500, 2.0), np.zeros(96_000)), axis=1)
    screen = Stream(worker, 1, worker.info("p0", "screen_audio"))
    add_audio(screen, 0.0, left)
    mic = Stream(worker, 2, worker.info("p0", "mic"))
    add_audio(mic, 2.0, tone(800, 2.0))
    await studio.record(screen, mic)
    film = studio.compose(4.0)
    sides = [np.sqrt((film.sound[side, 4800:91_200] ** 2).mean()) for side in (0, 1)]
    assert sides[0] > 10 * sides[1]
    assert film.pitch(2.3, 3.7, channel=0) == pytest.approx(800, abs=4)
    assert film.pitch(2.3, 3.7, channel=1) == pytest.approx(800, abs=4)


async def test_given_names_go_before_journaled_ones(studio: Studio) -> None:
    worker = await studio.start()
    mic = Stream(worker, 1, worker.info("p0", "mic", "Old Name"))
    add_audio(mic, 0.0, tone(440, 0.4))
    await studio.record(mic)
    plain = studio.compose(0.4).picture(0.2)
    again = studio.compose(0.4, participants={"p0": "Old Name"}).picture(0.2)
    renamed = studio.compose(0.4, participants={"p0": "Zoë Quist"}).picture(0.2)
    assert np.array_equal(plain, again)
    assert not np.array_equal(plain, renamed)


async def test_repeated_composition_gives_the_same_file(studio: Studio) -> None:
    worker = await studio.start()
    camera = Stream(worker, 1, worker.info("p0", "camera"))
    add_video(camera, 0.0, 1.0, GREEN)
    await studio.record(camera)
    journals = {path: path.read_bytes() for path in studio.directory.iterdir()}
    studio.compose(1.0)
    first = studio.output.read_bytes()
    studio.compose(1.0)
    assert studio.output.read_bytes() == first
    assert {path: path.read_bytes() for path in studio.directory.iterdir()} == journals
    assert sorted(path.name for path in studio.output.parent.iterdir()) == ["meeting.mp4", "recordings"]
    assert studio.output.stat().st_mode & 0o777 == 0o640


async def test_progress_rises_to_one_and_may_end_the_work(studio: Studio) -> None:
    worker = await studio.start()
    mic = Stream(worker, 1, worker.info("p0", "mic"))
    add_audio(mic, 0.0, tone(440, 2.0))
    await studio.record(mic)
    shares: list[float] = []
    studio.compose(2.0, progress=shares.append)
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    studio.output.write_bytes(b"earlier")

    def refuse(share: float) -> None:
        if share > 0.3:
            raise RuntimeError("cancelled")

    with pytest.raises(RuntimeError, match="cancelled"):
        studio.compose(2.0, progress=refuse)
    assert studio.output.read_bytes() == b"earlier"
    assert sorted(path.name for path in studio.output.parent.iterdir()) == ["meeting.mp4", "recordings"]


async def test_poster_shows_a_telling_moment(studio: Studio, tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    detailed = np.kron(rng.integers(0, 255, (9, 16, 3), dtype=np.uint8), np.ones((20, 20, 1), dtype=np.uint8))

    def draw(at: float) -> np.ndarray:
        return detailed if 4 <= at < 7 else picture((30, 30, 30))

    worker = await studio.start()
    camera = Stream(worker, 1, worker.info("p0", "camera"))
    add_video(camera, 0.0, 10.0, draw=draw, fps=5)
    await studio.record(camera)
    studio.compose(10.0)
    poster = tmp_path / "poster.jpg"
    make_poster(studio.output, poster)
    with Image.open(poster) as image:
        assert image.format == "JPEG"
        assert image.size == (640, 360)
        assert np.asarray(image.convert("L")).std() > 30


def test_this_installation_has_all_codecs() -> None:
    assert missing_codecs() == []


async def test_by_hand_from_the_command_line(studio: Studio, capsys: pytest.CaptureFixture[str]) -> None:
    worker = await studio.start()
    mic = Stream(worker, 1, worker.info("p0", "mic"))
    add_audio(mic, 0.0, tone(440, 0.5))
    mic.state(0.5, ended=True)
    await studio.record(mic)
    assert main([str(studio.directory), str(studio.output), "--title", "Rescued"]) == 0
    assert "0.5 s, 1 tracks" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main([str(studio.directory / "missing"), str(studio.output)])
