"""Minutes in a real browser: rows come, go and move; unsaved text is guarded; axe finds nothing; it works
without scripts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from meetings.minutes.models import Minutes
from tests.meetings.minutes import world
from tests.services.browser import page_browser

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
AXE = Path(__file__).parents[3] / "node_modules/axe-core/axe.min.js"


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with page_browser() as browser:
        yield browser


@pytest.fixture
def window(chromium, live_server, settings):
    """`window(user, width=1280)`: a page of a signed-in person; faults of scripts and of the CSP are kept."""
    opened = []

    def make(user, *, width=1280, **more):
        context = chromium.new_context(
            viewport={"width": width, "height": 800}, base_url=live_server.url, **more
        )
        name = settings.SESSION_COOKIE_NAME
        cookie = world.browser(user).cookies[name].value
        context.add_cookies([{"name": name, "value": cookie, "url": live_server.url}])
        page = context.new_page()
        page.faults = []
        page.on("pageerror", lambda error: page.faults.append(str(error)))
        page.on("console", lambda line: page.faults.append(line.text) if line.type == "error" else None)
        opened.append(context)
        return page

    yield make
    for context in opened:
        context.close()


def rows(page, name):
    return page.locator(f'[data-rows="{name}"] [data-row]:visible')


def test_rows_are_added_moved_and_removed(window, minutes, held):
    page = window(held.mei)
    page.goto(f"/minutes/{minutes.pk}/edit/")
    expect(rows(page, "decisions")).to_have_count(1)  # the empty rows are for people without scripts
    expect(page.get_by_role("button", name="Save and add more rows")).to_be_hidden()
    for text in ("Second", "Third"):
        page.get_by_role("button", name="Add a decision").click()
        page.keyboard.type(text)  # the cursor is in the new row
    page.get_by_role("button", name="Add a decision").click()
    expect(rows(page, "decisions")).to_have_count(4)
    last = rows(page, "decisions").nth(2)
    last.get_by_role("button", name="Move up").click()
    page.keyboard.press("Enter")  # the focus stayed on the button
    expect(rows(page, "decisions").nth(0).get_by_role("button", name="Move up")).to_be_disabled()
    rows(page, "decisions").nth(2).get_by_role("button", name="Remove").click()
    page.get_by_role("button", name="Add an action").click()
    page.keyboard.type("Send the slides")
    rows(page, "actions").nth(2).get_by_label("Owner").select_option("Jonas Okafor")
    page.get_by_role("button", name="Save", exact=True).click()
    page.wait_for_url(f"**/minutes/{minutes.pk}/")
    stored = Minutes.objects.get()
    assert [row.text for row in stored.decisions.all()] == ["Third", "The exam is on Friday"]
    assert stored.actions.get(text="Send the slides").owner == held.jonas
    assert page.faults == []


def test_leaving_with_unsaved_text_asks_first(window, minutes, held):
    page = window(held.mei)
    asked = []
    page.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.dismiss()))
    page.goto(f"/minutes/{minutes.pk}/edit/")
    page.get_by_label("Summary").fill("Half a sen")
    page.get_by_role("link", name="Cancel").click(no_wait_after=True)
    page.wait_for_timeout(500)
    assert asked == ["beforeunload"]
    assert page.url.endswith("/edit/") and page.get_by_label("Summary").input_value() == "Half a sen"


def test_it_works_without_scripts(window, minutes, held):
    page = window(held.mei, java_script_enabled=False)
    page.goto(f"/minutes/{minutes.pk}/edit/")
    decisions = page.locator('[data-rows="decisions"] [data-row]')
    assert decisions.count() == 3
    decisions.nth(0).get_by_role("checkbox", name="Remove").check()
    decisions.nth(1).get_by_label("Decision").fill("Written without scripts")
    page.get_by_role("button", name="Save and add more rows").click()
    page.wait_for_url("**/edit/")
    assert [row.text for row in minutes.decisions.all()] == ["Written without scripts"]


def test_ticking_an_action(window, minutes, held):
    page = window(held.sara, width=390, has_touch=True)
    page.goto("/actions/")
    box = page.get_by_role("button", name="Done: Book the hall")
    size = page.evaluate(
        "(el) => { const s = getComputedStyle(el, '::before'); return [s.width, s.height] }",
        box.element_handle(),
    )
    assert all(float(side.removesuffix("px")) >= 42 for side in size), size
    box.click()
    expect(page.get_by_text("Nothing to do")).to_be_visible()
    assert minutes.actions.get(owner=held.sara).done_at is not None


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 320])
def test_axe_finds_nothing_and_nothing_moves_sideways(window, minutes, held, theme, width):
    recording = world.recorded(held.session, state="composing", progress=0.4)
    page = window(held.mei, width=width, color_scheme=theme, bypass_csp=True)
    found = []
    for address in (
        f"/minutes/{minutes.pk}/",
        f"/minutes/{minutes.pk}/edit/",
        "/minutes/",
        "/actions/",
        "/recordings/",
        f"/recordings/{recording.key}/",
        "/settings/",
    ):
        page.goto(address)
        if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            found.append(f"{address} moves sideways")
        page.evaluate(AXE.read_text())
        rules = "['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa', 'best-practice']"
        faults = page.evaluate(f"axe.run({{runOnly: {rules}}}).then((result) => result.violations)")
        found += [
            f"{address} {v['id']}: {n['target']} {n['failureSummary']}" for v in faults for n in v["nodes"]
        ]
    assert found == []


def test_progress_moves_and_the_film_appears(window, held, settings, tmp_path):
    settings.RECORDINGS_DIR = tmp_path
    recording = world.recorded(held.session, state="composing", progress=0.1)
    page = window(held.sara)
    page.goto(f"/recordings/{recording.key}/")
    expect(page.get_by_text("10 %")).to_be_visible()
    type(recording).objects.update(progress=0.8)
    expect(page.get_by_text("80 %")).to_be_visible(timeout=10_000)
    type(recording).objects.update(state="ready")
    expect(page.locator("video")).to_be_visible(timeout=10_000)


def test_the_administration_obeys_the_security_policy(window, held, minutes):
    page = window(world.person("Root", role="admin"))
    for address in (
        "",
        "accounts/user/",
        "accounts/user/add/",
        f"accounts/user/{held.mei.pk}/change/",
        "meetings/session/",
        f"meetings/session/{held.session.pk}/change/",
        "meetings/meeting/?when=past",
    ):
        page.goto(f"/admin/{address}")
        page.wait_for_load_state("networkidle")
    assert page.faults == []
