"""kill -9 of a real recorder process in the middle of a recording."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import time
from pathlib import Path

import pytest

from media_gateway.recorder import feed
from media_gateway.recorder.compose import compose
from media_gateway.recorder.reader import read_recording

from .conftest import Film, near
from .feeder import SECOND, START_NS, Stream, Worker, add_audio, add_video, send_all, tone

RED, BLUE = (200, 40, 40), (50, 60, 210)

RECORDER = """
import asyncio, json, sys
from media_gateway.recorder.service import RecorderService

async def main():
    service = RecorderService(sys.argv[1], min_free_bytes=0)
    await service.start()
    answer = await service.handle("recording.start", {"recording": "r1", "directory": "meeting"})
    print(json.dumps(answer), flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


async def launch(root: Path) -> tuple[asyncio.subprocess.Process, dict]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", RECORDER, str(root), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    return process, json.loads(await asyncio.wait_for(process.stdout.readline(), 20))


async def kill(process: asyncio.subprocess.Process) -> None:
    process.send_signal(signal.SIGKILL)
    await process.wait()


async def test_killed_recorder_resumes_and_both_parts_are_in_the_film(tmp_path: Path) -> None:
    process, answer = await launch(tmp_path)
    worker = Worker(answer)
    camera = Stream(worker, 1, worker.info("p0", "camera"))
    next_seq = add_video(camera, 0.0, 2.0, RED, keyframe_every=1.0)
    mic = Stream(worker, 2, worker.info("p0", "mic"))
    add_audio(mic, 0.0, tone(440, 2.0))
    await send_all(camera, mic)
    await asyncio.sleep(1.0)  # what is older than a second is safe
    # The newest datagrams may be lost with the process, and nothing else.
    worker.send(feed.pack_rtp(worker.token, 1, START_NS + 2 * SECOND, b"\x80" + bytes(99)))
    await kill(process)

    process, answer = await launch(tmp_path)
    assert answer["token"] != worker.token.hex()
    again = Worker(answer)  # the same media worker, told of the new address
    camera = Stream(again, 1, worker.info("p0", "camera"))
    add_video(
        camera,
        4.0,
        6.0,
        BLUE,
        first_seq=next_seq + 200,
        first_timestamp=5000 + 4 * 90_000,
    )
    mic = Stream(again, 2, worker.info("p0", "mic"))
    add_audio(mic, 4.0, tone(880, 2.0), first_seq=700, first_timestamp=70_000 + 4 * 48_000)
    await send_all(camera, mic)
    await asyncio.sleep(1.0)
    await kill(process)
    worker.close()
    again.close()

    result = compose(
        tmp_path / "meeting",
        tmp_path / "out.mp4",
        started_at_ns=START_NS,
        stopped_at_ns=START_NS + 6 * SECOND,
    )
    film = Film(tmp_path / "out.mp4", result)
    assert film.result.participants == 1
    assert near(film.color(1.5, 0.5, 0.4), RED)
    assert near(film.color(5.5, 0.5, 0.4), BLUE)
    assert film.pitch(0.3, 1.8) == pytest.approx(440, abs=4)
    assert film.level(2.2, 3.9) < 1e-3
    assert film.pitch(4.3, 5.8) == pytest.approx(880, abs=4)


async def test_kill_costs_at_most_the_last_second(tmp_path: Path) -> None:
    """Sent at their real times; the newest datagram found was sent less than a second before the kill."""
    process, answer = await launch(tmp_path)
    worker = Worker(answer)
    mic = Stream(worker, 1, worker.info("p0", "mic"))
    add_audio(mic, 0.0, tone(440, 1.6))
    began = time.monotonic()
    for at, datagram in sorted(mic.items):
        await asyncio.sleep(max(0.0, began + at - time.monotonic()))
        worker.send(datagram)
    killed = time.monotonic() - began
    await kill(process)
    worker.close()
    journals, _, _ = read_recording(tmp_path / "meeting", origin_ns=START_NS)
    newest = float(journals[0].streams[0].arrival[-1])
    assert killed - newest < 1.0
    assert journals[0].streams[0].lost == 0
