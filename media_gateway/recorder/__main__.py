"""``python -m media_gateway.recorder JOURNALS OUTPUT.mp4``: compose by hand, say from a backup."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from .compose import compose


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m media_gateway.recorder", description=compose.__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("journals", type=Path, help="the folder with the *.track files")
    parser.add_argument("output", type=Path, help="the MP4 to write")
    parser.add_argument("--title", default="", help="shown while nobody is there")
    options = parser.parse_args(arguments)
    if not options.journals.is_dir():
        parser.error(f"{options.journals} is no folder")
    result = compose(options.journals, options.output, title=options.title)
    for warning in result.warnings:
        print(warning, file=sys.stderr)
    print(f"{options.output}: {result.duration_s:.1f} s, {result.tracks} tracks, {result.size_bytes} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
