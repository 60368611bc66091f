"""A screen elsewhere plays the meeting: real Chromium on the player's page, by its link alone."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.codes import BLUE, RED, Person, find_codes
from tests.e2e.conftest import StartBrowser
from tests.e2e.party import book_now, party
from tests.e2e.room import shown_by, wait_until
from tests.e2e.test_pages import AXE
from tests.e2e.whip import make_token
from tests.services.stack import PortalStack

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(240)]


def plays(page: Page, person: Person) -> bool:
    """Whether the large picture shows that person's code now."""
    frame = shown_by(page, "#play-main")
    return frame is not None and person.number in find_codes(frame)


def test_a_screen_waits_plays_and_follows(portal: PortalStack, chromium: StartBrowser) -> None:
    booked, (host,) = party(portal, chromium, host=RED)
    link = make_token(portal, booked, direction="play")["link"]
    page = chromium().new_context().new_page()
    page.goto(link)
    expect(page.locator("#main")).to_have_attribute("data-state", "playing", timeout=30_000)
    wait_until(lambda: plays(page, RED), "the host's picture on the screen", seconds=30)
    # The host's camera goes off: there is no picture, but the screen stays; then it is on again.
    host.locator("#ctl-camera").click()
    expect(page.locator("#main")).to_have_attribute("data-state", "waiting", timeout=20_000)
    host.locator("#ctl-camera").click()
    wait_until(lambda: plays(page, RED), "the picture again", seconds=30)
    host.locator("#ctl-leave").click()
    host.locator("#leave-menu [data-action=leave]").click()
    expect(page.locator("#main")).to_have_attribute("data-state", "waiting", timeout=30_000)


def test_a_screen_waits_for_an_empty_room(portal: PortalStack, chromium: StartBrowser) -> None:
    booked = book_now(portal)
    link = make_token(portal, booked, direction="play")["link"]
    page = chromium(BLUE).new_context().new_page()
    page.goto(link)
    expect(page.locator("#main")).to_have_attribute("data-state", "waiting", timeout=20_000)
    expect(page.locator("#play-status")).to_have_text("Nobody is in the meeting now.")
    page.evaluate(AXE)
    assert page.evaluate("axe.run(document).then((found) => found.violations.map(({ id }) => id))") == []
