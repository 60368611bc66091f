"""A network namespace whose only way out is one cable to this machine, with a firewall of the test's making.

For what no browser flag can show: a network that lets no UDP out. Needs root, `ip` and `nft`.
"""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

BLOCK_UDP = """
table inet plenum {
  chain out { type filter hook output priority 0; oifname != "lo" meta l4proto udp counter drop; }
  chain in { type filter hook input priority 0; iifname != "lo" meta l4proto udp counter drop; }
}
"""

REBIND = """
table ip rebind {
  chain out {
    type nat hook postrouting priority 100;
    oifname != "lo" meta l4proto udp masquerade to :20000-30000;
  }
  chain in { type filter hook input priority 0; iifname != "lo" meta l4proto udp ct direction original drop; }
}
"""


@dataclass(frozen=True)
class Namespace:
    """`outside` is this machine's address on the cable, `inside` the other end's."""

    name: str
    outside: str
    inside: str

    def run(self, *command: str, stdin: str | None = None) -> str:
        """Run a program inside; its output. CalledProcessError when it fails."""
        return _run("ip", "netns", "exec", self.name, *command, stdin=stdin)

    def block_udp(self) -> None:
        """From now on no UDP goes in or out; TCP does."""
        self.run("nft", "-f", "-", stdin=BLOCK_UDP)

    def rebind(self) -> None:
        """From now on all UDP comes from other ports, and none to the old ones arrives: a NAT that forgot."""
        self.run("nft", "-f", "-", stdin=REBIND)

    def wrapper(self, folder: Path, program: str) -> Path:
        """An executable that starts `program` inside."""
        path = folder / f"{Path(program).name}-inside"
        path.write_text(f'#!/bin/sh\nexec ip netns exec {self.name} {program} "$@"\n')
        path.chmod(0o755)
        return path


def _run(*command: str, stdin: str | None = None) -> str:
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False, timeout=20)
    if done.returncode:
        raise subprocess.CalledProcessError(done.returncode, command, done.stdout, done.stderr)
    return done.stdout


@cache
def why_not() -> str | None:
    """Why there can be no namespace here; None when there can."""
    missing = [program for program in ("ip", "nft") if shutil.which(program) is None]
    if missing:
        return f"{' and '.join(missing)} missing"
    if os.name != "posix" or os.geteuid() != 0:
        return "only root makes network namespaces"
    try:
        with namespace() as made:
            made.block_udp()
    except subprocess.CalledProcessError as error:
        return f"no network namespaces here: {error.stderr.strip()}"
    return None


@contextmanager
def namespace() -> Iterator[Namespace]:
    """A fresh namespace with its cable; both go away afterwards."""
    tag = secrets.token_hex(3)
    block = 4 * secrets.randbelow(16384)
    net = f"10.{200 + (block >> 16)}.{block >> 8 & 0xFF}"
    made = Namespace(f"plenum-{tag}", f"{net}.{(block & 0xFF) + 1}", f"{net}.{(block & 0xFF) + 2}")
    near, far = f"pl{tag}a", f"pl{tag}b"
    _run("ip", "netns", "add", made.name)
    try:
        _run("ip", "link", "add", near, "type", "veth", "peer", "name", far, "netns", made.name)
        _run("ip", "address", "add", f"{made.outside}/30", "dev", near)
        _run("ip", "link", "set", near, "up")
        made.run("ip", "address", "add", f"{made.inside}/30", "dev", far)
        made.run("ip", "link", "set", "lo", "up")
        made.run("ip", "link", "set", far, "up")
        made.run("ip", "route", "add", "default", "via", made.outside)
        yield made
    finally:
        # Takes the cable along.
        _run("ip", "netns", "delete", made.name)
