"""The emulator's process: UDP relays whose links lose, delay and limit what passes.

A *link* is somebody's access line, with conditions for each direction (`up` towards the server). `open` adds
a port to a link behind which one server address stands; every client address there gets an upstream socket of
its own, so that the server sees one address a client, and `rebind` gives all of a link's clients new ones.

Reads one JSON request a line from standard input and answers each with a line: `open {link, target}` →
`{port}`; `set {link, up?, down?}`; `rebind {link}` → `{moved}`; `stats` → `{links, cpu}`; `log {path}`. Ends
with standard input.
"""

from __future__ import annotations

import json
import math
import os
import select
import socket
import sys
import time
from collections.abc import Callable
from typing import Any, TextIO

from tests.netem.conditions import Conditions
from tests.netem.line import Line

Address = tuple[str, int]
BATCH = 64
"""Datagrams read from one socket before the others have their turn."""
MAX_FLOWS = 64
"""Client addresses of one port; a stranger cannot make us open sockets without end."""
IDLE = 0.5


def udp_socket(ip: str = "127.0.0.1") -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setblocking(False)
    for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
        sock.setsockopt(socket.SOL_SOCKET, option, 1 << 21)
    sock.bind((ip, 0))
    return sock


class Link:
    """An access line: what all its ports and clients share."""

    def __init__(self, name: str, now: float) -> None:
        self.name = name
        self.up: Line[tuple[Flow, bytes]] = Line(f"{name} up", now=now)
        self.down: Line[tuple[Flow, bytes]] = Line(f"{name} down", now=now)
        self.ports: list[Port] = []

    @property
    def flows(self) -> list[Flow]:
        return [flow for port in self.ports for flow in port.flows.values()]


class Port:
    """A listening port in front of one server address."""

    def __init__(self, link: Link, target: Address) -> None:
        self.link = link
        self.target = target
        self.sock = udp_socket()
        self.flows: dict[Address, Flow] = {}

    def socket_upstream(self) -> socket.socket:
        """From the address of the server itself: they are on one machine."""
        return udp_socket(self.target[0])


class Flow:
    """One client address at one port, and the upstream socket that stands for it."""

    def __init__(self, port: Port, client: Address) -> None:
        self.port = port
        self.client = client
        self.upstream = port.socket_upstream()


