"""What a media and a recording worker have in common: identity, addresses, draining, and a clean stop."""

from __future__ import annotations

import asyncio
import gc
import ipaddress
import logging
import re
import signal
import socket
import time
from collections.abc import Callable
from typing import Any, Protocol

import ifaddr

from media_gateway.link import ControlLink, Handler

log = logging.getLogger("plenum.link")

# A worker that is to restart waits until nobody has come back for so long: people reload their pages.
EMPTY_SECONDS = 2.0
EMPTY_CHECK = 0.25


class Service(Protocol):
    async def start(self) -> None: ...
    async def stop(self) -> None: ...


def node_name(machine: str, part: str) -> str:
    """The name of one worker of a machine, in the letters that names on the control link may have."""
    return re.sub(r"[^A-Za-z0-9_.-]", "-", f"{machine}-{part}")[-80:]


def advertised_addresses(host: str, configured: list[str]) -> list[str]:
    """The addresses browsers are told, best first: as configured, or those a socket on `host` has.

    Raises OSError if `host` is a name that does not resolve.
    """
    if configured:
        return configured
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        address = ipaddress.ip_address(socket.getaddrinfo(host, None, type=socket.SOCK_DGRAM)[0][4][0])
    if not address.is_unspecified:
        return [str(address)]
    own = []
    for adapter in ifaddr.get_adapters():
        for entry in adapter.ips:
            text = entry.ip if isinstance(entry.ip, str) else entry.ip[0]
            candidate = ipaddress.ip_address(text)
            if (
                candidate.is_loopback
                or candidate.is_link_local
                or (candidate.version == 6 and address.version == 4)
            ):
                continue
            own.append(candidate)
    own.sort(key=lambda candidate: candidate.version)
    return [str(candidate) for candidate in own] or ["127.0.0.1"]


class Duty:
    """What stands between the control link and a service: it knows whether the worker is to be emptied.

    `handle`, `rooms` and `load` are the service's own; those of this object are for the link.
    """

    def __init__(
        self,
        handle: Handler,
        rooms: Callable[[], list[str]],
        load: Callable[[], dict[str, Any]],
        **limits: int,
    ) -> None:
        self._handle = handle
        self._load = load
        self.rooms = rooms
        self._limits = limits
        self._order = "up"
        self._ordered = asyncio.Event()
        self._measured = (time.monotonic(), time.process_time())

    def state(self) -> str:
        """ "up", "draining" or "restarting"."""
        return self._order

    async def handle(
        self, op: str, room: str | None, peer: str | None, data: dict[str, Any]
    ) -> dict[str, Any]:
        """`node.drain` and `node.undrain`; everything else is for the service."""
        if op not in ("node.drain", "node.undrain"):
            return await self._handle(op, room, peer, data)
        self._order = "up" if op == "node.undrain" else "restarting" if data.get("restart") else "draining"
        log.info("told to be %s", self._order)
        self._ordered.set()
        return {}

    def load(self) -> dict[str, Any]:
        """The service's load, with the share of a core used since the last call, limits and orders."""
        at, used = self._measured
        self._measured = now, now_used = time.monotonic(), time.process_time()
        cpu = (now_used - used) / max(now - at, 0.001)
        told = {"cpu": round(cpu, 3), **self._load(), **self._limits}
        return {**told, "draining": self._order != "up"}

    async def finished(self) -> None:
        """Returns when the worker is to restart and has had no rooms for EMPTY_SECONDS."""
        while True:
            if self._order != "restarting":
                self._ordered.clear()
                await self._ordered.wait()
                continue
            empty_for = 0.0
            while self._order == "restarting" and not self.rooms():
                if empty_for >= EMPTY_SECONDS:
                    return
                await asyncio.sleep(EMPTY_CHECK)
                empty_for += EMPTY_CHECK
            await asyncio.sleep(EMPTY_CHECK)


async def serve(service: Service, make_link: Callable[[], ControlLink], duty: Duty) -> bool:
    """Run the service and its control link until SIGTERM, SIGINT, or until it was drained for a restart.

    True in the last case. Raises what `service.start` raises. On the way out the link goes first, so that the
    web tier places the rooms anew without waiting.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await service.start()
    # What is there now stays: looking through it at every full collection would stop media for 20 ms or more.
    gc.collect()
    gc.freeze()
    link = make_link()
    running = asyncio.create_task(link.run())
    waiting = asyncio.create_task(stop.wait())
    finishing = asyncio.create_task(duty.finished())
    try:
        await asyncio.wait([running, waiting, finishing], return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            running.result()
        return finishing.done() and not stop.is_set()
    finally:
        waiting.cancel()
        finishing.cancel()
        await link.stop()
        await asyncio.gather(running, return_exceptions=True)
        await service.stop()
