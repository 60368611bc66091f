"""Starts every process of a plan, watches them, and stops them in order."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import time
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from portal.supervisor.child import Child, Service
from portal.supervisor.log import Log
from portal.supervisor.preflight import CannotStart
from portal.supervisor.warm import Spare

NAME = "portal"
BROKER_SECONDS = 20.0
READY_SECONDS = 60.0


class Supervisor:
    """Runs `services` until SIGTERM or SIGINT; a second signal kills at once.

    `broker` (service, URL) starts first and has to answer before the others start. `health` is (host, port)
    of the web server, polled at start; when it answers, `welcome` is printed. `state_file` tells other
    programs the process ids: `{"pid", "started_at", "processes": {name: pid}}`.
    """

    def __init__(
        self,
        services: Sequence[Service],
        *,
        state_file: Path,
        log: Log | None = None,
        broker: tuple[Service, str] | None = None,
        health: tuple[str, int] | None = None,
        welcome: str = "",
    ) -> None:
        self.log = log or Log()
        self._broker = broker
        self._health = health
        self._welcome = welcome
        self._state_file = state_file
        self._started_at = time.time()
        self._began = time.monotonic()
        self._stop = asyncio.Event()
        self._signals = 0
        self.spare = Spare(self.log) if any(service.warm for service in services) else None
        self.children = [Child(service, self.log, self._write_state, self.spare) for service in services]
        self._broker_child = Child(broker[0], self.log, self._write_state) if broker else None

    async def run(self) -> None:
        """Returns after everything has stopped. Raises CannotStart when the broker does not come up."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self._on_signal, number)
        helpers: list[asyncio.Task[None]] = []
        try:
            await self._start_broker()
            for child in self.children:
                child.start()
            helpers.append(asyncio.create_task(self._after_start()))
            await self._stop.wait()
        finally:
            for helper in helpers:
                helper.cancel()
            await asyncio.gather(*helpers, return_exceptions=True)
            await self._stop_all()
            self._state_file.unlink(missing_ok=True)

    def _everyone(self) -> list[Child]:
        return [*self.children, *([self._broker_child] if self._broker_child else [])]

    def _on_signal(self, number: signal.Signals) -> None:
        self._signals += 1
        if self._signals == 1:
            self.log.line(NAME, f"{signal.Signals(number).name}: stopping (once more stops at once)")
            self._stop.set()
        else:
            for child in self._everyone():
                child.kill()

    async def _start_broker(self) -> None:
        if self._broker is None or self._broker_child is None:
            return
        from portal.supervisor import valkey

        url = self._broker[1]
        self._broker_child.start()
        deadline = time.monotonic() + BROKER_SECONDS
        while not await asyncio.to_thread(valkey.answers, url):
            if self._stop.is_set():
                return
            if time.monotonic() > deadline:
                raise CannotStart("the embedded Valkey does not answer; the lines above say why")
            await asyncio.sleep(0.02)
        await asyncio.to_thread(valkey.forget_channels, url)

    async def _after_start(self) -> None:
        if self._health:
            await self._announce(*self._health)
        if self.spare:
            await self.spare.keep()

    async def _announce(self, host: str, port: int) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while not await _healthy(host, port):
            if time.monotonic() > deadline:
                self.log.line(
                    NAME, f"no answer from the web server for {READY_SECONDS:g} s; the lines above say why"
                )
                deadline = float("inf")
            await asyncio.sleep(0.1)
        self.log.line(NAME, f"ready after {time.monotonic() - self._began:.1f} s")
        if self._welcome:
            self.log.plain(self._welcome)

    async def _stop_all(self) -> None:
        def order(child: Child) -> int:
            return child.service.stop_order

        for _order, group in groupby(sorted(self._everyone(), key=order), key=order):
            await asyncio.gather(*(child.stop() for child in group))
        self.log.line(NAME, "stopped")

    def _write_state(self) -> None:
        state = {
            "pid": os.getpid(),
            "started_at": self._started_at,
            "processes": {child.name: child.pid for child in self._everyone() if child.pid is not None},
        }
        # Whole or not at all: others read it at any time.
        fresh = self._state_file.with_suffix(".new")
        fresh.write_text(json.dumps(state))
        fresh.replace(self._state_file)


async def _healthy(host: str, port: int) -> bool:
    """Whether `/healthz` answers 200 there."""
    try:
        async with asyncio.timeout(5.0):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                writer.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                await writer.drain()
                status = await reader.readline()
            finally:
                writer.close()
                with contextlib.suppress(OSError):
                    await writer.wait_closed()
    except (OSError, TimeoutError):
        return False
    return status.split(b" ")[1:2] == [b"200"]


def running(run: Path) -> list[dict]:
    """The states of the supervisors that live now and keep their files in `run`."""
    states = []
    for path in sorted(run.glob("portal-*.json")):
        try:
            state = json.loads(path.read_text())
            os.kill(state["pid"], 0)
        except (OSError, ValueError, KeyError):
            continue  # it was killed and could not clean up
        states.append(state)
    return states
