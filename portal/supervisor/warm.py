"""A spare process that has everything loaded and waits for its work.

Loading the program takes a media worker one to two seconds of processor time, and many times that on a busy
machine, while people in a meeting see nothing. The spare has done it already: it becomes the new worker in
the moment the old one is gone. One spare serves all workers of a machine; it is loaded again afterwards.

`python -m portal.supervisor.warm` is the spare itself: it writes READY, reads one line with the arguments of
a management command, and runs it. End of input means that nobody needs it any more.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module

from portal.supervisor.log import Log
from portal.supervisor.parent import before_exec

READY = b"warm\n"
LOADED = ("media_gateway.management.commands.media_worker", "media_gateway.sfu.gateway")
# The start of the portal, or of the worker that took the last one, goes first.
PAUSE = 5.0
PAUSE_AFTER_FAULT = 60.0


class Spare:
    """Keeps one warm process ready. `take` hands it over; None while there is none."""

    def __init__(
        self, log: Log, argv: Sequence[str] = (sys.executable, "-m", "portal.supervisor.warm")
    ) -> None:
        self._log = log
        self._argv = argv
        self._process: asyncio.subprocess.Process | None = None
        self._loaded = False
        self._taken = asyncio.Event()

    @property
    def is_ready(self) -> bool:
        return self._loaded and self._process is not None and self._process.returncode is None

    async def keep(self, pause: float = PAUSE) -> None:
        """Have one ready until cancelled."""
        try:
            while True:
                await asyncio.sleep(pause)
                if await self._load():
                    await self._until_gone()
                elif self._process is not None:
                    self._log.line("spare", "could not be loaded: a crashed media worker will take longer")
                    await asyncio.sleep(PAUSE_AFTER_FAULT)
        finally:
            await self._end()

    async def _load(self) -> bool:
        process = await asyncio.create_subprocess_exec(
            *self._argv,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=before_exec(signal.SIGKILL),
        )
        self._process, self._loaded = process, False
        assert process.stdout is not None
        while line := await process.stdout.readline():
            if line == READY:
                self._loaded = self._process is process
                return self._loaded
            self._log.line("spare", line.decode("utf-8", "replace").rstrip())
        return False

    def renew(self) -> None:
        """Let go of the present one, whose program is no longer that on disk; `keep` loads the next."""
        process, self._process, self._loaded = self._process, None, False
        if process is not None:
            with suppress(ProcessLookupError):
                process.kill()
            self._taken.set()

    async def _until_gone(self) -> None:
        assert self._process is not None
        self._taken.clear()
        waits = [asyncio.ensure_future(self._taken.wait()), asyncio.ensure_future(self._process.wait())]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    def take(self, arguments: Sequence[str]) -> asyncio.subprocess.Process | None:
        """The warm process, which runs `manage.py ARGUMENTS…` from now on; its output is a pipe to read."""
        process = self._process
        if not self.is_ready or process is None or process.stdin is None:
            return None
        self._process = None
        self._taken.set()
        process.stdin.write(json.dumps(list(arguments)).encode() + b"\n")
        process.stdin.close()
        return process

    async def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
    import django
    from django.core.management import call_command

    django.setup()
    for module in LOADED:
        import_module(module)
    sys.stdout.buffer.write(READY)
    sys.stdout.flush()
    line = sys.stdin.readline()
    if not line.strip():
        return
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    command, *arguments = json.loads(line)
    call_command(command, *arguments)


if __name__ == "__main__":
    main()
