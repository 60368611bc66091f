"""Compile translations (`.po` → `.mo`) without the gettext tools, which a fresh machine has not.

`python -m portal.translations` compiles those of this project.
"""

from __future__ import annotations

import os
from pathlib import Path

import polib


def compile_stale(folder: Path) -> list[Path]:
    """Compile every catalogue below `folder` whose `.mo` is missing or older; returns the written files.

    Raises OSError when a file cannot be read, parsed or written.
    """
    written: list[Path] = []
    for source in sorted(folder.glob("*/LC_MESSAGES/*.po")):
        target = source.with_suffix(".mo")
        if target.exists() and target.stat().st_mtime_ns >= source.stat().st_mtime_ns:
            continue
        # Whole or not at all: another process may be reading the old one.
        fresh = target.with_suffix(f".{os.getpid()}")
        polib.pofile(str(source)).save_as_mofile(str(fresh))
        fresh.replace(target)
        written.append(target)
    return written


if __name__ == "__main__":
    compile_stale(Path(__file__).resolve().parent.parent / "locale")
