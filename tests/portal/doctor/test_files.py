"""Folders, secrets and collected files: what is wrong with them is told."""

from __future__ import annotations

from pathlib import Path

import pytest
from pytest_django import Settings

from accounts.models import User
from portal.doctor import files
from portal.doctor.report import State, fail, ok
from portal.supervisor.prepare import create_first_admin
from tests.portal.doctor.conftest import only


def test_a_writable_folder_with_space_is_fine(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        files.shutil, "disk_usage", lambda path: type("Usage", (), {"free": 50 * files.GIGABYTE})
    )
    assert only(files.data_folder()) == ok("Files", f"{data_dir} is writable, 50.0 GB free")


@pytest.mark.parametrize(("gigabytes", "state"), [(5, State.WARN), (0.5, State.FAIL)])
def test_little_space_is_told(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch, gigabytes: float, state: State
) -> None:
    usage = type("Usage", (), {"free": gigabytes * files.GIGABYTE})
    monkeypatch.setattr(files.shutil, "disk_usage", lambda path: usage)
    finding = only(files.data_folder())
    assert finding.state is state
    assert finding.do


def test_a_file_in_place_of_a_folder_is_told(data_dir: Path) -> None:
    (data_dir / "recordings").touch()
    finding = only(files.data_folder())
    assert finding.state is State.FAIL
    assert str(data_dir / "recordings") in finding.says


@pytest.mark.django_db
def test_a_secret_that_others_may_read_is_told(data_dir: Path) -> None:
    (data_dir / "secrets" / "secret_key").write_text("x")
    (data_dir / "secrets" / "secret_key").chmod(0o644)
    finding = next(files.secrets())
    assert finding.state is State.FAIL
    assert "secret_key" in finding.says
    (data_dir / "secrets" / "secret_key").chmod(0o600)
    assert next(files.secrets()).state is State.OK


@pytest.mark.django_db
def test_the_first_password_is_to_be_changed(data_dir: Path) -> None:
    create_first_admin()
    assert [finding.state for finding in files.secrets()] == [State.OK, State.WARN]
    admin = User.objects.get(role=User.Role.ADMIN)
    admin.set_password("another one")
    admin.save()
    assert [finding.state for finding in files.secrets()] == [State.OK]


def test_static_files_that_were_never_collected_are_told(data_dir: Path, settings: Settings) -> None:
    assert only(files.static_files()).state is State.OK  # the test settings serve them as they lie
    settings.STORAGES = {
        **settings.STORAGES,
        "staticfiles": {"BACKEND": "portal.static.ModuleManifestStorage"},
    }
    settings.STATIC_ROOT = data_dir / "static"
    assert only(files.static_files()) == fail("Static files", "were never collected", "manage.py prepare")
    (data_dir / "run").mkdir()
    (data_dir / "run" / "static.json").write_text('{"fingerprint": "of another version"}')
    assert only(files.static_files()).says == "are older than this version"
