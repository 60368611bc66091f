"""Bring an installation up to date before its processes start: tables, static files, first admin."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Callable
from pathlib import Path

from django.conf import settings
from django.contrib.staticfiles import finders
from django.contrib.staticfiles.storage import ManifestFilesMixin, staticfiles_storage
from django.core.management import call_command
from django.db import DatabaseError, connection, transaction
from django.db.migrations.executor import MigrationExecutor

from accounts.models import User
from accounts.services import trust_address
from portal import env, translations
from portal.supervisor.preflight import CannotStart

FIRST_ADMIN = "admin@plenum.local"


def prepare(say: Callable[[str], None]) -> None:
    """All of it; what is up to date costs next to nothing. `say` gets a line for each step that was done.

    Raises CannotStart.
    """
    try:
        for path in translations.compile_stale(settings.BASE_DIR / "locale"):
            say(f"translations compiled: {path.parent.parent.name}")
    except OSError as error:
        raise CannotStart(
            f"translations cannot be compiled ({error}): run `make setup` as the owner"
        ) from error
    try:
        migrate(say)
        created = create_first_admin()
    except DatabaseError as error:
        first_line = str(error).strip().splitlines()[0]
        raise CannotStart(
            f"the database cannot be used ({first_line}): check DATABASE_URL; `manage.py doctor` tells more"
        ) from error
    collect_static(say)
    if created:
        say(f"First administrator: {FIRST_ADMIN}  password: {created}  (kept in {first_admin_file()})")


def migrate(say: Callable[[str], None]) -> None:
    """Apply what is missing. Asks first whether anything is: that is much faster than Django's command."""
    executor = MigrationExecutor(connection)
    steps = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if steps:
        call_command("migrate", interactive=False, verbosity=0)
        say(f"database: {len(steps)} migrations applied")


def first_admin_file() -> Path:
    return settings.DATA_DIR / "secrets" / "first-admin"


def create_first_admin() -> str | None:
    """When there is no administrator, make one; returns the password, also kept in a private file."""
    with transaction.atomic():
        if User.objects.filter(role=User.Role.ADMIN).exists():
            return None
        password = secrets.token_urlsafe(12)
        user = User.objects.create_superuser(FIRST_ADMIN, password, name="Administrator")
        trust_address(user)
        path = first_admin_file()
        # With all secrets in the environment the folder is not there yet.
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.unlink(missing_ok=True)
        with open(path, "x", opener=env.private_opener) as file:
            file.write(f"{FIRST_ADMIN}\n{password}\n")
    return password


def static_fingerprint() -> str:
    """Changes when any static file's path, size or time does, or the way they are stored."""
    digest = hashlib.sha256(f"{settings.STORAGES['staticfiles']['BACKEND']}".encode())
    for finder in finders.get_finders():
        for path, storage in finder.list(None):
            stat = Path(storage.path(path)).stat()
            digest.update(f"{path}\0{stat.st_size}\0{stat.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def collect_static(say: Callable[[str], None]) -> None:
    """Collect, hash and compress the static files into DATA_DIR, when they have changed."""
    if not isinstance(staticfiles_storage, ManifestFilesMixin):
        return  # DEBUG serves them from where they lie
    stamp = settings.DATA_DIR / "run" / "static.json"
    fingerprint = static_fingerprint()
    if stamp.exists() and json.loads(stamp.read_text()).get("fingerprint") == fingerprint:
        return
    call_command("collectstatic", interactive=False, verbosity=0)
    stamp.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    stamp.write_text(json.dumps({"fingerprint": fingerprint}))
    staticfiles_storage.hashed_files = staticfiles_storage.load_manifest()[0]
    say(f"static files: {len(staticfiles_storage.hashed_files)} collected")
