"""The doctor asks the database and the broker."""

from __future__ import annotations

from pathlib import Path

import pytest
from pytest_django import Settings

from portal.doctor import broker, database
from portal.doctor.report import State, fail
from tests.portal.conftest import Environment
from tests.portal.doctor.conftest import only, runs_here
from tests.services.ports import free_tcp_port


@pytest.mark.django_db
def test_the_database_of_the_tests_is_fine() -> None:
    finding = only(database.database())
    assert finding.state is State.OK, finding
    assert "all migrations applied" in finding.says


@pytest.mark.django_db
def test_missing_migrations_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database.MigrationExecutor, "migration_plan", lambda self, targets: [1, 2])
    assert only(database.database()) == fail("Database", "2 migrations are not applied", "manage.py prepare")


@pytest.mark.django_db
def test_sqlite_without_wal_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "_value", lambda statement: "delete" if "journal" in statement else "ok")
    _version, faults = database._sqlite()
    assert [fault.state for fault in faults] == [State.FAIL]
    assert "not wal" in faults[0].says


def test_a_real_server_is_measured(redis_server: str, settings: Settings) -> None:
    settings.REDIS_URL = redis_server
    finding = only(broker.broker())
    assert finding.state is State.OK, finding
    assert "ms a round trip" in finding.says


def test_an_embedded_server_that_does_not_run_is_no_fault_while_the_portal_does_not(
    data_dir: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.REDIS_URL = f"redis://127.0.0.1:{free_tcp_port()}/0"
    assert only(broker.broker()).state is State.WARN
    runs_here(data_dir, monkeypatch)
    assert only(broker.broker()).state is State.FAIL


def test_a_server_of_ones_own_that_does_not_run_is_a_fault(
    settings: Settings, environment: Environment
) -> None:
    settings.REDIS_URL = f"redis://127.0.0.1:{free_tcp_port()}/0"
    environment(REDIS_URL=settings.REDIS_URL)
    finding = only(broker.broker())
    assert finding.state is State.FAIL
    assert "REDIS_URL" in finding.do


def test_a_wrong_password_is_told(redis_server: str, settings: Settings, environment: Environment) -> None:
    settings.REDIS_URL = redis_server.replace(":test-password@", ":wrong@")
    environment(REDIS_URL=settings.REDIS_URL)
    assert only(broker.broker()).state is State.FAIL
