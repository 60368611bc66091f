"""What the tests of the doctor share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django import Settings

from portal.doctor import broker, network, workers
from portal.doctor.report import Finding


def only(findings: Iterator[Finding]) -> Finding:
    (finding,) = findings
    return finding


@pytest.fixture
def data_dir(settings: Settings, tmp_path: Path) -> Path:
    settings.DATA_DIR = tmp_path
    settings.MEDIA_ROOT, settings.RECORDINGS_DIR = tmp_path / "files", tmp_path / "recordings"
    settings.MAIL_DIR = tmp_path / "mail"
    (tmp_path / "secrets").mkdir(mode=0o700)
    return tmp_path


def runs_here(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if a portal ran on this DATA_DIR."""
    for module in (broker, network, workers):
        monkeypatch.setattr(module, "portal_runs_here", lambda: True)
