"""Bringing an installation up to date."""

from __future__ import annotations

import io
import json
import re
import stat
import struct
from pathlib import Path

import pytest
from allauth.account.models import EmailAddress
from django.core.management import CommandError, call_command
from django.db import OperationalError
from pytest_django import Settings

from accounts.models import User
from portal import translations
from portal.supervisor import prepare as prepare_module
from portal.supervisor.preflight import CannotStart
from portal.supervisor.prepare import create_first_admin, first_admin_file, prepare


@pytest.fixture
def data_dir(settings: Settings, tmp_path: Path) -> Path:
    settings.DATA_DIR = tmp_path
    return tmp_path


@pytest.mark.django_db
def test_the_first_admin_can_sign_in_with_the_kept_password(data_dir: Path) -> None:
    password = create_first_admin()
    assert password
    user = User.objects.get(role=User.Role.ADMIN)
    assert user.check_password(password)
    assert user.is_staff
    assert user.is_superuser
    assert EmailAddress.objects.get(user=user).verified, "sign-in asks for a confirmed address"
    assert first_admin_file().read_text().split() == [user.email, password]
    assert stat.S_IMODE(first_admin_file().stat().st_mode) == 0o600


@pytest.mark.django_db
def test_where_there_is_an_administrator_nobody_is_made(data_dir: Path) -> None:
    User.objects.create_superuser("boss@example.org", "pw", name="Boss")
    assert create_first_admin() is None
    assert not first_admin_file().exists()
    assert User.objects.count() == 1


@pytest.mark.django_db
def test_a_second_time_does_nothing(data_dir: Path) -> None:
    said: list[str] = []
    prepare(said.append)
    assert any("First administrator" in line for line in said)
    said.clear()
    prepare(said.append)
    assert said == []


def test_a_database_that_does_not_answer_is_one_line(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(say: object) -> None:
        raise OperationalError("connection refused\nIs the server running?")

    monkeypatch.setattr(prepare_module, "migrate", broken)
    with pytest.raises(
        CannotStart, match=r"^the database cannot be used \(connection refused\): check DATABASE_URL"
    ):
        prepare(lambda line: None)
    with pytest.raises(CommandError, match="the database cannot be used"):
        call_command("prepare")


def collect(settings: Settings, target: Path) -> dict[str, str]:
    """Collect what STATICFILES_DIRS hold into `target` as the running portal does; stored name by name."""
    settings.STATICFILES_FINDERS = ["django.contrib.staticfiles.finders.FileSystemFinder"]
    settings.STATIC_ROOT = target
    settings.STORAGES = {
        **settings.STORAGES,
        "staticfiles": {"BACKEND": "portal.static.ModuleManifestStorage"},
    }
    call_command("collectstatic", interactive=False, verbosity=0)
    return json.loads((target / "staticfiles.json").read_text())["paths"]


MODULES = {
    "js/index.js": "import {\na\n} from \"./deep/hello.js\";\nexport { a } from './deep/hello.js';\n",
    "js/lazy.js": 'export const load = () => import("./deep/hello.js");\n',
    "js/deep/hello.js": 'import "../style.js"\nexport const a = 1;\n',
    "js/style.js": "export {};\n",
    # Types that need each other, and modules that nobody has.
    "js/a.js": '/**\n * @import { B } from "./b.js";\n * @see {import("./nowhere.js").C}\n */\nexport {};\n',
    "js/b.js": '/** @typedef {import("./a.js").A} A */\nexport {}; // see import("./nowhere.js")\n',
}


def test_a_module_and_what_it_imports_change_names_together(settings: Settings, tmp_path: Path) -> None:
    for name, text in MODULES.items():
        path = tmp_path / "source" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    settings.STATICFILES_DIRS = [tmp_path / "source"]
    names = collect(settings, tmp_path / "static")
    text = {name: (tmp_path / "static" / stored).read_text() for name, stored in names.items()}
    base = {name: Path(stored).name for name, stored in names.items()}
    assert text["js/index.js"].count(f'from "./deep/{base["js/deep/hello.js"]}"') == 2
    assert text["js/index.js"].startswith("import {\na\n} from")
    assert f'import("./deep/{base["js/deep/hello.js"]}")' in text["js/lazy.js"]
    assert f'import "../{base["js/style.js"]}"' in text["js/deep/hello.js"]
    assert text["js/a.js"] == MODULES["js/a.js"], "types in comments are left alone"
    for stored in names.values():
        assert re.search(r"\.[0-9a-f]{12}\.js$", stored)


def test_a_change_deep_down_renames_everything_above(settings: Settings, tmp_path: Path) -> None:
    """Else a browser would mix an old module from its cache with a new one."""
    source = tmp_path / "source"
    source.mkdir()
    depth = 12
    for level in range(depth):
        (source / f"m{level}.js").write_text(f'import "./m{level + 1}.js";\n')
    settings.STATICFILES_DIRS = [source]
    stored = []
    for turn in ("one", "two"):
        (source / f"m{depth}.js").write_text(f"export const turn = '{turn}';\n")
        stored.append(collect(settings, tmp_path / turn))
    assert set(stored[0].values()).isdisjoint(stored[1].values())


def test_every_import_of_ours_finds_its_stored_file(settings: Settings, tmp_path: Path) -> None:
    names = collect(settings, tmp_path)
    statement = re.compile(r"""^(?:import|export)\b[^"';]*["'](\.{1,2}/[^"']+)["']""", re.MULTILINE)
    dynamic = re.compile(r"""^(?!\s*(?:\*|//|/\*)).*\bimport\(\s*["'](\.{1,2}/[^"']+)["']""", re.MULTILINE)
    own = [tmp_path / stored for name, stored in names.items() if re.match(r"js/.*\.js$", name)]
    assert own
    for path in own:
        text = path.read_text()
        for target in statement.findall(text) + dynamic.findall(text):
            assert (path.parent / target).exists(), f"{path.name} imports {target}"


PO = """
msgid ""
msgstr ""
"Content-Type: text/plain; charset=UTF-8\\n"
"Plural-Forms: nplurals=1; plural=0;\\n"

msgid "Join"
msgstr "加入"

#, fuzzy
msgid "Leave"
msgstr "??"

msgid "%d person"
msgid_plural "%d people"
msgstr[0] "%d 人"
"""


def test_translations_are_compiled_without_gettext_tools(tmp_path: Path) -> None:
    import gettext

    source = tmp_path / "zh_Hans" / "LC_MESSAGES" / "django.po"
    source.parent.mkdir(parents=True)
    source.write_text(PO)
    (target,) = translations.compile_stale(tmp_path)
    assert struct.unpack("<I", target.read_bytes()[:4]) == (0x950412DE,)
    catalogue = gettext.GNUTranslations(io.BytesIO(target.read_bytes()))
    assert catalogue.gettext("Join") == "加入"
    assert catalogue.gettext("Leave") == "Leave", "an unsure translation is not shown"
    assert catalogue.ngettext("%d person", "%d people", 2) == "%d 人"
    assert translations.compile_stale(tmp_path) == [], "what is fresh is left alone"
    assert [path.name for path in target.parent.iterdir() if path.suffix not in (".po", ".mo")] == []
