"""One supervised process: started, its lines passed on, started again when it crashed, stopped in order."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from portal.supervisor.log import Log
from portal.supervisor.parent import before_exec
from portal.supervisor.warm import Spare

# Seconds before the next start. The first is short: a media worker that was killed in a running meeting
# has to be back before people notice; one that crashes again and again must not burn the machine.
BACK_OFF = (0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
STEADY_SECONDS = 20.0  # who lived this long starts again at the short end
# The exit code of a process that wants its program as it lies on disk now, after an upgrade.
STARTS_ANEW = 75  # EX_TEMPFAIL of sysexits.h
_LONGEST_LINE = 64 * 1024


@dataclass(frozen=True)
class Service:
    """What to run. Services stop in rising `stop_order`, each within `grace` seconds before it is killed."""

    name: str
    argv: Sequence[str]
    stop_order: int = 1
    grace: float = 5.0
    environ: Mapping[str, str] = field(default_factory=dict)
    death: signal.Signals = signal.SIGKILL  # what it gets when the supervisor itself is killed
    nice: int = 0  # how far it steps back for others that want the processor
    warm: Sequence[str] = ()  # the management command that a spare process can run in its place


class Child:
    """Keeps one `Service` running until `stop`. `changed` is called whenever `pid` has changed."""

    def __init__(
        self,
        service: Service,
        log: Log,
        changed: Callable[[], None] = lambda: None,
        spare: Spare | None = None,
    ) -> None:
        self.service = service
        self.pid: int | None = None
        self.starts = 0
        self._log = log
        self._changed = changed
        self._spare = spare
        self._stopping = asyncio.Event()
        self._anew = False
        self._task: asyncio.Task[None] | None = None

    @property
    def name(self) -> str:
        return self.service.name

    def start(self) -> None:
        self._task = asyncio.create_task(self._keep_running(), name=f"keep {self.name}")

    async def _keep_running(self) -> None:
        crashes = 0
        while not self._stopping.is_set():
            began = time.monotonic()
            how = await self._run_once()
            if self._stopping.is_set():
                return
            lived = time.monotonic() - began
            if self._anew:
                how = "is empty as it was told to be"
            crashes = 1 if lived >= STEADY_SECONDS or self._anew else crashes + 1
            pause = BACK_OFF[min(crashes, len(BACK_OFF)) - 1]
            self._log.line(self.name, f"{how} after {lived:.1f} s; it starts again in {pause:g} s")
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), pause)

    async def _run_once(self) -> str:
        """Run to its end; says how it ended."""
        try:
            process = await self._spawn()
        except OSError as error:
            return f"cannot be started ({error.strerror or error})"
        self.pid = process.pid
        self.starts += 1
        self._changed()
        assert process.stdout is not None
        lines = asyncio.create_task(self._pass_on(process.stdout))
        try:
            code = await process.wait()
        finally:
            _signal_group(process.pid, signal.SIGKILL)  # what it may have left behind
            self.pid = None
            self._changed()
        # A grandchild may hold the pipe open; its lines are not worth waiting for.
        await asyncio.wait([lines], timeout=1.0)
        lines.cancel()
        self._anew = code == STARTS_ANEW
        if self._anew and self._spare is not None:
            self._spare.renew()  # it was loaded when the program was another
        return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"

    async def _spawn(self) -> asyncio.subprocess.Process:
        if self._spare is not None and self.service.warm and (process := self._spare.take(self.service.warm)):
            return process
        return await asyncio.create_subprocess_exec(
            *self.service.argv,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **self.service.environ},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            # A session of its own: Ctrl-C reaches the supervisor alone, which then stops all in order.
            start_new_session=True,
            preexec_fn=before_exec(self.service.death, self.service.nice),
        )

    async def _pass_on(self, stream: asyncio.StreamReader) -> None:
        rest = b""
        while chunk := await stream.read(_LONGEST_LINE):
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                self._say(line)
            if len(rest) > _LONGEST_LINE:
                self._say(rest)
                rest = b""
        if rest:
            self._say(rest)

    def _say(self, line: bytes) -> None:
        text = line.decode("utf-8", "replace").rstrip()
        if text:
            self._log.line(self.name, text)

    async def stop(self) -> None:
        """SIGTERM, then SIGKILL to the whole group when the grace is over. Returns when it is gone."""
        self._stopping.set()
        if self._task is None:
            return
        if self.pid is not None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGTERM)
        done, _pending = await asyncio.wait([self._task], timeout=self.service.grace)
        if not done:
            self._log.line(self.name, f"did not stop within {self.service.grace:g} s and is killed")
            self.kill()
            await asyncio.wait([self._task], timeout=5.0)

    def kill(self) -> None:
        self._stopping.set()
        if self.pid is not None:
            _signal_group(self.pid, signal.SIGKILL)


def _signal_group(group: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)
