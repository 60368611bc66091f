"""The system's Firefox, driven by WebDriver BiDi over its own WebSocket: no geckodriver, no further package.

Only what the tests need (https://w3c.github.io/webdriver-bidi/). `FirefoxPage.evaluate` takes what
Playwright's does, a JavaScript function with one JSON argument, so helpers that only evaluate serve both.
"""

from __future__ import annotations

import base64
import contextlib
import itertools
import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

START_SECONDS = 60.0
ANSWER_SECONDS = 60.0

PREFERENCES: dict[str, bool | int | str] = {
    # Devices that are there and permitted; nothing asks.
    "media.navigator.streams.fake": True,
    "media.navigator.permission.disabled": True,
    "permissions.default.camera": 1,
    "permissions.default.microphone": 1,
    "media.autoplay.default": 0,
    # Peers on loopback.
    "media.peerconnection.ice.loopback": True,
    "media.peerconnection.ice.obfuscate_host_addresses": False,
    # Nothing is asked of the network but what the page asks.
    "app.normandy.enabled": False,
    "app.update.disabledForTesting": True,
    "browser.safebrowsing.downloads.enabled": False,
    "browser.safebrowsing.malware.enabled": False,
    "browser.safebrowsing.phishing.enabled": False,
    "browser.shell.checkDefaultBrowser": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "extensions.systemAddon.update.enabled": False,
    "media.gmp-manager.updateEnabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "services.settings.server": "data:,#remote-settings-dummy/v1",
    "toolkit.telemetry.reportingpolicy.firstRun": False,
}


def firefox_path() -> str:
    """Debian's Firefox ESR, or whichever the system has."""
    path = shutil.which("firefox-esr") or shutil.which("firefox")
    assert path, "no Firefox was found: make setup-test installs it"
    return path


class FirefoxError(AssertionError):
    """The browser refused a command, or the page threw."""


class Firefox:
    """One browser with a profile of its own."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._ids = itertools.count(1)
        self.logs: list[str] = []
        """what pages wrote to their console, and what they threw"""
        self.errors: list[str] = []
        """of it what they threw"""
        self.command("session.new", capabilities={})
        self.command("session.subscribe", events=["log.entryAdded"])
        tree = self.command("browsingContext.getTree")
        self.page = FirefoxPage(self, tree["contexts"][0]["context"])

    def command(self, method: str, **parameters: Any) -> Any:
        """The result of a BiDi command. FirefoxError with its message when it is refused."""
        ident = next(self._ids)
        self._socket.send(json.dumps({"id": ident, "method": method, "params": parameters}))
        deadline = time.monotonic() + ANSWER_SECONDS
        while True:
            told = json.loads(self._socket.recv(timeout=max(0.1, deadline - time.monotonic())))
            if told.get("type") == "event":
                self._take_event(told)
            elif told.get("id") == ident:
                if told["type"] == "error":
                    raise FirefoxError(f"{method}: {told['error']}: {told['message']}")
                return told["result"]

    def _take_event(self, event: Mapping[str, Any]) -> None:
        if event["method"] != "log.entryAdded":
            return
        entry = event["params"]
        line = f"{entry['level']}: {entry.get('text') or ''}"
        self.logs.append(line)
        if entry["type"] == "javascript" and entry["level"] == "error":
            self.errors.append(line)

    def close(self) -> None:
        with contextlib.suppress(OSError, FirefoxError, TimeoutError):
            self.command("browser.close")


class FirefoxPage:
    """Its one tab."""

    def __init__(self, browser: Firefox, context: str) -> None:
        self.browser = browser
        self.context = context

    def command(self, method: str, **parameters: Any) -> Any:
        return self.browser.command(method, context=self.context, **parameters)

    def goto(self, url: str) -> None:
        self.command("browsingContext.navigate", url=url, wait="complete")

    def resize(self, width: int, height: int) -> None:
        """The page's size in CSS pixels."""
        self.command("browsingContext.setViewport", viewport={"width": width, "height": height})

    def add_init_script(self, function: str) -> None:
        """A function declaration that runs before the scripts of every page from now on."""
        self.browser.command("script.addPreloadScript", functionDeclaration=function, contexts=[self.context])

    def screenshot(self, path: Path) -> None:
        path.write_bytes(base64.b64decode(self.command("browsingContext.captureScreenshot")["data"]))

    def evaluate(self, function: str, argument: object = None) -> Any:
        """What the function gives in the page, called with the argument; both are JSON.

        FirefoxError when it throws.
        """
        told = self.browser.command(
            "script.callFunction",
            functionDeclaration=f"async () => JSON.stringify(await ({function})({json.dumps(argument)}))",
            target={"context": self.context},
            awaitPromise=True,
            # As from a click: sound may play, a screen may be shared.
            userActivation=True,
        )
        if told["type"] == "exception":
            raise FirefoxError(told["exceptionDetails"]["text"])
        result = told["result"]
        return json.loads(result["value"]) if result["type"] == "string" else None

    def wait_for(self, function: str, argument: object = None, *, seconds: float = 20, what: str = "") -> Any:
        """The first true value that the function gives."""
        deadline = time.monotonic() + seconds
        while not (found := self.evaluate(function, argument)):
            assert time.monotonic() < deadline, f"not within {seconds:g} s in Firefox: {what or function}"
            time.sleep(0.1)
        return found

    def locate(self, selector: str, *, seconds: float = 20) -> dict[str, Any]:
        """The first element that is shown, as BiDi's remote value."""
        deadline = time.monotonic() + seconds
        while True:
            nodes = self.command(
                "browsingContext.locateNodes", locator={"type": "css", "value": selector}, maxNodeCount=1
            )["nodes"]
            if nodes and self.evaluate(_IS_SHOWN, selector):
                return dict(nodes[0])
            assert time.monotonic() < deadline, f"not shown within {seconds:g} s in Firefox: {selector}"
            time.sleep(0.1)

    def click(self, selector: str) -> None:
        """A real click with the pointer on the middle of the element."""
        node = self.locate(selector)
        self.evaluate("(css) => document.querySelector(css).scrollIntoView({ block: 'nearest' })", selector)
        origin = {"type": "element", "element": {"sharedId": node["sharedId"]}}
        move = {"type": "pointerMove", "x": 0, "y": 0, "origin": origin}
        press = [{"type": "pointerDown", "button": 0}, {"type": "pointerUp", "button": 0}]
        self.command(
            "input.performActions",
            actions=[{"type": "pointer", "id": "mouse", "actions": [move, *press]}],
        )

    def fill(self, selector: str, text: str, *, enter: bool = False) -> None:
        """Replace what a field holds by typing."""
        self.click(selector)
        self.evaluate("(selector) => { document.querySelector(selector).value = ''; }", selector)
        keys = [*text, *(["\ue007"] if enter else [])]
        typed = [{"type": kind, "value": key} for key in keys for kind in ("keyDown", "keyUp")]
        self.command("input.performActions", actions=[{"type": "key", "id": "keys", "actions": typed}])


