"""The look in a real browser: axe in both themes, nothing sideways at 320 px, thumb-sized targets."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.test import Client
from playwright.sync_api import Browser, BrowserContext, Page

from accounts.models import User
from tests.services.browser import page_browser

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
PAGES = ["/accounts/login/", "/accounts/signup/", "/styleguide/", "/accounts/email/", "/no/such/page/"]
NewContext = Callable[..., BrowserContext]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with page_browser() as browser:
        yield browser


@pytest.fixture
def context(browser: Browser, live_server, admin: User, settings) -> Iterator[NewContext]:
    """`context(width=390, theme="dark", signed_in=True)`: a browser window on the portal."""
    opened: list[BrowserContext] = []

    def make(
        *, width: int = 1280, theme: str = "light", signed_in: bool = True, **more: object
    ) -> BrowserContext:
        made = browser.new_context(
            viewport={"width": width, "height": 800},
            color_scheme=theme,  # type: ignore[arg-type]
            has_touch=width < 600,
            base_url=live_server.url,
            **more,  # type: ignore[arg-type]
        )
        opened.append(made)
        if signed_in:
            client = Client()
            client.force_login(admin)
            name = settings.SESSION_COOKIE_NAME
            made.add_cookies([{"name": name, "value": client.cookies[name].value, "url": live_server.url}])
        return made

    yield make
    for each in opened:
        each.close()


def violations(page: Page, root: Path) -> list[str]:
    """What axe-core finds against WCAG 2.2 A and AA, one line each."""
    page.evaluate((root / "node_modules/axe-core/axe.min.js").read_text())
    rules = "['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa', 'best-practice']"
    found = page.evaluate(f"axe.run({{runOnly: {rules}}}).then((result) => result.violations)")
    return [f"{v['id']}: {node['target']} {node['failureSummary']}" for v in found for node in v["nodes"]]


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_axe_finds_nothing(context: NewContext, root: Path, theme: str, width: int) -> None:
    page = context(width=width, theme=theme, bypass_csp=True).new_page()
    found: list[str] = []
    for address in ["/styleguide/", "/accounts/email/"]:
        page.goto(address)
        found += [f"{address} {line}" for line in violations(page, root)]
    stranger = context(width=width, theme=theme, bypass_csp=True, signed_in=False).new_page()
    for address in ["/accounts/login/", "/accounts/signup/", "/no/such/page/"]:
        stranger.goto(address)
        found += [f"{address} {line}" for line in violations(stranger, root)]
    assert found == []


def test_nothing_scrolls_sideways_at_320(context: NewContext) -> None:
    wide = {}
    for signed_in in (True, False):
        page = context(width=320, signed_in=signed_in).new_page()
        for address in PAGES:
            page.goto(address)
            width = page.evaluate("document.documentElement.scrollWidth")
            if width > 320:
                wide[address] = width
    assert wide == {}


def test_targets_are_thumb_sized_on_a_phone(context: NewContext) -> None:
    page = context(width=390).new_page()
    page.goto("/styleguide/")
    small = page.evaluate(
        """() => [...document.querySelectorAll('.btn, .bar-item, .chip, .tab, .nav-item, select, input')]
            .filter((e) => e.checkVisibility() && !e.matches('[type=checkbox], [type=radio]'))
            .map((e) => [e.textContent.trim() || e.id, e.getBoundingClientRect()])
            .filter(([, box]) => box.height < 44 || box.width < 40)
            .map(([name, box]) => `${name} ${box.width}x${box.height}`)"""
    )
    assert small == []


def test_pages_obey_the_content_security_policy(context: NewContext) -> None:
    page = context().new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    for address in ["/styleguide/", "/accounts/email/", "/accounts/password/change/", "/accounts/logout/"]:
        page.goto(address, wait_until="networkidle")
    assert complaints == []


def test_a_chosen_theme_stays_and_auto_follows_the_system(context: NewContext) -> None:
    page = context(theme="light").new_page()
    page.goto("/styleguide/")
    ground = "getComputedStyle(document.body).backgroundColor"
    assert page.evaluate(ground) == "rgb(250, 249, 247)"
    page.click(".user-button")
    page.click("#user-menu [data-theme-choice=dark]")
    assert page.evaluate(ground) == "rgb(17, 22, 27)"
    page.reload()
    assert page.evaluate(ground) == "rgb(17, 22, 27)"
    page.click(".user-button")
    assert page.get_attribute("#user-menu [data-theme-choice=dark]", "aria-pressed") == "true"
    page.click("#user-menu [data-theme-choice=system]")
    assert page.evaluate(ground) == "rgb(250, 249, 247)"


def test_the_phones_sheet_opens_closes_and_leads_on(context: NewContext) -> None:
    page = context(width=390).new_page()
    page.goto("/styleguide/")
    assert not page.is_visible(".side") and not page.is_visible("#more-menu")
    page.click(".bottom-bar [popovertarget=more-menu]")
    assert page.is_visible("#more-menu")
    page.keyboard.press("Escape")
    assert not page.is_visible("#more-menu")
    page.click(".bottom-bar [popovertarget=more-menu]")
    page.click("#more-menu a[href='/settings/']")
    page.wait_for_url("**/settings/")


def test_keyboard_reaches_the_content_first_and_focus_is_seen(context: NewContext) -> None:
    page = context().new_page()
    page.goto("/styleguide/")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip-link"
    assert page.evaluate("getComputedStyle(document.activeElement).clipPath") == "none"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    page.keyboard.press("Tab")
    width = page.evaluate("parseFloat(getComputedStyle(document.activeElement).outlineWidth)")
    assert width >= 2


def test_a_dialog_opens_by_its_button_and_gives_the_focus_back(context: NewContext) -> None:
    page = context().new_page()
    page.goto("/styleguide/")
    opener = page.locator(".page-actions [data-dialog=guide-dialog]")
    opener.click()
    assert page.is_visible("#guide-dialog")
    assert page.evaluate("document.activeElement.hasAttribute('data-dialog-close')"), (
        "the safe answer is first"
    )
    page.click("#guide-dialog [data-dialog-close]")
    assert not page.is_visible("#guide-dialog")
    assert opener.evaluate("(button) => button === document.activeElement")


def test_copy_puts_the_link_into_the_clipboard_and_says_so(context: NewContext) -> None:
    page = context(permissions=["clipboard-read", "clipboard-write"]).new_page()
    page.goto("/styleguide/")
    page.click("[data-copy]")
    page.wait_for_selector(".toast")
    assert page.evaluate("navigator.clipboard.readText()") == "https://meet.example.org/m/kqz-wvtn-rpa"


def test_a_form_is_sent_once_however_often_it_is_pressed(context: NewContext) -> None:
    page = context(signed_in=False).new_page()
    page.goto("/accounts/login/", wait_until="networkidle")
    page.fill("#id_login", "nobody@example.org")
    page.fill("#id_password", "wrong")
    sent = page.evaluate(
        """() => {
            let sent = 0;
            // Last in line: what got this far would have been sent; the page stays, as with a slow server.
            addEventListener('submit', (event) => {
                if (!event.defaultPrevented) sent += 1;
                event.preventDefault();
            });
            const button = document.querySelector('.form-auth [type=submit]');
            for (let press = 0; press < 3; press += 1) button.click();
            return sent;
        }"""
    )
    assert sent == 1


def test_strangers_see_times_in_their_own_zone(context: NewContext) -> None:
    page = context(signed_in=False, timezone_id="America/New_York").new_page()
    page.goto("/accounts/login/")
    shown = page.evaluate(
        """async () => {
            const time = document.createElement('time');
            time.setAttribute('datetime', '2026-11-23T02:00:00+00:00');
            time.dataset.localTime = 'time';
            document.body.append(time);
            const times = document.querySelector('script[type=module][src*="portal/index"]').src;
            const { showTimes, readerZone, relativeTime } = await import(new URL('localtime.js', times).href);
            showTimes(document);
            const now = new Date('2026-11-23T01:52:00Z');
            const soon = new Date('2026-11-23T02:00:00Z');
            return [time.textContent, readerZone(), relativeTime(soon, now, 'en')];
        }"""
    )
    assert shown == ["21:00", "America/New_York", "in 8 min."]
