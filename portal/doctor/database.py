"""The database: reachable, of this version, set up as the portal needs it."""

from __future__ import annotations

import time
from collections.abc import Iterator

from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor

from portal.doctor.report import Finding, fail, ok, warn

SLOW_MILLISECONDS = 20.0


def database() -> Iterator[Finding]:
    try:
        connection.ensure_connection()
        milliseconds = _round_trip()
        version, faults = _postgresql() if connection.vendor == "postgresql" else _sqlite()
    except DatabaseError as error:
        first_line = str(error).strip().splitlines()[0]
        yield fail(
            "Database", f"cannot be reached: {first_line}", "check DATABASE_URL and that the server runs"
        )
        return
    yield from faults
    executor = MigrationExecutor(connection)
    missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if missing:
        yield fail("Database", f"{len(missing)} migrations are not applied", "manage.py prepare")
        return
    text = f"{version}, all migrations applied, {milliseconds:.1f} ms a query"
    if milliseconds > SLOW_MILLISECONDS:
        yield warn("Database", text, "move the database closer: a page makes some ten queries")
    else:
        yield ok("Database", text)


def _round_trip() -> float:
    """Median of five small queries, in milliseconds."""
    took = []
    with connection.cursor() as cursor:
        for _ in range(5):
            began = time.perf_counter()
            cursor.execute("SELECT 1")
            cursor.fetchone()
            took.append((time.perf_counter() - began) * 1000)
    return sorted(took)[2]


def _value(statement: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        row = cursor.fetchone()
    return str(row[0]) if row else ""


def _postgresql() -> tuple[str, list[Finding]]:
    faults = []
    encoding = _value("SHOW server_encoding")
    if encoding != "UTF8":
        faults.append(fail("Database", f"its encoding is {encoding}", "make it anew with ENCODING 'UTF8'"))
    return f"PostgreSQL {_value('SHOW server_version').split()[0]}", faults


def _sqlite() -> tuple[str, list[Finding]]:
    faults = []
    journal = _value("PRAGMA journal_mode")
    if journal != "wal":
        do = "keep DATA_DIR on a local disk: network disks cannot do it, and the file can break there"
        faults.append(fail("Database", f"SQLite runs in journal mode {journal}, not wal", do))
    health = _value("PRAGMA quick_check")
    if health != "ok":
        faults.append(fail("Database", f"the file is damaged: {health}", "restore it from a backup"))
    return f"SQLite {_value('SELECT sqlite_version()')} ({journal})", faults
