"""Ports nobody uses."""

from __future__ import annotations

import socket
from contextlib import ExitStack


def free_tcp_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def free_udp_ports(count: int = 1) -> int:
    """The first of `count` UDP ports in a row that are free."""
    while True:
        with ExitStack() as stack:
            first = stack.enter_context(socket.socket(type=socket.SOCK_DGRAM))
            first.bind(("127.0.0.1", 0))
            port = int(first.getsockname()[1])
            try:
                for offset in range(1, count):
                    stack.enter_context(socket.socket(type=socket.SOCK_DGRAM)).bind(
                        ("127.0.0.1", port + offset)
                    )
            except (OSError, OverflowError):
                continue
            return port
