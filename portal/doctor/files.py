"""Folders, free space, secrets, static files."""

from __future__ import annotations

import json
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.staticfiles.storage import ManifestFilesMixin, staticfiles_storage

from portal.doctor.report import Finding, fail, ok, warn

GIGABYTE = 1024**3
LITTLE, TOO_LITTLE = 10 * GIGABYTE, 1 * GIGABYTE


def data_folder() -> Iterator[Finding]:
    """Everything the portal writes can be written, and there is space for recordings."""
    for folder in (settings.DATA_DIR, settings.MEDIA_ROOT, settings.RECORDINGS_DIR, settings.MAIL_DIR):
        if not folder.exists() and folder != settings.DATA_DIR:
            continue  # made at its first use, below one that is checked
        try:
            with tempfile.TemporaryFile(dir=folder):
                pass
        except OSError as error:
            yield fail(
                "Files", f"{folder} cannot be written ({error.strerror})", "give the portal's user the right"
            )
            return
    free = shutil.disk_usage(settings.DATA_DIR).free
    text = f"{settings.DATA_DIR} is writable, {free / GIGABYTE:.1f} GB free"
    if free < TOO_LITTLE:
        yield fail("Files", text, "make space: recordings and uploads will fail")
    elif free < LITTLE:
        yield warn(
            "Files", text, "make space soon: an hour of a meeting takes about 1 GB while it is recorded"
        )
    else:
        yield ok("Files", text)


def secrets() -> Iterator[Finding]:
    """Nobody but the portal's user can read the secrets."""
    folder = settings.DATA_DIR / "secrets"
    paths = [folder, *sorted(folder.iterdir())] if folder.exists() else []
    open_to_others = [path for path in paths if _mode(path) & 0o077]
    if open_to_others:
        names = ", ".join(str(path) for path in open_to_others)
        yield fail("Secrets", f"others may read {names}", f"chmod -R go= {folder}")
    else:
        yield ok("Secrets", f"{max(len(paths) - 1, 0)} files that only their owner may read")
    first_admin = folder / "first-admin"
    if first_admin.exists():
        do = f"change it under Settings, then delete {first_admin}"
        if _first_password_still_works(first_admin):
            yield warn("Secrets", "the first administrator still has the first password", do)
    if os.geteuid() == 0 and not _is_local():
        yield warn("Secrets", "the portal runs as root", "give it a user of its own: deploy/plenum.service")
    if settings.DEBUG:
        yield warn("Secrets", "DEBUG is on: errors show program internals to everyone", "set DEBUG=off")


def _is_local() -> bool:
    """Whether people reach the portal on this machine only: somebody tries it out."""
    return (urlsplit(settings.PUBLIC_URL).hostname or "") in ("localhost", "127.0.0.1", "::1")


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def _first_password_still_works(path: Path) -> bool:
    from accounts.models import User

    email, password = path.read_text().split()
    user = User.objects.filter(email=email).first()
    return user is not None and user.check_password(password)


def static_files() -> Iterator[Finding]:
    """Style sheets and scripts are collected, and belong to this version."""
    if not isinstance(staticfiles_storage, ManifestFilesMixin):
        yield ok("Static files", "served from the source folder (DEBUG)")
        return
    from portal.supervisor.prepare import static_fingerprint

    stamp = settings.DATA_DIR / "run" / "static.json"
    do = "manage.py prepare"
    if not stamp.exists():
        yield fail("Static files", "were never collected", do)
    elif json.loads(stamp.read_text())["fingerprint"] != static_fingerprint():
        yield fail("Static files", "are older than this version", do)
    else:
        count = len(staticfiles_storage.load_manifest()[0])
        yield ok("Static files", f"{count} collected, of this version")
