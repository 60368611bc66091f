"""The product's client: real Chromium against the media server, through a minimal page (room_page.html)."""

import asyncio
import pathlib
from typing import Any

import pytest
from playwright.async_api import async_playwright

from media_gateway.sfu.gateway import GatewayError
from tests.e2e.conftest import FLAGS
from tests.media_gateway.sfu.support import Harness, until
from tests.services.browser import chromium_path

pytestmark = [pytest.mark.browser, pytest.mark.slow]
PAGE = pathlib.Path(__file__).with_name("room_page.html").read_text()

RED, GREEN, BLUE = (200, 30, 30), (30, 200, 30), (30, 30, 200)


def canvas(rgb: tuple[int, int, int], width: int = 640, height: int = 360, moving: bool = False) -> str:
    return f"canvasStream('rgb{rgb}', {width}, {height}, {str(moving).lower()})"


def near(colour: list[int] | None, rgb: tuple[int, int, int]) -> bool:
    return colour is not None and all(abs(a - b) < 50 for a, b in zip(colour, rgb, strict=True))


class Tab:
    """One participant's page."""

    def __init__(self, harness: Harness, name: str, page: Any) -> None:
        self.harness = harness
        self.name = name
        self.page = page
        self.open = True
        self._tasks: set[asyncio.Task[Any]] = set()

    def event(self, event: dict[str, Any]) -> None:
        if event["peer"] == self.name and self.open:
            task = asyncio.ensure_future(self.page.evaluate("event => onEvent(event)", event))
            self._tasks.add(task)
            task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None and self.open:
            raise AssertionError(f"{self.name} failed on an event") from task.exception()

    async def run(self, script: str) -> Any:
        return await self.page.evaluate(script)

    async def until(self, script: str, check: Any = bool, timeout: float = 15.0) -> Any:
        deadline = asyncio.get_running_loop().time() + timeout
        while True:
            value = await self.run(script)
            if check(value):
                return value
            if asyncio.get_running_loop().time() > deadline:
                raise AssertionError(f"{self.name}: {script} is {value} after {timeout} s")
            await asyncio.sleep(0.05)

    async def sees(self, track: str, rgb: tuple[int, int, int], timeout: float = 15.0) -> dict[str, Any]:
        """Wait until decoded pictures of a track have this colour."""
        script = f"look('{track}')"
        return await self.until(script, lambda look: look and near(look["colour"], rgb), timeout)

    async def close(self) -> None:
        self.open = False
        await self.page.context.close()


class Building:
    """A gateway and a browser in which participants open tabs."""

    def __init__(self, harness: Harness, browser: Any) -> None:
        self.harness = harness
        self.browser = browser
        self.tabs: list[Tab] = []
        self.errors: list[str] = []
        self.config: dict[str, Any] = {}
        """the RTCConfiguration of tabs opened from now on"""

    async def enter(self, name: str) -> Tab:
        context = await self.browser.new_context()
        page = await context.new_page()
        tab = Tab(self.harness, name, page)
        self.tabs.append(tab)
        page.on("pageerror", lambda error: self.errors.append(f"{name}: {error}"))
        await page.route(
            "http://localhost/**", lambda route: route.fulfill(body=PAGE, content_type="text/html")
        )

        async def call(peer: str, op: str, data: dict[str, Any]) -> dict[str, Any]:
            try:
                return await self.harness.gateway.handle(op, "room", peer, data)
            except GatewayError as error:
                self.errors.append(f"{name}: {op}: {error}")
                raise

        await page.expose_function("call", call)
        await page.goto("http://localhost/")
        self.harness.listeners.append(tab.event)
        await page.evaluate("config => { state.config = config; }", self.config)
        await tab.run(f"join('{name}')")
        await tab.until("state.pc.subscribe.connectionState", lambda state: state == "connected")
        return tab

    async def leave(self, tab: Tab) -> None:
        await self.harness.call("peer.remove", tab.name)
        self.harness.listeners.remove(tab.event)
        self.tabs.remove(tab)
        await tab.close()


@pytest.fixture
async def building():  # type: ignore[no-untyped-def]
    async with async_playwright() as driver:
        browser = await driver.chromium.launch(executable_path=chromium_path(), args=list(FLAGS))
        async with Harness() as harness:
            made = Building(harness, browser)
            yield made
            for tab in list(made.tabs):
                await tab.close()
            assert made.errors == []
        await browser.close()


async def inbound(tab: Tab, kind: str) -> list[dict[str, Any]]:
    stats = await tab.run("stats('subscribe')")
    return [s for s in stats if s["type"] == "inbound-rtp" and s["kind"] == kind]


