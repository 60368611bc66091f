"""What people in the room tell each other without words, and what the page tells of its connection."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.e2e.codes import GREEN, RED
from tests.e2e.conftest import StartBrowser
from tests.e2e.party import party
from tests.e2e.room import participant_id, sees
from tests.services.stack import PortalStack

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(240)]

# A still picture to share: no system asks which window.
SHARED = """
navigator.mediaDevices.getDisplayMedia = async () => {
  const canvas = Object.assign(document.createElement("canvas"), { width: 1280, height: 720 });
  const pen = canvas.getContext("2d");
  setInterval(() => { pen.fillStyle = "#fbfaf7"; pen.fillRect(0, 0, 1280, 720); }, 100);
  return canvas.captureStream(10);
};
"""


def test_reactions_the_connection_and_pointing(portal: PortalStack, chromium: StartBrowser) -> None:
    _, (host, guest) = party(portal, chromium, ("Tom B.", GREEN), host=RED)
    lin, tom = participant_id(guest, "Lin Mei"), participant_id(host, "Tom B.")
    sees(host, tom, GREEN)
    sees(guest, lin, RED)

    # -- a reaction is seen over the tile of its sender, by both
    guest.keyboard.press("r")
    guest.locator("#react-menu [data-action=heart]").click()
    expect(host.locator(f"article.tile[data-participant='{tom}'] .reaction-heart")).to_be_visible()
    expect(host.locator("#say-politely", has_text="Tom B.: heart")).to_have_count(1)
    expect(guest.locator("#say-politely", has_text="You: heart")).to_have_count(1)

    # -- the panel of the connection opens and closes by the keyboard
    host.locator("#room-health").focus()
    host.keyboard.press("Enter")
    expect(host.locator("#connection-panel")).to_be_visible()
    expect(host.locator("#connection-facts")).to_contain_text("UDP")
    expect(host.locator("#connection-facts")).to_contain_text("Tom B.")
    host.keyboard.press("Escape")
    expect(host.locator("#room-health")).to_be_focused()

    # -- one points at the other's screen with the arrow keys; the presenter sees it in a copy
    host.evaluate(SHARED)
    host.locator("#ctl-share").click()
    guest.locator("article.tile[data-source=screen] video").wait_for()
    point = guest.locator(".tile-point")
    point.click()
    expect(point).to_have_attribute("aria-pressed", "true")
    point.focus()
    for _ in range(3):
        guest.keyboard.press("ArrowRight")
    expect(host.locator("#own-screen")).to_be_visible()
    expect(host.locator("#own-screen .cursor-name")).to_have_text("Tom B.")
    guest.keyboard.press("Escape")
    expect(point).to_have_attribute("aria-pressed", "false")
    expect(host.locator("#own-screen")).to_be_hidden(timeout=15_000)
    host.locator("#ctl-share").click()
