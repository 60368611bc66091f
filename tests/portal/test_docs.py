"""What the documents say is so."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from portal import env
from portal.supervisor.plan import PARTS
from tools import settings_table

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def test_operations_shows_every_setting_as_it_is() -> None:
    text = settings_table.DOCUMENT.read_text()
    assert settings_table.with_table(text) == text, "run tools/settings_table.py"


def test_the_example_of_a_production_environment_is_valid() -> None:
    words = shlex.split((ROOT / "deploy" / "plenum.env").read_text(), comments=True)
    given = dict(word.split("=", 1) for word in words)
    assert set(given) <= {variable.name for variable in env.TABLE}
    assert env.load(given)["MEDIA_WORKERS"] == 4


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\((?!https?:|#|mailto:)([^)#]+)", path.read_text()):
        assert (path.parent / target).exists(), target


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_commands_exist(path: Path) -> None:
    text = path.read_text()
    for target in re.findall(r"`make ([a-z][a-z-]*)", text):
        assert target in TARGETS, f"make {target}"
    for command in re.findall(r"manage\.py ([a-z_]+)", text):
        apps = [
            *(ROOT / "portal").glob(f"management/commands/{command}.py"),
            *ROOT.glob(f"*/management/commands/{command}.py"),
        ]
        assert apps or command in ("changepassword", "migrate", "shell"), f"manage.py {command}"


def test_the_parts_named_in_operations_are_those_there_are() -> None:
    text = (ROOT / "docs" / "operations.md").read_text()
    assert f"The parts are {', '.join(f'`{part}`' for part in PARTS)}." in text


@pytest.mark.parametrize("path", sorted((ROOT / "deploy").glob("*.service")), ids=lambda path: path.name)
def test_units_run_commands_that_exist(path: Path) -> None:
    (start,) = re.findall(r"^ExecStart=(\S+) manage\.py (\w+)(.*)$", path.read_text(), re.MULTILINE)
    assert start[0].endswith(".venv/bin/python")
    assert (ROOT / "portal" / "management" / "commands" / f"{start[1]}.py").exists()
