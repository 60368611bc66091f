"""Janus 1.1.2 (Debian's package) to measure against: installing, configuring, starting, its videoroom.

The configuration is written for the occasion into a folder of its own: one event loop for all handles,
ICE-lite, one address of this machine, WebSocket signalling on loopback, no recording, no administration.
"""

import asyncio
import json
import os
import secrets
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

ROOM = 1234
PACKAGE = "janus"
PLUGIN = "janus.plugin.videoroom"
KEEP_ALIVE = 20.0
STARTING = 15.0


class JanusError(Exception):
    """Janus is not there, did not start, or refused a request."""


def ensure_installed() -> str:
    """Path of the program, installed by apt when we may. JanusError says what to do when it cannot be had."""
    found = shutil.which("janus")
    if found is None and hasattr(os, "geteuid") and os.geteuid() == 0 and shutil.which("apt-get"):
        environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
        command = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", PACKAGE]
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        if done.returncode:
            subprocess.run(["apt-get", "update", "-qq"], env=environment, capture_output=True)
            done = subprocess.run(command, env=environment, capture_output=True, text=True)
        if done.returncode:
            raise JanusError(f"apt could not install {PACKAGE}: {done.stderr.strip()[-300:]}")
        found = shutil.which("janus")
    if found is None:
        raise JanusError("Janus is not installed; please run once: sudo apt-get install janus")
    return found


def own_address() -> str:
    """An IPv4 address of this machine that is not loopback: Janus takes no other for media.

    Nothing is sent; packets between local addresses stay on the loopback device all the same.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError as error:
            raise JanusError("this machine has no address besides loopback, and Janus needs one") from error
        address: str = probe.getsockname()[0]
    return address


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def write_configuration(folder: Path, address: str, api_port: int) -> None:
    """The few files Janus reads; everything not named here is off."""
    (folder / "janus.jcfg").write_text(f"""
general: {{
    configs_folder = "{folder}"
    debug_level = 3
    event_loops = 1
    session_timeout = 0
    admin_secret = "{secrets.token_hex(16)}"
}}
media: {{ rtp_port_range = "20000-40000" }}
nat: {{
    ice_lite = true
    ice_tcp = false
    ice_enforce_list = "{address}"
}}
plugins: {{ disable = "{",".join(f"libjanus_{name}.so" for name in OTHER_PLUGINS)}" }}
transports: {{ disable = "{",".join(f"libjanus_{name}.so" for name in OTHER_TRANSPORTS)}" }}
events: {{ broadcast = false }}
""")
    (folder / "janus.transport.websockets.jcfg").write_text(f"""
general: {{ ws = true, ws_ip = "127.0.0.1", ws_port = {api_port}, json = "compact", events = false }}
admin: {{ admin_ws = false }}
""")
    (folder / "janus.plugin.videoroom.jcfg").write_text(f"""