async def test_two_see_and_hear_each_other_and_720p_starts_at_once(building: Building) -> None:
    ann, bob = await building.enter("ann"), await building.enter("bob")
    await ann.run(f"publish({{mic: toneStream(440), camera: {canvas(RED, 1280, 720, moving=True)}}})")
    await bob.sees("ann camera", RED)
    # A picture can be drawn a moment before the browser tells that one was presented.
    look = await bob.until("look('ann camera')", lambda look: look["firstFrame"] is not None, 5)
    assert look["firstFrame"] < 3000
    # Without a start bitrate in the answer Chromium begins at 480x270 and stays there for long.
    await bob.until("look('ann camera')", lambda look: look["width"] >= 960, 5)
    pitch = await bob.run("pitch('ann mic')")
    assert pitch["frequency"] == pytest.approx(440, abs=10) and pitch["level"] > -60
    await bob.run(f"publish({{mic: toneStream(880), camera: {canvas(BLUE)}}})")
    await ann.sees("bob camera", BLUE)
    assert (await ann.run("pitch('bob mic')"))["frequency"] == pytest.approx(880, abs=10)
    (video,) = await inbound(bob, "video")
    assert video["framesDecoded"] > 5 and video["packetsLost"] == 0
    sent = await ann.run("stats('publish')")
    transport = next(s for s in sent if s["type"] == "transport")
    assert transport["srtpCipher"] == "SRTP_AEAD_AES_128_GCM"

    def both_reported(stats: list[dict[str, Any]]) -> bool:
        reports = [s for s in stats if s["type"] == "remote-inbound-rtp" and "roundTripTime" in s]
        return {s["kind"] for s in reports} == {"audio", "video"}

    await ann.until("stats('publish')", both_reported)
    await until(lambda: building.harness.named("speaker"))


async def test_lips_are_in_sync(building: Building) -> None:
    """Both streams carry the publisher's clock, so the browser can say when what it plays was captured."""
    ann, bob = await building.enter("ann"), await building.enter("bob")
    await ann.run(f"publish({{mic: toneStream(440), camera: {canvas(RED)}}})")
    await bob.sees("ann camera", RED)

    def both(stats: list[dict[str, Any]]) -> bool:
        found = [s["estimatedPlayoutTimestamp"] for s in stats if s.get("estimatedPlayoutTimestamp")]
        return len(found) == 2 and abs(found[0] - found[1]) < 300

    await bob.until("stats('subscribe')", both)


async def test_a_third_comes_and_goes_and_lines_are_used_again(building: Building) -> None:
    ann, bob = await building.enter("ann"), await building.enter("bob")
    await ann.run(f"publish({{mic: toneStream(440), camera: {canvas(RED)}}})")
    await ann.run(f"publish({{screen: {canvas(BLUE, 1280, 720, moving=True)}}})")
    await bob.sees("ann camera", RED)
    await bob.sees("ann screen", BLUE)
    cho = await building.enter("cho")
    await cho.sees("ann camera", RED)
    await cho.sees("ann screen", BLUE)
    await cho.run(f"publish({{camera: {canvas(GREEN)}}})")
    mid = (await bob.sees("cho camera", GREEN))["mid"]
    await building.leave(cho)
    await bob.until("state.lines", lambda lines: lines[mid] is None)
    await bob.sees("ann camera", RED)
    await ann.run("unpublish('screen')")
    await bob.until("Object.keys(state.tracks)", lambda tracks: "ann screen" not in tracks)
    dan = await building.enter("dan")
    await dan.run(f"publish({{screen: {canvas(GREEN)}}})")
    look = await bob.sees("dan screen", GREEN)
    lines = await bob.run("state.lines")
    assert len(lines) == 4, f"no line was added: {lines}"
    assert look["mid"] in lines
    await bob.sees("ann camera", RED)


async def test_pause_and_resume(building: Building) -> None:
    ann, bob = await building.enter("ann"), await building.enter("bob")
    await ann.run(f"publish({{camera: {canvas(RED)}}})")
    await bob.sees("ann camera", RED)
    await building.harness.call("peer.pause", "ann", sources=["camera"], paused=True)
    await asyncio.sleep(0.5)
    frames = (await bob.run("look('ann camera')"))["frames"]
    await asyncio.sleep(0.7)
    assert (await bob.run("look('ann camera')"))["frames"] <= frames + 1
    await building.harness.call("peer.pause", "ann", sources=["camera"], paused=False)
    await bob.until("look('ann camera')", lambda look: look["frames"] > frames + 10)
    (video,) = await inbound(bob, "video")
    assert video["packetsLost"] == 0, "no hole in the numbers"


async def test_ice_restart_goes_on_with_the_media(building: Building) -> None:
    ann, bob = await building.enter("ann"), await building.enter("bob")
    await ann.run(f"publish({{camera: {canvas(RED)}}})")
    await bob.sees("ann camera", RED)
    await ann.run("negotiatePublish({ iceRestart: true })")
    frames = (await bob.run("look('ann camera')"))["frames"]
    await bob.until("look('ann camera')", lambda look: look["frames"] > frames + 30)
    assert await ann.run("state.pc.publish.connectionState") == "connected"


async def test_a_reload_takes_the_place_over(building: Building) -> None:
    """The same participant again with a new generation: the others' track goes on, without a new offer."""
    ann, bob = await building.enter("ann"), await building.enter("bob")
    await ann.run(f"publish({{camera: {canvas(RED)}}})")
    await bob.sees("ann camera", RED)
    versions = await bob.run("state.versions")
    await ann.page.reload()
    await ann.run("state.generation = 2")
    await ann.run("join('ann')")
    await ann.run(f"publish({{camera: {canvas(GREEN)}}})")
    await bob.sees("ann camera", GREEN)
    assert await bob.run("state.versions") == versions
    assert building.harness.named("track.removed") == []
