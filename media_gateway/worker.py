"""What a media and a recording worker have in common: identity, addresses, and a clean stop."""

from __future__ import annotations

import asyncio
import ipaddress
import re
import signal
import socket
from collections.abc import Callable
from typing import Protocol

import ifaddr

from media_gateway.link import ControlLink


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


async def serve(service: Service, make_link: Callable[[], ControlLink]) -> None:
    """Run the service and its control link until SIGTERM or SIGINT. Raises what `service.start` raises.

    On the way out the link goes first, so that the web tier places the rooms anew without waiting.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await service.start()
    link = make_link()
    running = asyncio.create_task(link.run())
    waiting = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait([running, waiting], return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            running.result()
    finally:
        waiting.cancel()
        await link.stop()
        await asyncio.gather(running, return_exceptions=True)
        await service.stop()
