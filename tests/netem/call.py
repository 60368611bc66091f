"""A call between two real browsers with an emulated link each: Ann sends camera and microphone, Bob watches.

Every candidate a server names is replaced by a port of the emulator, so all media passes Ann's link ("ann")
or Bob's ("bob"); signalling does not.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, Page, async_playwright

from tests.e2e.conftest import FLAGS
from tests.netem import clip as clips
from tests.netem.clip import Clip
from tests.netem.control import Emulator
from tests.netem.metrics import Picture, pictures_of
from tests.netem.servers import MediaServer
from tests.services.browser import chromium_path

PAGES = Path(__file__).with_name("page")
CANDIDATE = re.compile(r"a=candidate:\S+ \d+ udp \d+ (\S+) (\d+) typ host[^\r\n]*", re.IGNORECASE)
GEOMETRY = {
    "cells": clips.CELLS,
    "count": clips.COUNT,
    "tone": clips.TONE,
    "bar": clips.BAR,
    "patch": clips.PATCH,
    "colour": clips.PATCH_YUV,
}
"""What page/measure.js must know of the clip; rectangles are (top, bottom, left, right)."""


class Call:
    """`ann` and `bob` are their pages, `emulator` their links."""

    def __init__(self, server: MediaServer, emulator: Emulator, ann: Page, bob: Page) -> None:
        self.server = server
        self.emulator = emulator
        self.ann = ann
        self.bob = bob
        self.errors: list[str] = []
        self._ports: dict[tuple[str, str, int], int] = {}
        self._tasks: set[asyncio.Task[Any]] = set()

    def through(self, link: str, sdp: str) -> str:
        """A server's SDP with one candidate an m-line at most, and that at the emulator."""

        def port(match: re.Match[str]) -> str:
            ip, number = match[1], int(match[2])
            if (link, ip, number) not in self._ports:
                self._ports[link, ip, number] = self.emulator.open(link, (ip, number))
            return f"a=candidate:1 1 udp 2130706431 127.0.0.1 {self._ports[link, ip, number]} typ host"

        lines = [
            line for line in sdp.splitlines() if not line.startswith("a=candidate:") or CANDIDATE.match(line)
        ]
        return "".join(CANDIDATE.sub(port, line) + "\r\n" for line in lines)

    async def serve(self, op: str, data: dict[str, Any]) -> dict[str, Any]:
        """What the pages ask for."""
        # A server that knew the browsers' own addresses could go around the links.
        sdp = re.sub(r"a=candidate:[^\r\n]*\r\n", "", data["sdp"])
        try:
            if op == "publish":
                return {"sdp": self.through("ann", await self.server.publish(sdp, data["tracks"]))}
            await self.server.answer(data["version"], sdp)
        except Exception as error:
            self.errors.append(f"{op}: {error!r}")
            raise
        return {}

    def offer(self, offer: dict[str, Any]) -> None:
        """An offer of the server to Bob."""
        there = {**offer, "sdp": self.through("bob", offer["sdp"])}
        task = asyncio.ensure_future(self.bob.evaluate("offer => takeOffer(offer)", there))
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.errors.append(f"offer: {error!r}")

    async def begin(self) -> None:
        """Ann sends, Bob's connection stands."""
        await self.ann.evaluate("encodings => publish(encodings)", self.server.encodings)
        await self.server.view(self.offer)
        await self.until(lambda pictures: len(pictures) > 25, "pictures arrive")

    async def measured(self, who: str = "bob") -> dict[str, Any]:
        """Everything measured so far at one end (page/measure.js)."""
        page = self.bob if who == "bob" else self.ann
        found: dict[str, Any] = await page.evaluate("measured")
        return found

    async def until(
        self, condition: Callable[[list[Picture]], bool], what: str, timeout: float = 20.0
    ) -> list[Picture]:
        """Wait until Bob's pictures of the last three seconds are as wanted."""
        deadline = time.time() + timeout
        while True:
            recent = await self.bob.evaluate("() => measured.frames.filter(([at]) => at > now() - 3000)")
            pictures = pictures_of({"frames": recent})
            if condition(pictures):
                return pictures
            assert self.errors == [], self.errors
            assert time.time() < deadline, f"not within {timeout:g} s: {what}; last {pictures[-3:]}"
            await asyncio.sleep(0.1)

    async def until_height(self, height: int, timeout: float = 20.0) -> None:
        """Wait until a second of pictures has at least this height."""

        def high(pictures: list[Picture]) -> bool:
            last = [p for p in pictures if p.at > time.time() - 1]
            return len(last) > 8 and all(p.height >= height for p in last)

        await self.until(high, f"pictures {height} high", timeout)


async def _page(browser: Browser) -> Page:
    page = await (await browser.new_context()).new_page()
    types = {".html": "text/html", ".js": "text/javascript"}

    async def file(route: Any) -> None:
        name = route.request.url.rpartition("/")[2] or "call.html"
        path = PAGES / name
        if not path.is_file():
            await route.fulfill(status=404)
            return
        await route.fulfill(body=path.read_text(), content_type=types[path.suffix])

    await page.route("http://localhost/**", file)
    return page


@asynccontextmanager
async def call(server: MediaServer, clip: Clip) -> AsyncIterator[Call]:
    """Browsers, links and `server` started; nobody has joined yet. Errors of the pages fail it at the end."""
    async with AsyncExitStack() as stack:
        driver = await stack.enter_async_context(async_playwright())
        emulator = stack.enter_context(Emulator())
        pages = []
        for flags in (clip.flags, ()):
            browser = await driver.chromium.launch(executable_path=chromium_path(), args=[*FLAGS, *flags])
            stack.push_async_callback(browser.close)
            pages.append(await _page(browser))
        await server.start()
        stack.push_async_callback(server.stop)
        made = Call(server, emulator, *pages)
        for name, page in zip(("ann", "bob"), pages, strict=True):
            page.on("pageerror", lambda error, name=name: made.errors.append(f"{name}: {error}"))
            await page.expose_function("server", made.serve)
            await page.goto("http://localhost/")
            await page.evaluate("geometry => { clip = geometry; }", GEOMETRY)
        yield made
        assert made.errors == []
