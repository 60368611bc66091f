"""A media worker is killed in a running, recorded meeting: pictures come back, nothing recorded is lost."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from tests.e2e.codes import BLUE, RED, find_codes
from tests.e2e.conftest import StartBrowser
from tests.e2e.party import party
from tests.e2e.room import frame_of, participant_id, sees, wait_phase, wait_until
from tests.e2e.video import codes_at, probe
from tests.services.stack import portal_stack

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(300)]


def test_pictures_and_recording_survive(chromium: StartBrowser, tmp_path: Path, record_property) -> None:
    with portal_stack() as stack:
        _, (host, guest) = party(stack, chromium, ("Tom B.", BLUE), host=RED)
        ids = {"host": participant_id(guest, "Lin Mei"), "guest": participant_id(host, "Tom B.")}
        sees(host, ids["guest"], BLUE)
        sees(guest, ids["host"], RED)
        pressed = time.monotonic()
        host.locator("#ctl-record").click()
        host.locator("#room-rec").wait_for()
        shown_at = time.monotonic()
        time.sleep(8)

        worker = stack.processes["media-0"]
        os.kill(worker, signal.SIGKILL)
        killed = time.monotonic()
        wait_until(
            lambda: stack.processes.get("media-0", worker) != worker,
            "a new media worker",
            seconds=10,
            step=0.05,
        )

        # The last picture stays on screen; only one that moves is a new one.
        def moves(page, participant, person) -> bool:
            first = frame_of(page, participant)
            page.wait_for_timeout(250)
            second = frame_of(page, participant)
            if first is None or second is None or first.shape != second.shape:
                return False
            strip = slice(int(first.shape[0] * 0.72), int(first.shape[0] * 0.8))
            moved = abs(first[strip].astype(int) - second[strip].astype(int)).max() > 60
            return bool(moved) and person.number in find_codes(second)

        for page, key, person in ((host, "guest", BLUE), (guest, "host", RED)):
            wait_until(
                lambda p=page, k=key, w=person: moves(p, ids[k], w),
                "moving pictures again",
                seconds=30,
                step=0.05,
            )
        back = time.monotonic() - killed
        record_property("seconds_to_pictures", round(back, 2))
        print(f"pictures were back {back:.1f} s after the kill")

        time.sleep(8)
        at_least = time.monotonic() - shown_at
        host.locator("#ctl-leave").click()
        host.locator("#leave-menu [data-action=end]").click()
        host.locator("#confirm-yes").click()
        wait_phase(host, "ended")
        at_most = time.monotonic() - pressed
        wait_phase(guest, "ended")
        films = stack.data_dir / "recordings"
        wait_until(lambda: any(films.glob("*/recording.mp4")), "the composed recording", seconds=90)
        film = next(films.glob("*/recording.mp4"))
        length = float(probe(film)["duration"])
        assert at_least - 1.0 <= length <= at_most + 1.0
        both = {RED.number, BLUE.number}
        assert codes_at(film, 4) == both, "the part before the kill"
        assert codes_at(film, at_least - 2) == both, "the part after the kill"