general: {{ events = false }}
room-{ROOM}: {{
    description = "bench", publishers = 500, bitrate = 0, record = false, notify_joining = false
    audiocodec = "opus", videocodec = "vp8", audiolevel_event = false
}}
""")


OTHER_PLUGINS = (
    "audiobridge", "duktape", "echotest", "lua", "nosip", "recordplay", "sip", "streaming", "textroom",
    "videocall", "voicemail",
)  # fmt: skip
OTHER_TRANSPORTS = ("http", "mqtt", "nanomsg", "pfunix", "rabbitmq")


class Janus:
    """A running Janus. `async with Janus(core=0) as janus: …`.

    `libraries` is put before the system's (LD_LIBRARY_PATH), for a libsrtp of one's own.
    """

    def __init__(self, *, core: int | None = None, libraries: Path | None = None) -> None:
        self.core = core
        self.libraries = libraries
        self._waiting: dict[str, asyncio.Future[dict[str, Any]]] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._session = 0
        self._up: dict[int, asyncio.Event] = {}

    async def __aenter__(self) -> "Janus":
        program = ensure_installed()
        self._folder = tempfile.TemporaryDirectory(prefix="janus-")
        folder, port = Path(self._folder.name), free_port()
        write_configuration(folder, own_address(), port)
        environment: Mapping[str, str] = os.environ
        if self.libraries is not None:
            environment = {**os.environ, "LD_LIBRARY_PATH": str(self.libraries)}
        prefix = [] if self.core is None else ["taskset", "-c", str(self.core)]
        self.log = folder / "janus.log"
        with self.log.open("wb") as log:
            self.process = await asyncio.create_subprocess_exec(
                *prefix, program, "-F", str(folder), "--disable-colors",
                stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log, env=environment,
            )  # fmt: skip
        self.pid = self.process.pid
        try:
            self._socket = await self._reach(f"ws://127.0.0.1:{port}")
            self._tasks = [asyncio.ensure_future(self._listen())]
            self._session = (await self._ask({"janus": "create"}))["data"]["id"]
            self._tasks.append(asyncio.ensure_future(self._keep_alive()))
        except BaseException:
            await self._end()
            raise
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._end()

    async def _end(self) -> None:
        for task in self._tasks:
            task.cancel()
        if hasattr(self, "_socket"):
            await self._socket.close()
        if self.process.returncode is None:
            self.process.terminate()
            try:
                await asyncio.wait_for(self.process.wait(), 5)
            except TimeoutError:
                self.process.kill()
                await self.process.wait()
        self._folder.cleanup()

    async def _reach(self, url: str) -> ClientConnection:
        deadline = asyncio.get_running_loop().time() + STARTING
        while True:
            try:
                return await connect(url, subprotocols=["janus-protocol"], max_size=1 << 24, compression=None)  # type: ignore[list-item]
            except OSError as error:
                late = asyncio.get_running_loop().time() > deadline
                if late or self.process.returncode is not None:
                    tail = self.log.read_text(errors="replace")[-600:]
                    raise JanusError(f"Janus did not start: {tail}") from error
                await asyncio.sleep(0.05)

    # -- requests ------------------------------------------------------------

    async def _listen(self) -> None:
        async for text in self._socket:
            message = json.loads(text)
            if message.get("janus") == "ack":
                continue
            if message.get("janus") == "webrtcup":
                self._up.setdefault(message["sender"], asyncio.Event()).set()
            waiting = self._waiting.get(message.get("transaction", ""))
            if waiting is not None and not waiting.done():
                waiting.set_result(message)

    async def _keep_alive(self) -> None:
        while True:
            await asyncio.sleep(KEEP_ALIVE)
            await self._ask({"janus": "keepalive"}, answered=False)

    async def _ask(self, message: dict[str, Any], *, answered: bool = True) -> dict[str, Any]:
        """Send a request and wait for its answer (not its acknowledgement). JanusError when refused."""
        transaction = secrets.token_hex(8)
        future = self._waiting[transaction] = asyncio.get_running_loop().create_future()
        if self._session:
            message = {"session_id": self._session, **message}
        try:
            await self._socket.send(json.dumps({**message, "transaction": transaction}))
            reply: dict[str, Any] = await asyncio.wait_for(future, 20) if answered else {}
        finally:
            del self._waiting[transaction]
        refused = reply.get("error") or (reply.get("plugindata", {}).get("data", {}).get("error"))
        if refused:
            raise JanusError(f"{message.get('body', message)}: {refused}")
        return reply

    async def _plugin(
        self, handle: int, body: dict[str, Any], jsep: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        message = {"janus": "message", "handle_id": handle, "body": body}
        return await self._ask(message if jsep is None else {**message, "jsep": jsep})

    async def _attach(self) -> int:
        reply = await self._ask({"janus": "attach", "plugin": PLUGIN})
        handle: int = reply["data"]["id"]
        return handle

    # -- the videoroom ------------------------------------------------------------

    async def publish(self, name: str, offer: str) -> tuple[int, int, str]:
        """Publish what an offer carries; (handle, feed id, the answer). There is no feed until `up`."""
        handle = await self._attach()
        body = {"request": "join", "ptype": "publisher", "room": ROOM, "display": name}
        joined = await self._plugin(handle, body)
        feed: int = joined["plugindata"]["data"]["id"]
        answer = await self._plugin(handle, {"request": "publish"}, {"type": "offer", "sdp": offer})
        return handle, feed, answer["jsep"]["sdp"]

    async def up(self, handle: int) -> None:
        """Wait until Janus has said that a handle's connection stands."""
        await asyncio.wait_for(self._up.setdefault(handle, asyncio.Event()).wait(), STARTING)

    async def subscribe(self, feeds: list[int]) -> tuple[int, str]:
        """One connection that receives all streams of some feeds; (handle, Janus' offer)."""
        handle = await self._attach()
        streams = [{"feed": feed} for feed in feeds]
        body = {"request": "join", "ptype": "subscriber", "room": ROOM, "streams": streams}
        attached = await self._plugin(handle, body)
        return handle, attached["jsep"]["sdp"]

    async def start(self, handle: int, answer: str) -> None:
        """Give the answer to `subscribe`'s offer."""
        await self._plugin(handle, {"request": "start"}, {"type": "answer", "sdp": answer})