class Emulator:
    """All links of a process, and the loop that serves them."""

    def __init__(self, commands: int, answers: TextIO) -> None:
        self.commands = commands
        self.answers = answers
        self.links: dict[str, Link] = {}
        self.poll = select.epoll()
        self.readers: dict[int, Callable[[float], None]] = {}
        self.unsent = 0
        self.refused = 0
        self.log: TextIO | None = None
        self._rest = b""
        self._running = True
        os.set_blocking(commands, False)
        self._watch(commands, self._read_commands)

    def _watch(self, descriptor: int, reader: Callable[[float], None]) -> None:
        self.readers[descriptor] = reader
        self.poll.register(descriptor, select.EPOLLIN)

    def _unwatch(self, descriptor: int) -> None:
        self.poll.unregister(descriptor)
        del self.readers[descriptor]

    def run(self) -> None:
        while self._running:
            lines = [line for link in self.links.values() for line in (link.up, link.down)]
            times = [due for line in lines if (due := line.next_time()) is not None]
            wait = min(times, default=math.inf) - time.monotonic()
            ready = self.poll.poll(min(IDLE, max(0.0, wait)))
            now = time.monotonic()
            for descriptor, _ in ready:
                reader = self.readers.get(descriptor)
                if reader is not None:
                    reader(now)
            now = time.monotonic()
            for link in self.links.values():
                for flow, data in link.up.pop(now):
                    self._send(flow.upstream, data, flow.port.target, now)
                for flow, data in link.down.pop(now):
                    self._send(flow.port.sock, data, flow.client, now)

    # -- datagrams ------------------------------------------------------------

    def _send(self, sock: socket.socket, data: bytes, address: Address, now: float) -> None:
        try:
            sock.sendto(data, address)
        except (BlockingIOError, ConnectionRefusedError):
            self.unsent += 1
        if self.log is not None:
            self._write_log(now, "out", sock.getsockname()[1], address[1], data)

    def _read_clients(self, port: Port, now: float) -> None:
        for _ in range(BATCH):
            try:
                data, client = port.sock.recvfrom(2048)
            except (BlockingIOError, ConnectionRefusedError):
                return
            flow = port.flows.get(client)
            if flow is None:
                if len(port.flows) >= MAX_FLOWS:
                    self.refused += 1
                    continue
                flow = port.flows[client] = Flow(port, client)
                self._watch_upstream(flow)
            fate = port.link.up.push(len(data), (flow, data), now)
            if self.log is not None:
                self._write_log(now, f"{port.link.name} up {fate}", client[1], port.target[1], data)

    def _watch_upstream(self, flow: Flow) -> None:
        sock = flow.upstream
        self._watch(sock.fileno(), lambda now: self._read_server(flow, sock, now))

    def _read_server(self, flow: Flow, sock: socket.socket, now: float) -> None:
        for _ in range(BATCH):
            try:
                data, sender = sock.recvfrom(2048)
            except (BlockingIOError, ConnectionRefusedError):
                return
            if sender != flow.port.target:
                self.refused += 1
                continue
            fate = flow.port.link.down.push(len(data), (flow, data), now)
            if self.log is not None:
                name = flow.port.link.name
                self._write_log(now, f"{name} down {fate}", sender[1], flow.client[1], data)

    def _write_log(self, now: float, what: str, source: int, target: int, data: bytes) -> None:
        """Time, what happened, ports, size; of RTP type, number, timestamp, SSRC and marker, all in clear."""
        assert self.log is not None
        words = f"{now:.5f} {what} {source} {target} {len(data)}"
        if data[0] < 4:
            words += " stun"
        elif data[0] < 64:
            words += f" dtls {data[0]}"
        elif 192 <= data[1] <= 223:
            words += f" rtcp {data[1]} {int.from_bytes(data[4:8], 'big')}"
        else:
            number, clock, ssrc = (int.from_bytes(data[a:b], "big") for a, b in ((2, 4), (4, 8), (8, 12)))
            words += f" rtp {data[1] & 0x7F} {number} {clock} {ssrc} {data[1] >> 7}"
        self.log.write(words + "\n")

    # -- requests ------------------------------------------------------------

    def _read_commands(self, now: float) -> None:
        chunk = os.read(self.commands, 65536)
        if not chunk:
            self._running = False
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        for line in lines:
            request = json.loads(line)
            try:
                reply = getattr(self, f"do_{request.pop('op')}")(now=now, **request)
            except (TypeError, ValueError, AttributeError, KeyError, OSError) as error:
                reply = {"error": f"{type(error).__name__}: {error}"}
            self.answers.write(json.dumps(reply) + "\n")
            self.answers.flush()

    def do_open(self, now: float, link: str, target: list[Any]) -> dict[str, Any]:
        owner = self.links.get(link)
        if owner is None:
            owner = self.links[link] = Link(link, now)
        port = Port(owner, (str(target[0]), int(target[1])))
        owner.ports.append(port)
        self._watch(port.sock.fileno(), lambda now: self._read_clients(port, now))
        return {"port": port.sock.getsockname()[1]}

    def do_set(
        self, now: float, link: str, up: dict[str, Any] | None = None, down: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        owner = self.links[link]
        wanted = [(owner.up, up), (owner.down, down)]
        # Both are understood before one is changed.
        changes = [(line, Conditions.of(values)) for line, values in wanted if values is not None]
        for line, conditions in changes:
            line.set(conditions, now)
        return {}

    def do_rebind(self, now: float, link: str) -> dict[str, Any]:
        """As when a phone changes network: what the server still sends to the old addresses is lost."""
        moved = 0
        for flow in self.links[link].flows:
            self._unwatch(flow.upstream.fileno())
            # The new one exists before the old one goes, so that it cannot have the same port.
            fresh = flow.port.socket_upstream()
            flow.upstream.close()
            flow.upstream = fresh
            self._watch_upstream(flow)
            moved += 1
        return {"moved": moved}

    def do_stats(self, now: float) -> dict[str, Any]:
        return {
            "links": {
                name: {"up": link.up.stats(), "down": link.down.stats(), "clients": len(link.flows)}
                for name, link in self.links.items()
            },
            "unsent": self.unsent,
            "refused": self.refused,
            "cpu": time.process_time(),
            "wall": time.monotonic(),
        }

    def do_log(self, now: float, path: str | None) -> dict[str, Any]:
        if self.log is not None:
            self.log.close()
        self.log = open(path, "w", buffering=1 << 16) if path else None  # noqa: SIM115
        return {}

    def close(self) -> None:
        for link in self.links.values():
            for port in link.ports:
                port.sock.close()
            for flow in link.flows:
                flow.upstream.close()
        if self.log is not None:
            self.log.close()
        self.poll.close()


def main() -> None:
    emulator = Emulator(sys.stdin.fileno(), sys.stdout)
    try:
        emulator.run()
    finally:
        emulator.close()


if __name__ == "__main__":
    main()
