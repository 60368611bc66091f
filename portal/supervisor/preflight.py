"""Is everything there to start? Each fault is one line that says what to do."""

from __future__ import annotations

import errno
import fcntl
import os
import socket
from collections.abc import Iterable
from pathlib import Path
from typing import IO


class CannotStart(Exception):
    """Why the portal cannot start, and what to do about it, in one line."""


def check_folder(data_dir: Path) -> None:
    """DATA_DIR and its `run` folder can be written. Raises CannotStart."""
    try:
        for folder in (data_dir, data_dir / "run"):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            probe = folder / f".writable-{os.getpid()}"
            probe.touch()
            probe.unlink()
    except OSError as error:
        raise CannotStart(
            f"DATA_DIR={data_dir} cannot be written ({error.strerror}): "
            "give this user the right, or choose another with DATA_DIR=…"
        ) from error


def check_tcp(host: str, port: int, *, variable: str = "PORT") -> None:
    """A TCP server can listen on `host`:`port`. Raises CannotStart."""
    _check_bind(host, port, socket.SOCK_STREAM, variable)


def check_udp(host: str, port: int, *, variable: str = "MEDIA_PORT") -> None:
    """A UDP socket can be bound to `host`:`port`. Raises CannotStart."""
    _check_bind(host, port, socket.SOCK_DGRAM, variable)


def _check_bind(host: str, port: int, kind: socket.SocketKind, variable: str) -> None:
    protocol = "TCP" if kind == socket.SOCK_STREAM else "UDP"
    try:
        family, _type, _proto, _name, address = socket.getaddrinfo(
            host, port, type=kind, flags=socket.AI_PASSIVE
        )[0]
    except socket.gaierror as error:
        raise CannotStart(
            f"HOST={host} is not known ({error.strerror}): give an address of this machine"
        ) from error
    with socket.socket(family, kind) as probe:
        if kind == socket.SOCK_STREAM:
            # As servers do: connections of a portal that has just stopped are no reason to refuse.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
            if kind == socket.SOCK_STREAM:
                probe.listen(1)
        except OSError as error:
            raise CannotStart(_bind_fault(error, host, port, protocol, variable)) from error


def _bind_fault(error: OSError, host: str, port: int, protocol: str, variable: str) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"{protocol} port {port} is in use by another program: choose another with {variable}=…"
    if error.errno in (errno.EACCES, errno.EPERM):
        needed = "below 1024 root's right is needed"
        return f"no permission to open {protocol} port {port} ({needed}): choose another with {variable}=…"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"{host} is not an address of this machine: give another with HOST=… (0.0.0.0 means all)"
    where = f"{protocol} port {port} on {host}"
    return f"{where} cannot be opened ({error.strerror}): choose another with {variable}=…"


class Locks:
    """Locks that end with this process, one for each service, so that no two run on one DATA_DIR."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._held: list[IO[str]] = []

    def take(self, names: Iterable[str]) -> None:
        """Take them all. Raises CannotStart, naming the process that holds one."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for name in names:
            file = open(self._folder / f"{name}.lock", "a+")  # noqa: SIM115 - held open as long as the lock
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                file.seek(0)
                holder = file.read().strip() or "unknown"
                file.close()
                self.release()
                raise CannotStart(
                    f"another portal (process {holder}) runs {name} with DATA_DIR={self._folder.parent}: "
                    "stop it, or choose another folder with DATA_DIR=…"
                ) from error
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
            self._held.append(file)

    def release(self) -> None:
        for file in self._held:
            file.close()
        self._held.clear()
