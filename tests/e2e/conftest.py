"""Real browsers on the real portal."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Playwright, sync_playwright

from tests.e2e.codes import Person, write_camera, write_microphone
from tests.services.browser import chromium_path
from tests.services.postgres import create_database
from tests.services.stack import PortalStack, portal_stack

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # A window that is not in front keeps its timers and its pictures.
    "--disable-background-timer-throttling",
    "--disable-backgrounding-occluded-windows",
    "--disable-renderer-backgrounding",
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
    "--auto-select-desktop-capture-source=Entire screen",
    "--autoplay-policy=no-user-gesture-required",
    # Peers on loopback: mDNS names and local-network questions would only stand in the way.
    "--disable-features=WebRtcHideLocalIpsWithMdns,LocalNetworkAccessChecks",
    "--allow-loopback-in-peer-connection",
)

StartBrowser = Callable[..., Browser]


@pytest.fixture(scope="session")
def portal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PortalStack]:
    """One portal for all tests that do not disturb others: SQLite and the embedded Valkey."""
    with portal_stack() as stack:
        yield stack


@pytest.fixture(params=["embedded", "servers"])
def fresh_portal(request: pytest.FixtureRequest) -> Iterator[PortalStack]:
    """A portal of its own for a test: as it comes, and on PostgreSQL and Redis with processes apart."""
    if request.param == "embedded":
        with portal_stack() as stack:
            yield stack
        return
    server = request.getfixturevalue("postgres_url")
    redis_url = request.getfixturevalue("redis_server")
    database_url = create_database(server, f"plenum_{uuid.uuid4().hex[:8]}")
    with portal_stack(database_url=database_url, redis_url=redis_url, apart=True) as stack:
        yield stack


@pytest.fixture(scope="module")
def playwright_driver() -> Iterator[Playwright]:
    """One for each file: Playwright's event loop holds the thread, and other files need it for theirs."""
    with sync_playwright() as driver:
        yield driver


@pytest.fixture
def chromium(playwright_driver: Playwright, tmp_path: Path) -> Iterator[StartBrowser]:
    """`chromium(person)` starts a browser whose camera and microphone are the person's.

    Without a person it has Chromium's own fake devices; `args` adds flags. All are closed after the test.
    """
    started: list[Browser] = []

    def start(person: Person | None = None, *, args: tuple[str, ...] = (), **options: Any) -> Browser:
        flags = [*FLAGS, *args]
        if person is not None:
            camera = tmp_path / f"camera-{person.number}.y4m"
            microphone = tmp_path / f"microphone-{person.number}.wav"
            if not camera.exists():
                write_camera(camera, person)
                write_microphone(microphone, person)
            flags += [
                f"--use-file-for-fake-video-capture={camera}",
                f"--use-file-for-fake-audio-capture={microphone}",
            ]
        browser = playwright_driver.chromium.launch(executable_path=chromium_path(), args=flags, **options)
        started.append(browser)
        return browser

    yield start
    for browser in started:
        browser.close()
