#!/usr/bin/env python3
"""Bring third-party browser code into ``static/vendor/`` at pinned versions, with its licences.

    tools/vendor.py            fetch every package of vendor.lock.json, verify it, write the files
    tools/vendor.py --relock   the same, but record integrity and digests anew (after a version was changed)
    tools/vendor.py --check    no network: do the committed files still have the recorded digests?

Packages come from the npm registry that npm itself is configured for (``npm pack``). The tarball must have
the sha512 of the lock file; the written files' sha256 are recorded as well, so that nobody edits vendored
code unseen. The lock file is the only place to change: a package has ``version``, ``integrity``, ``into``
(folder below static/vendor), ``files`` (path in the package → name here) and, for the icon set, ``icons``
(made into one sprite).
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import re
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "tools" / "vendor.lock.json"
TARGET = ROOT / "static" / "vendor"
SPRITE = "sprite.svg"


class VendorError(Exception):
    """What went wrong, in one line for the terminal."""


def pack(name: str, version: str, folder: Path) -> bytes:
    """The tarball of ``name@version``, through npm's own client and configuration."""
    command = ["npm", "pack", f"{name}@{version}", "--json", "--pack-destination", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise VendorError(f"npm pack {name}@{version} failed: {done.stderr.strip().splitlines()[-1:]}")
    tarballs = list(folder.glob("*.tgz"))
    if len(tarballs) != 1:
        raise VendorError(f"npm pack {name}@{version} left {len(tarballs)} tarballs instead of one")
    return tarballs[0].read_bytes()


def integrity_of(data: bytes) -> str:
    """Subresource-integrity notation (W3C SRI), as npm records it: ``sha512-<base64>``."""
    return "sha512-" + base64.b64encode(hashlib.sha512(data).digest()).decode()


def read_member(archive: tarfile.TarFile, path: str) -> bytes:
    """One regular file of an npm tarball; everything in it stands below ``package/``."""
    try:
        member = archive.extractfile(f"package/{path}")
    except KeyError:
        member = None
    if member is None:
        raise VendorError(f"the package holds no file {path}")
    return member.read()


def symbol(name: str, svg: str) -> str:
    """A Lucide icon file as one ``<symbol>``: the drawing alone, its stroke comes from the page's CSS."""
    body = re.search(r"<svg[^>]*>(.*)</svg>", svg, re.DOTALL)
    if body is None:
        raise VendorError(f"icon {name} is not an SVG")
    drawing = re.sub(r"\s*\n\s*", "", body.group(1)).strip()
    return f'<symbol id="{name}" viewBox="0 0 24 24">{drawing}</symbol>'


def make_sprite(archive: tarfile.TarFile, icons: list[str]) -> bytes:
    """All ``icons`` in one SVG, sorted, to be used as ``sprite.svg#name``."""
    symbols = [
        symbol(name, read_member(archive, f"icons/{name}.svg").decode()) for name in sorted(set(icons))
    ]
    return ('<svg xmlns="http://www.w3.org/2000/svg">\n' + "\n".join(symbols) + "\n</svg>\n").encode()


def fetch(name: str, spec: dict[str, Any], *, relock: bool) -> dict[str, bytes]:
    """The files of one package by their path below static/vendor.

    Raises VendorError when the tarball is not the locked one.
    """
    with tempfile.TemporaryDirectory() as folder:
        data = pack(name, spec["version"], Path(folder))
        found = integrity_of(data)
        if relock:
            spec["integrity"] = found
        elif found != spec.get("integrity"):
            raise VendorError(
                f"{name}@{spec['version']} has {found}, the lock file says {spec.get('integrity')}"
            )
        with tarfile.open(next(Path(folder).glob("*.tgz"))) as archive:
            files = {f"{spec['into']}/{new}": read_member(archive, old) for old, new in spec["files"].items()}
            if "icons" in spec:
                files[f"{spec['into']}/{SPRITE}"] = make_sprite(archive, spec["icons"])
    return files


def bring(lock: dict[str, Any], *, relock: bool) -> None:
    """Write every package's files; nothing is written before all packages were verified."""
    files: dict[str, bytes] = {}
    for name, spec in lock["packages"].items():
        files |= fetch(name, spec, relock=relock)
    digests = {path: hashlib.sha256(data).hexdigest() for path, data in sorted(files.items())}
    if relock:
        lock["sha256"] = digests
        LOCK.write_text(json.dumps(lock, indent=1, ensure_ascii=False) + "\n")
    elif digests != lock["sha256"]:
        raise VendorError("the files differ from the recorded digests; run with --relock if that is intended")
    for path, data in files.items():
        target = TARGET / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
    print(f"{len(files)} files of {len(lock['packages'])} packages in {TARGET.relative_to(ROOT)}")


def check(lock: dict[str, Any], target: Path = TARGET) -> list[str]:
    """What is wrong with the committed files, one line each; empty when all is as recorded."""
    wrong = []
    for path, digest in lock["sha256"].items():
        file = target / path
        if not file.is_file():
            wrong.append(f"missing: {path}")
        elif hashlib.sha256(file.read_bytes()).hexdigest() != digest:
            wrong.append(f"changed: {path}")
    known = set(lock["sha256"])
    present = {str(file.relative_to(target)) for file in target.rglob("*") if file.is_file()}
    return wrong + [f"not in the lock file: {path}" for path in sorted(present - known)]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--relock", action="store_true", help="record integrity and digests anew")
    mode.add_argument("--check", action="store_true", help="verify the committed files, no network")
    options = parser.parse_args()
    lock = json.loads(LOCK.read_text())
    try:
        if options.check:
            wrong = check(lock)
            print("\n".join(wrong) or "static/vendor is as recorded")
            return 1 if wrong else 0
        bring(lock, relock=options.relock)
    except VendorError as error:
        print(f"vendor: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
