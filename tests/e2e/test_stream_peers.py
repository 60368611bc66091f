"""A program sends by WHIP, others play by WHEP, none of them ours: content from one end to the other."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import expect

from tests.e2e.codes import BLUE, pitch_of
from tests.e2e.conftest import StartBrowser
from tests.e2e.firefox import firefox_of
from tests.e2e.party import book_now
from tests.e2e.room import Evaluates, shown_by, wait_until
from tests.e2e.sound import record
from tests.e2e.whip import gstreamer, gstreamer_player, make_token
from tests.services.stack import PortalStack

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(240)]

PITCH, SILENT = 700, 1900
VOICE = "peers.at(-1).getReceivers().find(({ track }) => track.kind === 'audio').track"
KEEP_PEERS = """
window.peers = [];
window.RTCPeerConnection = class extends RTCPeerConnection {
  constructor(...given) { super(...given); window.peers.push(this); }
};
"""


@pytest.fixture
def link(portal: PortalStack, tmp_path: Path) -> Iterator[dict[str, str]]:
    """A key to play a meeting into which GStreamer sends a green picture and a tone of PITCH."""
    booked = book_now(portal)
    log = tmp_path / "whip-client.log"
    with gstreamer(portal, make_token(portal, booked), log) as process:

        def published() -> bool:
            assert process.poll() is None, log.read_text(errors="replace")
            return "published 201" in log.read_text()

        wait_until(published, "GStreamer sends")
        yield make_token(portal, booked, direction="play")
        process.send_signal(signal.SIGINT)
        process.wait(10)
    assert "deleted 200" in log.read_text()


def is_green(red: float, green: float, blue: float) -> bool:
    return green > 120 and red < 90 and blue < 90


def plays_the_stream(page: Evaluates) -> None:
    """The page's large picture is GStreamer's, and its first voice GStreamer's tone."""

    def green() -> bool:
        frame = shown_by(page, "#play-main")
        return frame is not None and is_green(*frame.reshape(-1, 3).mean(axis=0))

    wait_until(green, "the green picture", seconds=30)

    def sounds() -> bool:
        recorded = record(page, VOICE)
        if recorded is None:
            return False
        strength = pitch_of(*recorded, (PITCH, SILENT))
        return strength[PITCH] > 30 and strength[PITCH] > strength[SILENT] + 20

    wait_until(sounds, f"a tone of {PITCH} Hz", seconds=30)


def test_the_page_plays_it_in_chromium(link: dict[str, str], chromium: StartBrowser) -> None:
    page = chromium().new_context().new_page()
    page.add_init_script(KEEP_PEERS)
    page.goto(link["link"])
    plays_the_stream(page)
    expect(page.locator("#main")).to_have_attribute("data-state", "playing")


def test_the_page_plays_it_in_firefox(link: dict[str, str]) -> None:
    with firefox_of(BLUE) as page:
        page.goto(link["link"])
        plays_the_stream(page)
        page.wait_for("() => document.getElementById('main').dataset.state === 'playing'")
        assert page.browser.errors == []


def test_gstreamer_plays_it(portal: PortalStack, link: dict[str, str], tmp_path: Path) -> None:
    log = tmp_path / "whep-client.log"
    with gstreamer_player(portal, link, log) as process:

        def told(name: str) -> list[list[int] | float]:
            assert process.poll() is None, log.read_text(errors="replace")
            lines = log.read_text().splitlines()
            return [json.loads(line)[name] for line in lines if line.startswith(f'{{"{name}"')]

        wait_until(lambda: len(told("colour")) > 15, "pictures", seconds=30)
        wait_until(lambda: len(told("pitch")) >= 3, "sound", seconds=30)
        assert is_green(*np.mean(told("colour")[-10:], axis=0))
        assert told("pitch")[-1] == pytest.approx(PITCH, abs=10)
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0, log.read_text(errors="replace")
