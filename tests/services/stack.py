"""The whole real portal, started as people start it, on free ports and in a folder of its own."""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg

from portal import env
from portal.supervisor.parent import before_exec
from portal.supervisor.supervisor import running
from tests.services.ports import free_tcp_port, free_udp_ports

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 90.0


class PortalStack:
    """A running portal: `url`, `data_dir`, `mail_dir`, `env` (for programs beside it), `log_path`."""

    def __init__(self, folder: Path, environ: Mapping[str, str], media_workers: int = 1) -> None:
        self.data_dir = folder / "data"
        self.mail_dir = self.data_dir / "mail"
        self.port = free_tcp_port()
        self.media_port = free_udp_ports(media_workers)
        self.url = f"http://localhost:{self.port}"
        self.log_path = folder / "portal.log"
        clean = {key: value for key, value in os.environ.items() if key not in {v.name for v in env.TABLE}}
        for key in ("DJANGO_SETTINGS_MODULE", "PLENUM_TEST_DIR", "PYTEST_XDIST_WORKER"):
            clean.pop(key, None)
        self.env = {
            **clean,
            "HOST": "127.0.0.1",
            "PORT": str(self.port),
            "MEDIA_PORT": str(self.media_port),
            "MEDIA_WORKERS": str(media_workers),
            "MEDIA_IPS": "127.0.0.1",
            "DATA_DIR": str(self.data_dir),
            "PYTHONUNBUFFERED": "1",
            **environ,
        }
        self._supervisors: list[subprocess.Popen[bytes]] = []

    def start(self, parts: Sequence[Sequence[str]] = ((),)) -> None:
        """Start one supervisor for each element of `parts` (its further arguments); wait till all is up."""
        _reuse_static_files(self.data_dir)
        if len(parts) > 1:
            self.manage("prepare")
        for arguments in parts:
            command = [sys.executable, str(ROOT / "manage.py"), "portal", *arguments]
            with open(self.log_path, "ab") as log:
                self._supervisors.append(
                    subprocess.Popen(
                        command,
                        env=self.env,
                        cwd=ROOT,
                        stdout=log,
                        stderr=log,
                        stdin=subprocess.DEVNULL,
                        start_new_session=True,
                        preexec_fn=before_exec(signal.SIGTERM),
                    )
                )
        self.wait_for(self.healthy, "the portal answers", seconds=START_SECONDS)
        self.wait_for(self.workers_are_up, "media and recording workers are connected", seconds=START_SECONDS)
        _keep_static_files(self.data_dir)

    def healthy(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/healthz", timeout=5) as answer:
                return answer.status == 200
        except (OSError, urllib.error.URLError):
            return False

    def workers_are_up(self) -> bool:
        """Each media worker and a recording worker hold their control link."""
        up = self.column("SELECT kind FROM media_gateway_medianode WHERE state = 'up' AND channel <> ''")
        return up.count("media") >= int(self.env["MEDIA_WORKERS"]) and "recorder" in up

    def column(self, query: str) -> list[Any]:
        """The first column of a query on the portal's database: much faster than a `manage.py shell`."""
        if self.env["DATABASE_URL"]:
            with psycopg.connect(self.env["DATABASE_URL"]) as connection:
                return [row[0] for row in connection.execute(query.encode())]
        with closing(sqlite3.connect(self.data_dir / "plenum.sqlite3", timeout=10)) as connection:
            return [row[0] for row in connection.execute(query)]

    def wait_for(self, condition: Callable[[], object], what: str, *, seconds: float = 30.0) -> None:
        """Poll until `condition()` holds. Raises AssertionError with the end of the log."""
        deadline = time.monotonic() + seconds
        while not condition():
            dead = [process.returncode for process in self._supervisors if process.poll() is not None]
            if dead or time.monotonic() > deadline:
                why = f"the supervisor ended with {dead}" if dead else f"not within {seconds:g} s"
                raise AssertionError(f"{what}: {why}\n{self.log_tail()}")
            time.sleep(0.1)

    def manage(self, *arguments: str, stdin: str | None = None) -> str:
        """The output of `manage.py …` in this portal. Raises AssertionError with its output if it fails."""
        result = subprocess.run(
            [sys.executable, str(ROOT / "manage.py"), *arguments],
            env=self.env,
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=120,
            input=stdin,
            check=False,
        )
        assert result.returncode == 0, f"manage.py {' '.join(arguments)}:\n{result.stdout}{result.stderr}"
        return result.stdout

    @property
    def processes(self) -> dict[str, int]:
        """Process ids by name: "web", "media-0", "recorder", "celery", "composer", "beat", "valkey"."""
        found: dict[str, int] = {}
        for state in running(self.data_dir / "run"):
            found.update(state["processes"])
        return found

    @property
    def log(self) -> str:
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def log_tail(self, lines: int = 80) -> str:
        return "\n".join(self.log.splitlines()[-lines:])

    def stop(self) -> list[int]:
        """Stop as Ctrl-C does; returns the exit codes. Kills who does not follow."""
        for process in self._supervisors:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        codes = []
        for process in self._supervisors:
            try:
                codes.append(process.wait(45))
            except subprocess.TimeoutExpired:
                process.kill()
                codes.append(process.wait(10))
        self._supervisors.clear()
        return codes


# What the first portal of a test run has collected and compressed serves the others too; each checks that
# it is of today's sources.
_STATIC = Path(tempfile.gettempdir()) / f"plenum-static-{os.getpid()}"


def _keep_static_files(data_dir: Path) -> None:
    if not _STATIC.exists() and (data_dir / "run" / "static.json").exists():
        atexit.register(shutil.rmtree, _STATIC, ignore_errors=True)
        shutil.copytree(data_dir / "static", _STATIC / "static", copy_function=os.link)
        shutil.copy2(data_dir / "run" / "static.json", _STATIC)


def _reuse_static_files(data_dir: Path) -> None:
    if _STATIC.exists() and not (data_dir / "static").exists():
        shutil.copytree(_STATIC / "static", data_dir / "static")
        (data_dir / "run").mkdir(parents=True, exist_ok=True, mode=0o700)
        shutil.copy2(_STATIC / "static.json", data_dir / "run")


@contextmanager
def portal_stack(
    *,
    database_url: str = "",
    redis_url: str = "",
    apart: bool = False,
    media_workers: int = 1,
    environ: Mapping[str, str] | None = None,
) -> Iterator[PortalStack]:
    """A running portal. `apart` runs web, media and jobs under three supervisors, as on three machines."""
    with tempfile.TemporaryDirectory(prefix="plenum-stack-", ignore_cleanup_errors=True) as folder:
        given = {"DATABASE_URL": database_url, "REDIS_URL": redis_url, **(environ or {})}
        stack = PortalStack(Path(folder), given, media_workers)
        parts: list[tuple[str, ...]] = [()]
        if apart:
            assert redis_url, "processes that run apart need a broker of their own"
            parts = [
                (*("--no-prepare", "--only"), only)
                for only in ("web", "media,recorder", "celery,composer,beat")
            ]
        try:
            stack.start(parts)
            yield stack
        finally:
            stack.stop()