_IS_SHOWN = """
(selector) => {
  const element = document.querySelector(selector);
  const isVisible = element?.checkVisibility({ visibilityProperty: true });
  return Boolean(isVisible && element.getClientRects().length);
}
"""


def _write_profile(folder: Path, preferences: Mapping[str, bool | int | str]) -> None:
    lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});" for name, value in preferences.items()]
    (folder / "user.js").write_text("\n".join(lines) + "\n")


def _until(condition: Callable[[], object], process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not condition():
        assert process.poll() is None and time.monotonic() < deadline, log.read_text(errors="replace")[-2000:]
        time.sleep(0.05)


@contextlib.contextmanager
def firefox(**preferences: bool | int | str) -> Iterator[Firefox]:
    """A headless Firefox; keyword names of `preferences` have `__` for each dot."""
    with tempfile.TemporaryDirectory(prefix="plenum-firefox-", ignore_cleanup_errors=True) as folder:
        profile = Path(folder)
        given = {name.replace("__", "."): value for name, value in preferences.items()}
        _write_profile(profile, PREFERENCES | given)
        log, port_file = profile / "firefox.log", profile / "WebDriverBiDiServer.json"
        command = [firefox_path(), "--headless", "--no-remote", "--remote-debugging-port=0"]
        command += ["--profile", folder]
        with log.open("wb") as output:
            process = subprocess.Popen(command, stdout=output, stderr=output, stdin=subprocess.DEVNULL)
        try:
            _until(lambda: port_file.exists() and port_file.stat().st_size, process, log)
            server = json.loads(port_file.read_text())
            address = f"ws://{server['ws_host']}:{server['ws_port']}/session"
            with connect(
                address, max_size=None, compression=None, open_timeout=START_SECONDS, proxy=None
            ) as socket:
                browser = Firefox(socket)
                yield browser
                browser.close()
        finally:
            # Its own children end with it.
            try:
                process.terminate()
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(10)
