"""Every page as people meet it: axe-core, languages, themes, desktop and phone, 320 px, keyboard."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Playwright, expect

from tests.e2e.conftest import FLAGS
from tests.e2e.room import wait_phase
from tests.e2e.school import CHANGING, ENTRANCE, PAGES, PORTAL, School, Shown, fill
from tests.services.browser import chromium_path
from tests.services.stack import ROOT, PortalStack

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(420)]

DESKTOP, PHONE, NARROW = (1280, 800), (390, 844), (320, 700)
AXE = (ROOT / "node_modules/axe-core/axe.min.js").read_text()
WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
TAGS = [*WCAG, "best-practice"]
# Pages that answer so on purpose; the browser puts each into its console.
REFUSING = {403, 404, 409, 410}


@pytest.fixture(scope="module")
def school(portal: PortalStack) -> School:
    return fill(portal)


@pytest.fixture(scope="module")
def browser(playwright_driver: Playwright) -> Iterator[Browser]:
    browser = playwright_driver.chromium.launch(executable_path=chromium_path(), args=list(FLAGS))
    yield browser
    browser.close()


# What the theme changes glides to its new colours, and is right only then.
SETTLED = """async () => {
  await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
  const gliding = document.getAnimations().filter((one) => one instanceof CSSTransition);
  await Promise.allSettled(gliding.map((one) => one.finished));
}"""


class Watched:
    """A page whose complaints are kept: `faults` lines, each with the name of what was looked at.

    `django`: pages of Django's administration. How they are built is Django's, so axe's advice beyond WCAG is
    left out; and its jQuery tries inline styles, which the policy rightly blocks.
    """

    def __init__(self, context: BrowserContext, *, django: bool = False) -> None:
        self.page = context.new_page()
        self.tags = WCAG if django else TAGS
        self.tolerated = ["Applying inline style violates"] if django else []
        self.faults: list[str] = []
        self.name = ""
        self.page.on("pageerror", lambda error: self._add(f"script: {error}"))
        self.page.on("console", self._hear)

    def _add(self, fault: str) -> None:
        self.faults.append(f"{self.name}: {fault}")

    def _hear(self, message: ConsoleMessage) -> None:
        refused = any(f"status of {status}" in message.text for status in REFUSING)
        tolerated = any(words in message.text for words in self.tolerated)
        if message.type == "error" and not refused and not tolerated:
            self._add(f"console: {message.text}")

    def look(self, name: str) -> None:
        """axe at desktop and phone size, in both themes; nothing sideways at 320 px."""
        self.name = name
        for width, height in (DESKTOP, PHONE):
            self.page.set_viewport_size({"width": width, "height": height})
            self._axe(f"{width} px", {"runOnly": self.tags})
        # What another theme changes is colours.
        self.page.emulate_media(color_scheme="dark")
        self._axe("dark", {"runOnly": {"type": "rule", "values": ["color-contrast"]}})
        self.page.emulate_media(color_scheme="light")
        self.narrow()

    def narrow(self) -> None:
        self.page.set_viewport_size({"width": NARROW[0], "height": NARROW[1]})
        wide = self.page.evaluate("document.documentElement.scrollWidth")
        if wide > NARROW[0]:
            self._add(f"{wide} px wide on a screen of {NARROW[0]}")

    def _axe(self, where: str, options: dict[str, object]) -> None:
        self.page.evaluate(SETTLED)
        if not self.page.evaluate("typeof axe === 'object'"):
            self.page.evaluate(AXE)
        # Mails are shown in a frame without scripts; their look has tests of its own (tests/design/).
        choice = json.dumps({"resultTypes": ["violations"], "iframes": False, **options})
        for found in self.page.evaluate(f"axe.run(document, {choice}).then((result) => result.violations)"):
            if found["impact"] in ("serious", "critical"):
                for node in found["nodes"]:
                    self._add(f"{where} {found['id']} {node['target']} {node['failureSummary']}")


def look_at(
    school: School, browser: Browser, pages: tuple[Shown, ...], language: str, *, django: bool = False
) -> list[str]:
    """The faults of all `pages` in that language."""
    faults: list[str] = []
    for who in sorted({shown.who for shown in pages}):
        context = school.context(browser, who, language=language, reduced_motion="reduce")
        watched = Watched(context, django=django)
        for shown in (shown for shown in pages if shown.who == who):
            watched.name = shown.name
            watched.page.set_viewport_size({"width": DESKTOP[0], "height": DESKTOP[1]})
            answer = watched.page.goto(school.url(shown.path), wait_until="load")
            assert answer is not None
            if shown.steps:
                shown.steps(watched.page)
            else:
                assert answer.status == shown.status, f"{shown.name} answers {answer.status}"
            shown_language = watched.page.locator("html").get_attribute("lang")
            assert str(shown_language).lower() == language, f"{shown.name} speaks {shown_language}"
            watched.look(shown.name)
        faults += watched.faults
        context.close()
    return faults


@pytest.mark.parametrize("language", ["en", "zh-hans"])
@pytest.mark.parametrize("pages", [ENTRANCE, (*PORTAL, *CHANGING)], ids=["entrance", "portal"])
def test_every_page(school: School, browser: Browser, pages: tuple[Shown, ...], language: str) -> None:
    assert look_at(school, browser, pages, language) == []


def test_pages_of_administrators(school: School, browser: Browser) -> None:
    pages = [shown for shown in PAGES if shown.who == "admin"]
    own = tuple(
        shown for shown in pages if not shown.path.startswith("/admin/") and "admin-" not in shown.path
    )
    djangos = tuple(shown for shown in pages if shown not in own)
    assert len(own) > 5 and len(djangos) > 5
    assert look_at(school, browser, own, "en") == []
    assert look_at(school, browser, djangos, "en", django=True) == []


@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_before_and_in_the_room(school: School, browser: Browser, language: str) -> None:
    context = school.context(
        browser, "lin", language=language, reduced_motion="reduce", permissions=["camera", "microphone"]
    )
    watched = Watched(context)
    page = watched.page
    watched.name = "prejoin"
    page.goto(school.url("room"))
    page.locator("#preview[data-state=video]").wait_for()
    watched.look("prejoin")
    page.set_viewport_size({"width": DESKTOP[0], "height": DESKTOP[1]})
    page.locator("#join-button").click()
    wait_phase(page, "in")
    watched.look("room")
    page.set_viewport_size({"width": DESKTOP[0], "height": DESKTOP[1]})
    for name in ("people", "chat"):
        page.locator(f"#ctl-{name}").click()
        watched.look(f"room with {name}")
        page.set_viewport_size({"width": DESKTOP[0], "height": DESKTOP[1]})
    page.locator("#ctl-more").click()
    watched.look("room's menu")
    page.set_viewport_size({"width": DESKTOP[0], "height": DESKTOP[1]})
    page.keyboard.press("Escape")
    for name in ("settings", "shortcuts"):
        page.locator("#ctl-more").click()
        page.locator(f"#more-menu [data-action={name}]").click()
        watched.look(f"room's {name}")
        page.keyboard.press("Escape")
        page.set_viewport_size({"width": DESKTOP[0], "height": DESKTOP[1]})
    page.locator("#ctl-leave").click()
    page.locator("#leave-menu [data-action=leave]").click()
    page.wait_for_url("**/left/")
    watched.look("after leaving")
    context.close()
    assert watched.faults == []


def tab_to(page: Page, is_there: Callable[[Page], bool], what: str) -> None:
    """Presses Tab until the focus is there, as somebody without a mouse does."""
    for _press in range(80):
        if is_there(page):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"Tab never comes to {what}")


def on(selector: str) -> Callable[[Page], bool]:
    return lambda page: bool(
        page.evaluate("(selector) => document.activeElement?.matches(selector) ?? false", selector)
    )


def test_booking_and_joining_without_a_mouse(school: School, browser: Browser) -> None:
    """Tab, Enter and Space only, from the first page to the room."""
    context = school.context(browser, "lin", permissions=["camera", "microphone"])
    page = context.new_page()
    page.goto(school.url("/"))
    tab_to(page, on(".page-actions a[href='/meetings/new/']"), "Book a meeting")
    page.keyboard.press("Enter")
    page.wait_for_url("**/meetings/new/")
    tab_to(page, on("input[name=title]"), "the title")
    page.keyboard.type("By keyboard")
    tab_to(page, on("[data-people] input[role=combobox]"), "the people")
    page.keyboard.type("jonas.okafor@example.org")
    page.locator("[role=listbox] [role=option]").first.wait_for()
    page.keyboard.press("Enter")
    expect(page.locator(".picked-row")).to_have_count(1)
    tab_to(page, on("input[name=lobby_enabled]"), "the lobby")
    page.keyboard.press("Space")
    expect(page.locator("input[name=lobby_enabled]")).not_to_be_checked()
    tab_to(page, on("form .form-actions .btn-primary"), "Book and invite")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="By keyboard")).to_be_visible()
    tab_to(page, on("a[data-join]"), "Join")
    page.keyboard.press("Enter")
    wait_phase(page, "prejoin")
    page.locator("#join-button:enabled").wait_for()
    tab_to(page, on("#join-button"), "Join now")
    page.keyboard.press("Space")
    wait_phase(page, "in")
    tab_to(page, on("#bar button"), "the bar")
    page.keyboard.press("Space")
    expect(page.locator("#ctl-mic")).to_have_attribute("data-on", "false")
    context.close()
