"""A real Redis server for tests: Debian's, or the Valkey that the portal brings along."""

from __future__ import annotations

import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import redis

from portal.supervisor.parent import before_exec
from portal.supervisor.valkey import find_binary
from tests.services.ports import free_tcp_port

PASSWORD = "test-password"


@contextmanager
def redis_server() -> Iterator[str]:
    """The URL of a fresh server that keeps nothing on disk."""
    program = shutil.which("redis-server") or find_binary()
    folder = Path(tempfile.mkdtemp(prefix="plenum-redis-"))
    port = free_tcp_port()
    arguments = [
        "--bind",
        "127.0.0.1",
        "--port",
        str(port),
        "--requirepass",
        PASSWORD,
        "--save",
        "",
        "--dir",
        str(folder),
    ]
    with open(folder / "log", "wb") as log:
        server = subprocess.Popen(
            [program, *arguments],
            stdout=log,
            stderr=log,
            start_new_session=True,
            preexec_fn=before_exec(signal.SIGKILL),
        )
    url = f"redis://:{PASSWORD}@127.0.0.1:{port}/0"
    try:
        _wait(server, url, folder / "log")
        yield url
    finally:
        server.terminate()
        server.wait(10)
        shutil.rmtree(folder, ignore_errors=True)


def _wait(server: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + 20
    with redis.Redis.from_url(url) as client:
        while True:
            try:
                client.ping()
                return
            except redis.ConnectionError as error:
                if server.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"Redis did not start: {error}\n{log.read_text()}") from error
                time.sleep(0.02)
