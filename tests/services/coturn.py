"""A real coturn, with the settings that deploy/turnserver.conf gives as an example."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from portal.supervisor.parent import before_exec
from tests.services.certificate import Certificate
from tests.services.ports import free_tcp_port

EXAMPLE = Path(__file__).resolve().parents[2] / "deploy" / "turnserver.conf"
SECRET = "a-secret-that-only-the-tests-share"


@dataclass(frozen=True)
class Coturn:
    """`url` is what TURN_URLS would name; `log()` what the server said so far."""

    url: str
    secret: str
    log_path: Path

    def log(self) -> str:
        return self.log_path.read_text(errors="replace")


def program() -> str | None:
    return shutil.which("turnserver")


@contextmanager
def coturn(address: str, certificate: Certificate | None = None) -> Iterator[Coturn]:
    """A server on `address`, for TCP and UDP, that relays to `address` and to nothing else.

    With a certificate its `url` is that for TLS.
    """
    path = program()
    assert path, "no coturn was found: make setup-test installs it"
    folder = Path(tempfile.mkdtemp(prefix="plenum-coturn-"))
    port = free_tcp_port()
    tls_port = free_tcp_port()
    changed = {
        "static-auth-secret": SECRET,
        "listening-port": str(port),
        "allowed-peer-ip": address,
        "tls-listening-port": str(tls_port) if certificate else None,
        "cert": str(certificate.chain) if certificate else None,
        "pkey": str(certificate.key) if certificate else None,
    }
    lines = [
        f"listening-ip={address}", f"relay-ip={address}", "no-dtls", "log-file=stdout",
        "allow-loopback-peers", f"pidfile={folder / 'pid'}", f"userdb={folder / 'db'}",
    ]  # fmt: skip
    if certificate is None:
        lines.append("no-tls")
    for line in EXAMPLE.read_text().splitlines():
        name = line.partition("=")[0]
        if name not in changed:
            lines.append(line)
        elif changed[name] is not None:
            lines.append(f"{name}={changed[name]}")
    (folder / "turnserver.conf").write_text("\n".join(lines) + "\n")
    with open(folder / "log", "wb") as log:
        server = subprocess.Popen(
            [path, "-c", str(folder / "turnserver.conf"), "--verbose"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=folder,
            start_new_session=True,
            preexec_fn=before_exec(signal.SIGKILL),
        )
    try:
        _wait(server, address, tls_port if certificate else port, folder / "log")
        url = f"turns:{address}:{tls_port}" if certificate else f"turn:{address}:{port}"
        yield Coturn(url, SECRET, folder / "log")
    finally:
        server.terminate()
        server.wait(10)
        shutil.rmtree(folder, ignore_errors=True)


def _wait(server: subprocess.Popen[bytes], address: str, port: int, log: Path) -> None:
    deadline = time.monotonic() + 20
    while True:
        try:
            socket.create_connection((address, port), 1).close()
            return
        except OSError as error:
            if server.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"coturn did not start: {error}\n{log.read_text()}") from error
            time.sleep(0.05)
