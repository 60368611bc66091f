"""Real Firefox and real Chromium in one room, every direction, by what is decoded."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.codes import BLUE, GREEN, RED
from tests.e2e.conftest import StartBrowser
from tests.e2e.firefox import enter, firefox_of, hears_in, participant_in
from tests.e2e.party import party
from tests.e2e.room import Evaluates, hears, participant_id, sees, wait_until
from tests.services.firefox import FirefoxPage
from tests.services.stack import PortalStack

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(240)]

_WIDTH = """
(participant) => document.querySelector(`article.tile[data-participant="${participant}"] video`)?.videoWidth
"""
_USER_FRAGMENTS = """
() => peers.filter(({ connectionState }) => connectionState === "connected")
  .map(({ localDescription }) => /a=ice-ufrag:(\\S+)/.exec(localDescription.sdp)[1])
"""
_DATA_SENT = """
async () => {
  let sent = 0;
  for (const peer of peers) (await peer.getStats()).forEach((stat) => {
    if (stat.type === "data-channel") sent += stat.messagesSent;
  });
  return sent;
}
"""


@pytest.fixture
def fox() -> Iterator[FirefoxPage]:
    with firefox_of(BLUE) as page:
        yield page


def width_of(page: Evaluates, participant: str) -> int:
    return int(page.evaluate(_WIDTH, participant) or 0)


def connected_fragments(fox: FirefoxPage) -> list[str]:
    found = fox.evaluate(_USER_FRAGMENTS)
    return [str(fragment) for fragment in found]


def chat_from(page: Page, words: str) -> None:
    if not page.locator("#chat").is_visible():
        page.locator("#ctl-chat").click()
    page.locator("#chat-input").fill(words)
    page.locator("#chat-input").press("Enter")


def test_firefox_and_chromium_meet(portal: PortalStack, chromium: StartBrowser, fox: FirefoxPage) -> None:
    booked, (host, tom) = party(portal, chromium, ("Tom B.", GREEN), host=RED)
    enter(fox, portal.url + booked.path, "Ada F.")
    lin, ada = participant_in(fox, "Lin Mei"), participant_id(host, "Ada F.")
    thomas = participant_in(fox, "Tom B.")

    # -- everybody sees and hears everybody
    sees(host, ada, BLUE)
    sees(tom, ada, BLUE)
    sees(fox, lin, RED)
    sees(fox, thomas, GREEN)
    hears(host, ada, BLUE, [RED, GREEN])
    hears_in(fox, lin, RED, [GREEN, BLUE])
    hears_in(fox, thomas, GREEN, [RED, BLUE])

    # -- layers both ways: a large page gets a larger picture than a small one, and back
    host.set_viewport_size({"width": 1900, "height": 1000})
    wait_until(lambda: width_of(host, ada) >= 640, "Firefox's large picture")
    host.set_viewport_size({"width": 390, "height": 700})
    wait_until(lambda: 0 < width_of(host, ada) <= 320, "Firefox's small picture")
    host.set_viewport_size({"width": 1280, "height": 720})
    sees(host, ada, BLUE)
    wait_until(lambda: width_of(fox, lin) == 640, "Chromium's large picture in Firefox")
    fox.resize(390, 700)
    wait_until(lambda: width_of(fox, lin) == 320, "Chromium's small picture in Firefox")
    fox.resize(1280, 800)
    wait_until(lambda: width_of(fox, lin) == 640, "Chromium's large picture in Firefox again")
    sees(fox, lin, RED)

    # -- chat both ways
    chat_from(host, "Can you read this, Ada?")
    fox.click("#ctl-chat")
    fox.wait_for("() => document.querySelector('#chat-list').textContent.includes('Can you read this')")
    fox.fill("#chat-input", "Yes, from Firefox.", enter=True)
    expect(host.locator("#chat-list")).to_contain_text("Yes, from Firefox.")
    fox.click("#ctl-chat")

    # -- a reaction, by Firefox's data channel
    fox.click("#ctl-react")
    fox.click("#react-menu [data-action=heart]")
    expect(host.locator(f"article.tile[data-participant='{ada}'] .reaction-heart")).to_be_visible()
    assert fox.evaluate(_DATA_SENT) > 0

    # -- Firefox mutes itself, and is heard again
    fox.click("#ctl-mic")
    tile = host.locator(f"article.tile[data-participant='{ada}'][data-source=camera]")
    expect(tile).to_have_attribute("data-mic", "off")
    fox.click("#ctl-mic")
    hears(host, ada, BLUE, [RED, GREEN])

    # -- screens both ways
    tom.locator("#ctl-share").click()
    fox.wait_for(
        "(participant) => document.querySelector("
        '`article.tile[data-participant="${participant}"][data-source=screen] video`)?.videoWidth > 300',
        thomas,
    )
    tom.locator("#ctl-share").click()
    fox.wait_for("() => !document.querySelector('article.tile[data-source=screen]')")
    fox.click("#ctl-share")
    sees(host, ada, BLUE, "screen")
    fox.click("#ctl-share")
    expect(host.locator("article.tile[data-source=screen]")).to_have_count(0)

    # -- a new path is looked for, by ICE restarts on both connections
    before = connected_fragments(fox)
    assert len(before) == 2
    fox.evaluate("() => window.dispatchEvent(new Event('online'))")
    wait_until(lambda: not {*before} & {*connected_fragments(fox)}, "new ICE credentials in Firefox")
    sees(host, ada, BLUE)
    sees(fox, lin, RED)
    hears_in(fox, lin, RED, [GREEN, BLUE])
    assert connected_fragments(fox) and fox.browser.errors == []
    looked = [line for line in fox.browser.logs if "looks for a new path" in line]
    assert len(looked) == 1 and "the network is back" in looked[0], looked
