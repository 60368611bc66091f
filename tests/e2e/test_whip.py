"""Streams by WHIP in a real meeting, from Chromium and from GStreamer, as the host's browser decodes them."""

from __future__ import annotations

import signal
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page

from tests.e2e.codes import BLUE, RED, find_codes
from tests.e2e.conftest import StartBrowser
from tests.e2e.party import party
from tests.e2e.room import frame_of, hears, participant_id, sees, wait_until
from tests.e2e.whip import PageEncoder, gstreamer, make_token
from tests.services.stack import PortalStack

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(240)]
STREAM = "Lecture hall"


def moves(page: Page, participant: str) -> bool:
    """Whether the picture changes within a second and still shows BLUE's code."""
    first = frame_of(page, participant)
    page.wait_for_timeout(1000)
    second = frame_of(page, participant)
    if (
        first is None
        or second is None
        or first.shape != second.shape
        or BLUE.number not in find_codes(second)
    ):
        return False
    strip = slice(int(first.shape[0] * 0.72), int(first.shape[0] * 0.8))
    return bool(np.abs(first[strip].astype(int) - second[strip].astype(int)).max() > 60)


def gone(page: Page, participant: str) -> bool:
    return page.locator(f"article.tile[data-participant={participant}]").count() == 0


def test_a_browser_sends_restarts_and_deletes(portal: PortalStack, chromium: StartBrowser) -> None:
    booked, (host,) = party(portal, chromium, host=RED)
    key = make_token(portal, booked)
    page = chromium(BLUE).new_context(permissions=["camera", "microphone"]).new_page()
    encoder = PageEncoder(page, portal, key)
    assert encoder.publish()["status"] == 201
    stream = participant_id(host, STREAM)
    sees(host, stream, BLUE)
    hears(host, stream, BLUE, [RED])
    host.locator("#ctl-people").click()
    row = host.locator(f".person-row[data-participant={stream}]")
    assert "stream" in row.inner_text()

    # Another program with the same key is told to wait; the one that sends is not disturbed.
    other = PageEncoder(
        chromium(RED).new_context(permissions=["camera", "microphone"]).new_page(), portal, key
    )
    assert other.publish()["status"] == 409

    before = encoder.transport()
    restarted = encoder.restart()
    assert restarted["status"] == 200 and restarted["etag"]
    wait_until(lambda: encoder.transport()["state"] == "connected", "connected after the restart")
    after = encoder.transport()
    assert after["ufrag"] != before["ufrag"] and after["dtls"] == "connected"
    wait_until(lambda: moves(host, stream), "moving pictures after the restart")

    assert encoder.delete() == 200
    took = wait_until(lambda: gone(host, stream), "the tile is gone", seconds=5, step=0.05)
    assert took < 5
    assert encoder.delete() == 404
    # The key is free again at once.
    assert encoder.publish()["status"] == 201
    sees(host, stream, BLUE)


def test_gstreamer_sends(portal: PortalStack, chromium: StartBrowser, tmp_path: Path) -> None:
    booked, (host,) = party(portal, chromium, host=RED)
    key = make_token(portal, booked)
    log = tmp_path / "whip-client.log"
    with gstreamer(portal, key, log) as process:

        def green() -> bool:
            assert process.poll() is None, log.read_text(errors="replace")
            tile = host.locator("article.tile[data-source=camera]", has_text=STREAM)
            if tile.count() == 0:
                return False
            frame = frame_of(host, str(tile.first.get_attribute("data-participant")))
            if frame is None:
                return False
            red, high, blue = frame.reshape(-1, 3).mean(axis=0)
            return bool(high > 120 and red < 90 and blue < 90)

        wait_until(green, "the green picture of GStreamer", seconds=30)
        stream = participant_id(host, STREAM)
        process.send_signal(signal.SIGINT)
        wait_until(lambda: gone(host, stream), "gone after its DELETE", seconds=10)
        process.wait(10)
    assert "deleted 200" in log.read_text()
