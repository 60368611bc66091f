"""A real PostgreSQL server for tests.

`python -m tests.services.postgres COMMAND…` runs the command with DATABASE_URL set to one that is there as
long as the command runs.
"""

from __future__ import annotations

import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from portal.supervisor.parent import before_exec
from tests.services.ports import free_tcp_port


def binaries() -> Path:
    """The folder with `initdb` and `postgres`, of the newest version installed. Raises RuntimeError."""
    found = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/postgres"),
        key=lambda path: int(re.sub(r"\D", "", path.parts[4]) or 0),
    )
    if found:
        return found[-1].parent
    on_path = shutil.which("postgres")
    if on_path:
        return Path(on_path).resolve().parent
    raise RuntimeError("no PostgreSQL server was found: make setup-test installs it")


@contextmanager
def postgres_server() -> Iterator[str]:
    """The URL of a fresh server, without safety against power cuts, so that it is fast."""
    programs = binaries()
    # The server refuses to run as root; its folder then belongs to the user that Debian made for it.
    user = "postgres" if os.geteuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="plenum-postgres-"))
    if user:
        account = pwd.getpwnam(user)
        os.chown(folder, account.pw_uid, account.pw_gid)
    environ = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}
    server = None
    try:
        subprocess.run(
            [
                programs / "initdb",
                "-D",
                folder / "data",
                "-U",
                "plenum",
                "-A",
                "trust",
                "-E",
                "UTF8",
                "--no-sync",
            ],
            check=True,
            user=user,
            env=environ,
            cwd=folder,
            stdout=subprocess.DEVNULL,
        )
        port = free_tcp_port()
        options = {
            "fsync": "off",
            "synchronous_commit": "off",
            "full_page_writes": "off",
            "max_connections": "100",
        }
        with open(folder / "log", "wb") as log:
            server = subprocess.Popen(
                [
                    *(
                        programs / "postgres",
                        "-D",
                        folder / "data",
                        "-h",
                        "127.0.0.1",
                        "-p",
                        str(port),
                        "-k",
                        "",
                    ),
                    *(part for key, value in options.items() for part in ("-c", f"{key}={value}")),
                ],
                user=user,
                env=environ,
                cwd=folder,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=before_exec(signal.SIGQUIT),
            )
        url = f"postgres://plenum@127.0.0.1:{port}/postgres"
        _wait(server, url, folder / "log")
        yield url
    finally:
        if server is not None and server.poll() is None:
            server.send_signal(signal.SIGINT)  # "fast": does not wait for clients
            try:
                server.wait(10)
            except subprocess.TimeoutExpired:
                server.send_signal(signal.SIGQUIT)
                server.wait(10)
        shutil.rmtree(folder, ignore_errors=True)


def _wait(server: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            psycopg.connect(url, connect_timeout=2).close()
            return
        except psycopg.OperationalError as error:
            if server.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"PostgreSQL did not start: {error}\n{log.read_text()}") from error
            time.sleep(0.05)


def create_database(url: str, name: str) -> str:
    """A new empty database on the server of `url`; returns its URL."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(psycopg.sql.SQL("CREATE DATABASE {}").format(psycopg.sql.Identifier(name)))
    return url.rsplit("/", 1)[0] + f"/{name}"


def main(command: list[str]) -> int:
    with postgres_server() as url:
        # Importing the portal names its own settings in the environment, which pytest would believe.
        environment = {**os.environ, "DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "tests.settings"}
        return subprocess.run(command, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
