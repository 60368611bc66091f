"""Child processes: pinning them to cores, talking to them in lines of JSON, reading what they used."""

import asyncio
import contextlib
import json
import os
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

SERVER_CORE = 0
"""The server under test has this core to itself; load and receivers run on the others."""
LINE = 1 << 24

Handler = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]
Event = Callable[[dict[str, Any]], None]


def pin(server: bool) -> None:
    """Put this process on the server's core, or on all the others."""
    if not hasattr(os, "sched_setaffinity"):
        return
    cores = set(range(os.cpu_count() or 1))
    os.sched_setaffinity(0, {SERVER_CORE} if server or len(cores) == 1 else cores - {SERVER_CORE})


def hurry() -> None:
    """Prefer this process to others on its core, where we may: a load that comes late is another load."""
    with contextlib.suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, -10)


def cpu_seconds(pid: int) -> float:
    """User and system time of all threads of a process, to the nanosecond (its CPU clock; Linux)."""
    return time.clock_gettime((~pid << 3) | 2)


def softirq_pid() -> int | None:
    """The kernel thread that takes over network work on the server's core when there is too much of it."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                if (entry / "comm").read_text().strip() == f"ksoftirqd/{SERVER_CORE}":
                    return int(entry.name)
    return None


def core_busy(core: int) -> tuple[int, int]:
    """(busy, all) clock ticks of a core since boot."""
    for line in Path("/proc/stat").read_text().splitlines():
        if line.startswith(f"cpu{core} "):
            ticks = [int(text) for text in line.split()[1:9]]
            return sum(ticks) - ticks[3] - ticks[4], sum(ticks)
    raise RuntimeError(f"no core {core}")


def memory_bytes(pid: int) -> int:
    """Memory of a process's own (proportional set size)."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"no Pss of {pid}")


def udp_overflows() -> int:
    """Datagrams the kernel dropped before a full socket, on the whole machine since boot."""
    rows = [line.split() for line in Path("/proc/net/snmp").read_text().splitlines() if line[:4] == "Udp:"]
    return int(dict(zip(rows[0], rows[1], strict=True))["RcvbufErrors"])


class Child:
    """A process of `python -m MODULE ARGUMENTS…` that answers requests; events it sends go to `on_event`."""

    def __init__(self, module: str, *arguments: str) -> None:
        self.module = module
        self.arguments = arguments
        self.on_event: Event = lambda event: None

    async def __aenter__(self) -> "Child":
        self.process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", self.module, *self.arguments,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=LINE,
        )  # fmt: skip
        self.pid = self.process.pid
        self._lock = asyncio.Lock()
        self._reply: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._reader = asyncio.ensure_future(self._read())
        await self._reply
        return self

    async def __aexit__(self, *exc: object) -> None:
        assert self.process.stdin is not None
        self._reader.cancel()
        self.process.stdin.close()
        try:
            await asyncio.wait_for(self.process.wait(), 5)
        except TimeoutError:
            self.process.kill()
            await self.process.wait()

    async def _read(self) -> None:
        assert self.process.stdout is not None
        while line := await self.process.stdout.readline():
            message = json.loads(line)
            if "event" in message:
                self.on_event(message["event"])
            elif not self._reply.done():
                self._reply.set_result(message)
        if not self._reply.done():
            self._reply.set_exception(RuntimeError(f"{self.module} {self.arguments} ended"))

    async def call(self, op: str, **fields: Any) -> dict[str, Any]:
        """One request and its reply. RuntimeError with the child's own words when it refused."""
        assert self.process.stdin is not None
        async with self._lock:
            self._reply = asyncio.get_running_loop().create_future()
            self.process.stdin.write(json.dumps({"op": op, **fields}).encode() + b"\n")
            message = await asyncio.wait_for(self._reply, 60)
        if "error" in message:
            raise RuntimeError(f"{op}: {message['error']}")
        reply: dict[str, Any] = message["reply"]
        return reply


async def answer_requests(make: Callable[[Event], Awaitable[Handler]]) -> None:
    """The child's side: answer until standard input ends."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=LINE)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)

    def write(message: dict[str, Any]) -> None:
        sys.stdout.write(json.dumps(message) + "\n")
        sys.stdout.flush()

    handler = await make(lambda event: write({"event": event}))
    write({"reply": {}})
    while line := await reader.readline():
        try:
            write({"reply": await handler(json.loads(line))})
        except Exception as error:
            write({"error": f"{type(error).__name__}: {error}"})


def main(make: Callable[[Event], Awaitable[Handler]], *, server: bool) -> None:
    """Run a child until its parent lets go of it."""
    pin(server)
    # The parent ends us by closing the pipe, or with an interrupt while we write to it.
    with contextlib.suppress(KeyboardInterrupt, BrokenPipeError):
        asyncio.run(answer_requests(make))
