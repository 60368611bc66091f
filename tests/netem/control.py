"""The other end of the emulator's pipe."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.netem.conditions import Conditions

ROOT = Path(__file__).resolve().parents[2]


class EmulatorError(Exception):
    """The emulator did not understand a request."""


class Emulator:
    """Starts the emulator's process; a context manager. Calls block for the moment they take."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.netem.emulator"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def _ask(self, op: str, **values: Any) -> dict[str, Any]:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps({"op": op, **values}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise EmulatorError(f"the emulator ended at {op}")
        reply: dict[str, Any] = json.loads(line)
        if "error" in reply:
            raise EmulatorError(reply["error"])
        return reply

    def open(self, link: str, target: tuple[str, int]) -> int:
        """A new port of `link` (made when it is new) in front of the server address `target`."""
        port: int = self._ask("open", link=link, target=list(target))["port"]
        return port

    def set(self, link: str, *, up: Conditions | None = None, down: Conditions | None = None) -> None:
        """Other conditions from now on; None leaves a direction as it is."""
        both = {"up": up, "down": down}
        self._ask("set", link=link, **{k: c.as_json() for k, c in both.items() if c is not None})

    def rebind(self, link: str) -> int:
        """New upstream ports for the link's clients; how many there are."""
        moved: int = self._ask("rebind", link=link)["moved"]
        return moved

    def stats(self) -> dict[str, Any]:
        """`{links: {name: {up, down, clients}}, unsent, refused, cpu, wall}`; cpu and wall in seconds."""
        return self._ask("stats")

    def log(self, path: Path | None) -> None:
        """Write a line about every datagram from now on; None ends that."""
        self._ask("log", path=str(path) if path else None)

    def close(self) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(timeout=10)
        self._process.stdout.close()

    def __enter__(self) -> Emulator:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()
