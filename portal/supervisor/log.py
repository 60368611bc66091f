"""One stream of lines from many processes, each with the name of its process in front."""

from __future__ import annotations

import os
import sys
from typing import TextIO

_COLOURS = (36, 32, 35, 33, 34, 96, 92, 95, 93, 94)
_WIDTH = 9


class Log:
    """Prints `name | line`; coloured by name where people watch (a terminal, and NO_COLOR is not set)."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout
        self._coloured = self._stream.isatty() and not os.environ.get("NO_COLOR")
        self._colours: dict[str, int] = {}

    def line(self, name: str, text: str) -> None:
        prefix = f"{name:<{_WIDTH}} |"
        if self._coloured:
            colour = self._colours.setdefault(name, _COLOURS[len(self._colours) % len(_COLOURS)])
            prefix = f"\x1b[{colour}m{prefix}\x1b[0m"
        self.plain(f"{prefix} {text}")

    def plain(self, text: str) -> None:
        try:
            self._stream.write(text + "\n")
            self._stream.flush()
        except BrokenPipeError:
            # Whoever read the log has gone (`make run | head`); the portal itself goes on.
            self._stream = open(os.devnull, "w")  # noqa: SIM115
        except UnicodeEncodeError:
            self._stream.write(text.encode("ascii", "backslashreplace").decode() + "\n")
            self._stream.flush()
