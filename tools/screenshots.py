"""Pictures of every page for docs/screenshots: `make screenshots`.

Starts a portal with the demo school on free ports, opens every page at 1280×800 and 390×844, meets in the
room with four browsers, and writes WebP files. `--only room` takes what has "room" in its name, `--full`
whole pages, `--to` another folder.
"""

from __future__ import annotations

import argparse
import datetime as dt
import fnmatch
import io
import sys
import tempfile
import zoneinfo
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.e2e.conftest import FLAGS  # noqa: E402
from tests.e2e.school import MAIN, PAGES, School, Shown, fill  # noqa: E402
from tests.services.browser import chromium_path  # noqa: E402
from tests.services.stack import portal_stack  # noqa: E402
from tools.screenshots_room import take_room  # noqa: E402

WIDE, NARROW = (1280, 800), (390, 844)
ZONES = (
    *("Pacific/Honolulu", "America/Los_Angeles", "America/New_York", "America/Sao_Paulo", "Europe/London"),
    *("Europe/Berlin", "Asia/Dubai", "Asia/Kolkata", "Asia/Shanghai", "Australia/Sydney"),
)


@dataclass
class Camera:
    """Writes pictures into `folder`; `only` limits what is taken, `full` takes whole pages."""

    folder: Path
    only: list[str]
    full: bool = False
    taken: list[Path] = field(default_factory=list)

    def wants(self, name: str) -> bool:
        return not self.only or any(fnmatch.fnmatch(name, pattern) for pattern in self.only)

    def take(self, page: Page, name: str) -> None:
        """The page as it is now, as `<name>-<width>.webp`."""
        size = page.viewport_size or {"width": WIDE[0], "height": WIDE[1]}
        if self.full:
            height = int(page.evaluate("document.documentElement.scrollHeight"))
            page.set_viewport_size({"width": size["width"], "height": max(height, size["height"])})
        page.evaluate("document.fonts.ready")
        shot = page.screenshot(animations="disabled", caret="hide", timeout=120_000)
        if self.full:
            page.set_viewport_size({"width": size["width"], "height": size["height"]})
        path = self.folder / f"{name}-{size['width']}.webp"
        Image.open(io.BytesIO(shot)).convert("RGB").save(path, quality=80, method=6)
        self.taken.append(path)
        print(f"{path.stat().st_size // 1024:4d} KiB  {path.name}", flush=True)


def morning_zone() -> str:
    """The zone where it is nearest to a quarter past nine, so that pages show a day that lies ahead."""

    def distance(name: str) -> float:
        now = dt.datetime.now(zoneinfo.ZoneInfo(name))
        return abs(now.hour + now.minute / 60 - 9.25)

    return min(ZONES, key=distance)


def take_pages(camera: Camera, school: School, browser: Browser, zone: str) -> None:
    """Every page of `PAGES` in both sizes, the main ones dark and in Chinese too."""
    looks = (("", "light", "en", PAGES), ("-dark", "dark", "en", None), ("-zh", "light", "zh-hans", None))
    for suffix, theme, language, pages in looks:
        chosen = pages or [page for page in PAGES if page.name in MAIN]
        wanted = [shown for shown in chosen if camera.wants(shown.name + suffix)]
        for width, height in (WIDE, NARROW):
            for who in sorted({shown.who for shown in wanted}):
                phone = width < 600
                context = school.context(
                    browser, who, language=language, viewport={"width": width, "height": height},
                    timezone_id=zone, color_scheme=theme, reduced_motion="reduce",
                    has_touch=phone, is_mobile=phone,
                )  # fmt: skip
                context.set_default_timeout(90_000)
                page = context.new_page()
                for shown in wanted:
                    if shown.who == who:
                        take_one(camera, school, page, shown, suffix)
                context.close()


def take_one(camera: Camera, school: School, page: Page, shown: Shown, suffix: str) -> None:
    answer = page.goto(school.url(shown.path), wait_until="load")
    if shown.steps:
        shown.steps(page)
    elif answer and answer.status != shown.status:
        raise SystemExit(f"{shown.name} ({shown.path}) answers {answer.status}, not {shown.status}")
    page.wait_for_timeout(150)
    camera.take(page, shown.name + suffix)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--to", type=Path, default=ROOT / "docs/screenshots", help="folder for the pictures")
    parser.add_argument("--only", nargs="*", default=[], help="names of pictures, with wildcards")
    parser.add_argument("--full", action="store_true", help="whole pages, not only what is on the screen")
    parser.add_argument("--without", choices=["pages", "room"], help="leave out one half")
    chosen = parser.parse_args()
    chosen.to.mkdir(parents=True, exist_ok=True)
    camera = Camera(chosen.to, chosen.only, chosen.full)
    zone = morning_zone()
    with portal_stack(environ={"TIME_ZONE": zone}) as stack, sync_playwright() as driver:
        school = fill(stack)
        if chosen.without != "pages":
            browser = driver.chromium.launch(executable_path=chromium_path(), args=[*FLAGS, "--lang=en-GB"])
            take_pages(camera, school, browser, zone)
            browser.close()
        if chosen.without != "room":
            with tempfile.TemporaryDirectory(prefix="plenum-cameras-") as folder:
                take_room(camera, school, driver, Path(folder), zone)
    total = sum(path.stat().st_size for path in camera.taken)
    print(f"{len(camera.taken)} pictures, {total / 1e6:.1f} MB, in {chosen.to}")


if __name__ == "__main__":
    main()
