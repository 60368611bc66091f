"""The room in pictures: a host and three people with cameras, one of them with a phone, and a guest."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Page, Playwright, expect

from tests.e2e.codes import RED, Person, write_microphone
from tests.e2e.conftest import FLAGS
from tests.e2e.room import wait_phase
from tests.e2e.school import School
from tests.services.browser import chromium_path
from tools.screenshots_camera import LIN, SARA, TOM, WANG, Look, write_camera
from tools.screenshots_signals import take_live, take_signals

if TYPE_CHECKING:
    from tools.screenshots import Camera

HUSHED = Person(1, (0, 0, 0), 0)  # a tone of 0 Hz: nothing to hear
WIDE, NARROW = {"width": 1280, "height": 800}, {"width": 390, "height": 844}

PATIENCE = 120.0  # seconds: many browsers on a busy machine

# A slide to share: two waves that meet, drawn on a canvas which moves a little.
SLIDE = """
navigator.mediaDevices.getDisplayMedia = async () => {
  const canvas = Object.assign(document.createElement("canvas"), { width: 1280, height: 720 });
  const pen = canvas.getContext("2d");
  const draw = (step) => {
    pen.fillStyle = "#fbfaf7"; pen.fillRect(0, 0, 1280, 720);
    pen.fillStyle = "#17212b"; pen.font = "600 44px Inter, sans-serif";
    pen.fillText("Superposition", 72, 108);
    pen.fillStyle = "#55616e"; pen.font = "26px Inter, sans-serif";
    pen.fillText("Two waves meet: their heights add up.", 72, 156);
    const waves = [["#345d9d", 0, 260, 46], ["#b45309", step / 9, 380, 46], ["#0f6e66", null, 560, 1]];
    for (const [colour, shift, middle, height] of waves) {
      pen.strokeStyle = colour; pen.lineWidth = 5; pen.beginPath();
      for (let x = 72; x <= 1208; x += 4) {
        const one = Math.sin(x / 46), two = Math.sin(x / 46 + step / 9);
        const y = shift === null ? 46 * (one + two) : height * Math.sin(x / 46 + shift);
        pen.lineTo(x, middle - y);
      }
      pen.stroke();
    }
  };
  let step = 6; draw(step);
  setInterval(() => draw(step += 0.15), 100);
  return canvas.captureStream(10);
};
"""


class Cast:
    """Starts browsers with camera and microphone files, and closes them all."""

    def __init__(self, school: School, driver: Playwright, folder: Path, zone: str) -> None:
        self.school, self.driver, self.folder, self.zone = school, driver, folder, zone
        self.browsers: list[Browser] = []

    def browser(self, look: Look) -> Browser:
        number = len(self.browsers)
        camera = write_camera(self.folder / f"{number}.y4m", look)
        microphone = write_microphone(self.folder / f"{number}.wav", RED if look.speaks else HUSHED)
        flags = [
            *(*FLAGS, "--lang=en-GB"),
            f"--use-file-for-fake-video-capture={camera}",
            f"--use-file-for-fake-audio-capture={microphone}",
        ]
        self.browsers.append(self.driver.chromium.launch(executable_path=chromium_path(), args=flags))
        return self.browsers[-1]

    def context(self, browser: Browser, who: str, *, phone: bool = False, **options: Any) -> BrowserContext:
        made = self.school.context(
            browser, who, viewport=NARROW if phone else WIDE, timezone_id=self.zone, reduced_motion="reduce",
            has_touch=phone, is_mobile=phone, permissions=["camera", "microphone"], **options,
        )  # fmt: skip
        made.set_default_timeout(PATIENCE * 1000)
        return made

    def close(self) -> None:
        for browser in self.browsers:
            browser.close()


def take_room(camera: Camera, school: School, driver: Playwright, folder: Path, zone: str) -> None:
    cast = Cast(school, driver, folder, zone)
    try:
        _meet(camera, school, cast)
    finally:
        cast.close()


def _open(page: Page, school: School, path: str = "room") -> None:
    """The page before joining, with its preview."""
    page.goto(school.url(path))
    wait_phase(page, "prejoin", seconds=PATIENCE)
    page.locator("#preview[data-state=video]").wait_for()
    page.locator("#join-connection:not([data-state=wait])").wait_for()


def _both(camera: Camera, page: Page, name: str, before: Callable[[], None] | None = None) -> None:
    """The page of one person at both widths."""
    for size in (NARROW, WIDE):
        page.set_viewport_size(size)  # type: ignore[arg-type]
        if before:
            before()
        page.wait_for_timeout(700)
        camera.take(page, name)


def _meet(camera: Camera, school: School, cast: Cast) -> None:
    lins = cast.browser(LIN)
    looks: tuple[tuple[str, dict[str, Any]], ...] = (
        ("-dark", {"color_scheme": "dark"}),
        ("-zh", {"language": "zh-hans"}),
    )
    for suffix, options in looks:
        context = cast.context(lins, "lin", **options)
        page = context.new_page()
        _open(page, school)
        _both(camera, page, f"prejoin{suffix}")
        context.close()
    lin = cast.context(lins, "lin").new_page()
    _open(lin, school)
    _both(camera, lin, "prejoin")
    lin.locator("#join-button").click()
    wait_phase(lin, "in", seconds=PATIENCE)
    _both(camera, lin, "room-alone")

    guest = cast.context(lins, "").new_page()
    _open(guest, school, "personal")
    _both(camera, guest, "prejoin-guest")
    guest.locator("#join-button").click()
    wait_phase(guest, "lobby", seconds=PATIENCE)
    _both(camera, guest, "lobby")

    sara = cast.context(cast.browser(SARA), "sara").new_page()
    sara.add_init_script(SLIDE)
    wang = cast.context(cast.browser(WANG), "wang", language="zh-hans").new_page()
    for page in (sara, wang):
        _open(page, school)
        page.locator("#join-button").click()
        wait_phase(page, "lobby", seconds=PATIENCE)
    lin.locator("#ctl-people").click()
    lin.wait_for_timeout(6500)  # the toasts about who waits
    _both(camera, lin, "room-waiting")
    for name in ("Sara Yilmaz", "王伟"):
        _admit(lin, name)
    for page in (sara, wang):
        wait_phase(page, "in", seconds=PATIENCE)
    lin.locator("#panel-close").click()
    _talk(camera, lin, sara, wang)
    lin.locator("#ctl-people").click()
    _admit(lin, "Elena Petrova")
    wait_phase(guest, "in", seconds=PATIENCE)
    guest.locator("#ctl-camera").click()
    guest.locator("#ctl-mic").click()
    _phone(camera, school, cast, lin, wang)
    _record(camera, lin, sara, wang, guest)
    take_live(camera, school, lin.context.browser, cast.zone)
    _end(camera, lin, sara, wang)


def _admit(host: Page, name: str) -> None:
    """The host lets somebody in from the list of people, which is open."""
    waiting = host.locator("#people-waiting-list li", has_text=name)
    waiting.get_by_role("button", name=re.compile("^Let .* in$")).click()


def _wait_for_pictures(page: Page, count: int) -> None:
    """`count` tiles show moving pictures."""
    page.wait_for_function(
        """(count) => [...document.querySelectorAll('.tile video')]
            .filter((video) => video.videoWidth && video.checkVisibility()).length >= count""",
        arg=count,
    )  # fmt: skip


def _talk(camera: Camera, lin: Page, sara: Page, wang: Page) -> None:
    _wait_for_pictures(lin, 3)
    sara.locator("#ctl-hand").click()
    for page, words in (
        (sara, "Is the phase shift the reason the second slit is darker?"),
        (lin, "Exactly. Half a wavelength, so the heights cancel."),
        (wang, "那么距离差是 λ/2 吗？"),
        (lin, "是的。 Yes: λ/2, 3λ/2, 5λ/2 … Details at https://en.wikipedia.org/wiki/Wave_interference"),
    ):
        if not page.locator("#chat").is_visible():
            page.locator("#ctl-chat").click()
        page.locator("#chat-input").fill(words)
        page.locator("#chat-input").press("Enter")
        lin.locator("#chat-list").get_by_text(words[:12]).wait_for(state="attached")
    sketch = Image.new("RGB", (320, 200), (230, 240, 238))
    path = Path(camera.folder) / "interference.png"
    sketch.save(path)
    sara.locator("#chat-file").set_input_files(path)
    lin.locator("#chat-list").get_by_text("interference.png").first.wait_for()
    path.unlink()
    lin.wait_for_timeout(2500)
    _both(camera, lin, "room-chat")
    lin.locator("#panel-close").click()


def _phone(camera: Camera, school: School, cast: Cast, lin: Page, wang: Page) -> None:
    """A fourth person with a phone, and the room with everyone."""
    tom = cast.context(cast.browser(TOM), "", phone=True).new_page()
    _open(tom, school)
    tom.locator("#join-name").fill("Tom B.")
    tom.locator("#join-button").click()
    wait_phase(tom, "lobby", seconds=PATIENCE)
    _admit(lin, "Tom B.")
    wait_phase(tom, "in", seconds=PATIENCE)
    lin.wait_for_timeout(7000)
    _both(camera, lin, "room-people")
    lin.locator("#panel-close").click()
    _wait_for_pictures(tom, 3)
    _wait_for_pictures(lin, 4)
    camera.take(tom, "room-phone")
    tom.locator("#ctl-more").click()
    camera.take(tom, "room-phone-more")
    tom.locator("#more-menu [data-action=chat]").click()
    tom.wait_for_timeout(600)
    camera.take(tom, "room-phone-chat")
    tom.locator("#panel-close").click()
    wang.locator("#panel-close").click()
    wang.wait_for_timeout(500)
    _both(camera, wang, "room-zh")


def _record(camera: Camera, lin: Page, sara: Page, wang: Page, guest: Page) -> None:
    lin.locator("#ctl-record").click()
    expect(lin.locator("#room-rec")).to_be_visible(timeout=PATIENCE * 1000)
    _both(camera, lin, "room-recording-started")
    lin.wait_for_timeout(6000)
    _both(camera, lin, "room")
    sara.locator("#ctl-share").click()
    lin.locator("article.tile[data-source=screen] video").wait_for()
    lin.wait_for_timeout(4000)
    _both(camera, lin, "room-sharing")
    _both(camera, sara, "room-sharing-own")
    take_signals(camera, lin, sara, wang)
    sara.locator("#ctl-share").click()
    lin.locator("article.tile[data-source=screen]").wait_for(state="detached")
    for name, control in (("room-more", "#ctl-more"), ("room-leave", "#ctl-leave")):
        _both(camera, lin, name, lambda control=control: lin.locator(control).click())  # type: ignore[misc]
        lin.keyboard.press("Escape")
    lin.keyboard.press("Escape")
    for name, action in (("room-devices", "settings"), ("room-shortcuts", "shortcuts")):
        lin.locator("#ctl-more").click()
        lin.locator(f"#more-menu [data-action={action}]").click()
        _both(camera, lin, name)
        lin.keyboard.press("Escape")
    guest.locator("#ctl-leave").click()
    guest.wait_for_url("**/left/")
    _both(camera, guest, "left-guest")


def _end(camera: Camera, lin: Page, sara: Page, wang: Page) -> None:
    lin.locator("#ctl-leave").click()
    lin.locator("#leave-menu [data-action=end]").click()
    _both(camera, lin, "room-end-question")
    lin.locator("#confirm-yes").click()
    for page in (lin, sara):
        wait_phase(page, "ended", seconds=PATIENCE)
    _both(camera, sara, "room-ended")
