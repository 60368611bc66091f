"""The room in pictures: reactions, the connection, pointing, and what the administration sees of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from playwright.sync_api import Browser, Page

from tests.e2e.room import participant_id
from tests.e2e.school import School

if TYPE_CHECKING:
    from tools.screenshots import Camera

WIDE, NARROW = {"width": 1280, "height": 800}, {"width": 390, "height": 844}
LOOKS = (("", "en"), ("-zh", "zh-hans"))


def take_signals(camera: Camera, lin: Page, sara: Page, wang: Page) -> None:
    """Sara shares her screen, in which a canvas moves; Lin looks in English, Wang in Chinese."""
    for size in (NARROW, WIDE):
        for page in (lin, wang):
            page.set_viewport_size(size)  # type: ignore[arg-type]
        _react(camera, lin, sara, "room-reactions")
        _connection(camera, lin, "room-connection")
        _connection(camera, wang, "room-connection-zh")
        _point(camera, lin, sara, "room-pointing")


def _react(camera: Camera, page: Page, other: Page, name: str) -> None:
    """The menu, and what others gave just before."""
    for action in ("idea", "party"):
        other.keyboard.press("r")
        other.locator(f"#react-menu [data-action={action}]").click()
        other.wait_for_timeout(500)
    page.keyboard.press("r")
    page.wait_for_timeout(300)
    camera.take(page, name)
    page.keyboard.press("Escape")


def _connection(camera: Camera, page: Page, name: str) -> None:
    if page.locator("#room-health").is_visible():
        page.locator("#room-health").click()
    else:
        page.locator("#ctl-more").click()
        page.locator("#more-menu [data-action=connection]").click()
    page.locator("#connection-facts").wait_for()
    page.wait_for_timeout(500)
    camera.take(page, name)
    page.keyboard.press("Escape")


def _point(camera: Camera, page: Page, presenter: Page, name: str) -> None:
    """One's own pointer at the shared screen, and at the presenter's the copy in which it is seen."""
    sharer = participant_id(page, "Sara Yilmaz")
    screen = page.locator(f"article.tile[data-participant='{sharer}'][data-source=screen]")
    screen.locator(".tile-point").click()
    screen.locator(".tile-point").focus()
    for _ in range(2):
        page.keyboard.press("Shift+ArrowRight")
    presenter.locator("#own-screen").wait_for()
    page.keyboard.press("ArrowRight")
    page.wait_for_timeout(200)
    camera.take(page, name)
    presenter.set_viewport_size(page.viewport_size)  # type: ignore[arg-type]
    page.keyboard.press("ArrowUp")
    presenter.wait_for_timeout(300)
    camera.take(presenter, f"{name}-own")
    page.keyboard.press("Escape")


def take_live(camera: Camera, school: School, browser: Browser | None, zone: str) -> None:
    """The administration's page of the session that runs, with incidents in it."""
    assert browser is not None
    school.stack.manage(
        "shell", "--no-imports", "-c", "from tests.e2e.school_rows import incidents; incidents()"
    )
    for suffix, language in LOOKS:
        for size in (WIDE, NARROW):
            phone = size is NARROW
            context = school.context(
                browser, "admin", language=language, viewport=size, timezone_id=zone,
                reduced_motion="reduce", has_touch=phone, is_mobile=phone,
            )  # fmt: skip
            page = context.new_page()
            page.goto(school.url("/admin/meetings/session/?ended_at__isempty=1"))
            page.locator("#result_list tbody th a").first.click()
            page.locator("a[href$='/live/']").first.click()
            page.locator(".live-figures table").first.wait_for()
            page.wait_for_timeout(300)
            camera.take(page, f"admin-live{suffix}")
            if not suffix:
                page.locator(".live-figures .module").last.scroll_into_view_if_needed()
                camera.take(page, "admin-live-incidents")
            context.close()
