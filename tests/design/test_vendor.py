"""Third-party browser code is what the lock file says, has its licence, and cannot be changed unseen."""

from __future__ import annotations

import importlib.util
import io
import json
import re
import shutil
import tarfile
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture
def vendor(root: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("vendor", root / "tools/vendor.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def lock(root: Path) -> dict:
    return json.loads((root / "tools/vendor.lock.json").read_text())


def tarball(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(f"package/{name}")
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def give(data: bytes):
    """Stands in for `npm pack`: the registry answers with these bytes."""

    def pack(name: str, version: str, folder: Path) -> bytes:
        (folder / f"{name}-{version}.tgz").write_bytes(data)
        return data

    return pack


def test_committed_files_are_as_recorded(vendor: ModuleType, lock: dict) -> None:
    assert vendor.check(lock) == []


def test_every_package_brings_its_licence(root: Path, lock: dict) -> None:
    for name, spec in lock["packages"].items():
        licence = root / "static/vendor" / spec["into"] / "LICENSE"
        assert licence.is_file() and "Copyright" in licence.read_text(), name
        assert re.fullmatch(r"\d+\.\d+\.\d+", spec["version"]), f"{name} is not pinned"


def test_an_edited_a_missing_and_a_foreign_file_are_told(
    vendor: ModuleType, lock: dict, tmp_path: Path
) -> None:
    copy = tmp_path / "vendor"
    shutil.copytree(vendor.TARGET, copy)
    (copy / "inter/LICENSE").write_text("mine now")
    (copy / "lucide/LICENSE").unlink()
    (copy / "lucide/extra.js").write_text("1")
    assert vendor.check(lock, copy) == [
        "changed: inter/LICENSE",
        "missing: lucide/LICENSE",
        "not in the lock file: lucide/extra.js",
    ]


def test_a_tarball_with_another_hash_is_refused_and_nothing_written(
    vendor: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, forged = tarball({"LICENSE": b"MIT"}), tarball({"LICENSE": b"evil"})
    spec = {
        "version": "1.0.0",
        "integrity": vendor.integrity_of(real),
        "into": "x",
        "files": {"LICENSE": "LICENSE"},
    }
    monkeypatch.setattr(vendor, "TARGET", tmp_path / "vendor")
    monkeypatch.setattr(vendor, "pack", give(forged))
    with pytest.raises(vendor.VendorError, match="the lock file says"):
        vendor.bring({"packages": {"x": spec}, "sha256": {}}, relock=False)
    assert not (tmp_path / "vendor").exists()
    monkeypatch.setattr(vendor, "pack", give(real))
    assert vendor.fetch("x", spec, relock=False) == {"x/LICENSE": b"MIT"}


def test_the_sprite_is_made_of_the_named_icons(vendor: ModuleType, tmp_path: Path) -> None:
    svg = b'<!-- c -->\n<svg\n  class="lucide"\n  viewBox="0 0 24 24"\n>\n  <path d="M1 1" />\n</svg>\n'
    path = tmp_path / "icons.tgz"
    path.write_bytes(tarball({"icons/b.svg": svg, "icons/a.svg": svg}))
    with tarfile.open(path) as archive:
        sprite = vendor.make_sprite(archive, ["b", "a", "b"]).decode()
        with pytest.raises(vendor.VendorError, match=r"no file icons/c\.svg"):
            vendor.make_sprite(archive, ["c"])
    assert re.findall(r'<symbol id="(\w)" viewBox="0 0 24 24"><path d="M1 1" /></symbol>', sprite) == [
        "a",
        "b",
    ]


def test_every_icon_that_pages_and_scripts_name_is_in_the_sprite(root: Path) -> None:
    sprite = set(re.findall(r'id="([\w-]+)"', (root / "static/vendor/lucide/sprite.svg").read_text()))
    named: dict[str, str] = {}
    for file in (root / "templates").rglob("*.html"):
        text = file.read_text()
        for name in re.findall(r"""\{% icon ["']([\w-]+)["']""", text):
            named[name] = file.name
        for name in re.findall(r"""icon_name=["']([\w-]+)["']""", text):
            named[name] = file.name
    for file in (root / "static/js").rglob("*.js"):
        for name in re.findall(r"""createIcon\(["']([\w-]+)["']""", file.read_text()):
            named[name] = file.name
    for name in re.findall(
        r'NavItem\("\w+", _\("[\w ]+"\), "([\w-]+)"', (root / "portal/nav.py").read_text()
    ):
        named[name] = "nav.py"
    assert len(named) > 30
    assert {name: file for name, file in named.items() if name not in sprite} == {}
