"""The worker processes: they say who they are, stop cleanly, and tell in one line why they cannot start."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from websockets.asyncio.server import serve

from media_gateway.control.auth import read_header
from portal.supervisor.child import STARTS_ANEW

MANAGE = Path(__file__).resolve().parents[3] / "manage.py"
SECRET = "k" * 40


@pytest_asyncio.fixture
async def web() -> AsyncIterator[dict[str, Any]]:
    """A web tier that keeps the first frame, the header and the close code of the last link."""
    seen: dict[str, Any] = {"hello": asyncio.Event()}

    async def take(link: Any) -> None:
        seen["header"] = link.request.headers["Authorization"]
        seen["first"] = await link.recv()
        seen["link"] = link
        seen["hello"].set()
        await link.wait_closed()
        seen["code"] = link.close_code

    async with serve(take, "127.0.0.1", 0) as server:
        seen["port"] = server.sockets[0].getsockname()[1]
        yield seen


@pytest.fixture
def udp() -> Any:
    holder = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    holder.bind(("127.0.0.1", 0))
    with contextlib.closing(holder):
        yield holder


async def start(tmp_path: Path, *arguments: str, **environ: str) -> asyncio.subprocess.Process:
    kept = {key: value for key, value in os.environ.items() if key in ("PATH", "HOME", "LANG")}
    return await asyncio.create_subprocess_exec(
        *(sys.executable, str(MANAGE), *arguments),
        env={**kept, "DATA_DIR": str(tmp_path), "MEDIA_SECRET": SECRET, "NODE_NAME": "here", **environ},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def test_a_port_in_use_is_one_clear_line(tmp_path: Path, udp: socket.socket) -> None:
    port = udp.getsockname()[1]
    process = await start(tmp_path, "media_worker", MEDIA_PORT=str(port))
    _out, err = await asyncio.wait_for(process.communicate(), 60)
    lines = err.decode().strip().splitlines()
    assert process.returncode == 1 and len(lines) == 1, err.decode()
    assert f"UDP port {port} on 127.0.0.1 is in use" in lines[0] and "MEDIA_PORT" in lines[0]


async def test_a_tcp_port_in_use_is_one_too_where_tcp_is_wanted(tmp_path: Path, udp: socket.socket) -> None:
    port = udp.getsockname()[1]
    with socket.socket() as other:
        try:
            other.bind(("127.0.0.1", port))
        except OSError:
            pytest.skip("another program has this number for TCP already")
        other.listen(1)
        udp.close()
        process = await start(tmp_path, "media_worker", MEDIA_PORT=str(port), MEDIA_TCP="on")
        _out, err = await asyncio.wait_for(process.communicate(), 60)
    lines = err.decode().strip().splitlines()
    assert process.returncode == 1 and len(lines) == 1, err.decode()
    assert f"TCP port {port} on 127.0.0.1 is in use" in lines[0] and "MEDIA_PORT" in lines[0]


@pytest.mark.parametrize(("command", "kind"), [("media_worker", "media"), ("recording_worker", "recorder")])
async def test_a_worker_introduces_itself_and_says_goodbye(
    tmp_path: Path, web: dict[str, Any], udp: socket.socket, command: str, kind: str
) -> None:
    port = udp.getsockname()[1]
    udp.close()
    environ = {"CONTROL_URL": f"ws://127.0.0.1:{web['port']}", "MEDIA_PORT": str(port)}
    process = await start(tmp_path, command, **environ)
    try:
        await asyncio.wait_for(web["hello"].wait(), 60)
        hello = json.loads(web["first"])["hello"]
        assert (hello["kind"], hello["host"], hello["rooms"]) == (kind, "here", [])
        assert hello["node"] == {"media": "here-media-0", "recorder": "here-recorder"}[kind]
        assert read_header(web["header"], SECRET).covers(SECRET, hello["node"], hello["instance"])
    finally:
        process.send_signal(signal.SIGTERM)
        out, err = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 0 and b"Traceback" not in err
    assert hello["node"].encode() in out
    for _ in range(100):
        if "code" in web:
            break
        await asyncio.sleep(0.02)
    assert web["code"] == 1001


@pytest.mark.parametrize("command", ["media_worker", "recording_worker"])
async def test_an_empty_worker_told_to_restart_ends_with_the_code_for_it(
    tmp_path: Path, web: dict[str, Any], udp: socket.socket, command: str
) -> None:
    port = udp.getsockname()[1]
    udp.close()
    environ = {"CONTROL_URL": f"ws://127.0.0.1:{web['port']}", "MEDIA_PORT": str(port)}
    process = await start(tmp_path, command, **environ)
    await asyncio.wait_for(web["hello"].wait(), 60)
    order = {"id": 1, "op": "node.drain", "room": None, "peer": None, "data": {"restart": True}}
    # The fixture reads nothing more, so the answer stays in the socket; the exit code is what counts.
    await web["link"].send(json.dumps(order))
    _out, err = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == STARTS_ANEW, err.decode()
    assert b"Traceback" not in err
    assert json.loads(web["first"])["hello"]["state"] == "up"
