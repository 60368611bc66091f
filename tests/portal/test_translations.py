"""The Chinese catalogues are whole, keep their placeholders and are the ones that are used.

docs/translating.md says how to bring them up to date.
"""

from __future__ import annotations

import datetime as dt
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import polib
import pytest
from django.utils import formats, translation
from django.utils.translation import gettext, ngettext, pgettext

from portal import borrowed_words
from tests.portal import marked_words
from tests.portal.marked_words import ROOT, Marked

FOLDER = ROOT / "locale" / "zh_Hans" / "LC_MESSAGES"
DOMAINS: dict[str, Callable[[], list[Marked]]] = {
    "django": marked_words.of_pages_and_mails,
    "djangojs": marked_words.of_scripts,
}
HOW = "run `make messages`, then translate: docs/translating.md"

# Words that are the same in Chinese.
SAME = {"HTML", "%(greeting)s, %(name)s"}
PLACEHOLDER = re.compile(r"%\(\w+\)[a-z]|%[sd]|\{\w*\}")


@pytest.fixture(params=DOMAINS)
def domain(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def catalogue(domain: str) -> polib.POFile:
    return polib.pofile(str(FOLDER / f"{domain}.po"))


def texts(entry: polib.POEntry) -> list[str]:
    return list(entry.msgstr_plural.values()) if entry.msgid_plural else [entry.msgstr]


def test_every_entry_is_translated_and_sure(catalogue: polib.POFile) -> None:
    assert len(catalogue) > 100
    assert [entry.msgid for entry in catalogue if entry.fuzzy or not all(texts(entry))] == [], HOW
    assert catalogue.metadata["Plural-Forms"] == "nplurals=1; plural=0;"


def test_every_marked_word_is_in_the_catalogue(domain: str, catalogue: polib.POFile) -> None:
    known = {
        (entry.msgctxt or "", entry.msgid, entry.msgid_plural) for entry in catalogue if not entry.obsolete
    }
    marked = DOMAINS[domain]()
    assert len({word.key for word in marked}) > 100
    assert sorted({(word.words, word.place) for word in marked if word.key not in known}) == [], HOW


def test_one_and_many_are_not_mixed(domain: str) -> None:
    """A catalogue holds a message once, so the same words cannot be used both with and without a plural."""
    shapes: dict[tuple[str, str], set[str]] = {}
    for word in DOMAINS[domain]():
        shapes.setdefault((word.context, word.words), set()).add(word.many)
    assert {words: many for words, many in shapes.items() if len(many) > 1} == {}


def test_placeholders_are_kept(catalogue: polib.POFile) -> None:
    def holes(text: str) -> Counter[str]:
        return Counter(PLACEHOLDER.findall(text.replace("%%", "")))

    for entry in catalogue:
        wanted = {frozenset(holes(text).items()) for text in (entry.msgid, entry.msgid_plural) if text}
        for text in texts(entry):
            assert frozenset(holes(text).items()) in wanted, entry.msgid
            assert text.count("%") == sum(holes(text).values()) + 2 * text.count("%%"), entry.msgid


def test_translations_are_chinese_and_set_as_chinese(catalogue: polib.POFile) -> None:
    for entry in catalogue:
        for text in texts(entry):
            if entry.msgctxt == "date format" or entry.msgid in SAME:
                continue
            assert re.search(r"[\u4e00-\u9fff]", text), entry.msgid
            assert text == text.strip(), entry.msgid
            assert not re.search(r"[\u4e00-\u9fff][,;:?!()]|[,;?!()][\u4e00-\u9fff]", text), text
            assert not re.search(r"[\"'‘’]|\.\.\.|你", text), text


def test_a_term_has_one_word(catalogue: polib.POFile) -> None:
    """That of the glossary in docs/translating.md, where the term is the whole message."""
    terms = re.findall(r"(?m)^\| ([^|]+?) \| ([^|]+?) \|", (ROOT / "docs" / "translating.md").read_text())[2:]
    glossary = {english: chinese.split("、") for english, chinese in terms}
    assert len(glossary) > 20
    for entry in catalogue:
        if not entry.msgctxt and entry.msgid.lower() in glossary:
            assert texts(entry)[0] in glossary[entry.msgid.lower()], entry.msgid


def test_minutes_of_a_meeting_are_not_minutes_of_time(chinese: None) -> None:
    assert gettext("Minutes") == "会议纪要"
    assert pgettext("duration", "Minutes") == "时长（分钟）"
    assert ngettext("Starts in %(count)d min", "Starts in %(count)d min", 2) % {"count": 2} == "2 分钟后开始"


def test_dates_are_written_as_in_china(chinese: None) -> None:
    day = dt.datetime(2026, 11, 23, 9, 5)
    shapes = {
        "l j F Y": "2026年11月23日 星期一",
        "j M Y, H:i": "2026年11月23日 09:05",
        "D j M": "11月23日 周一",
        "j M": "11月23日",
    }
    for shape, written in shapes.items():
        assert formats.date_format(day, pgettext("date format", shape)) == written


def test_no_date_is_shaped_for_english_only() -> None:
    """A shape with the name or order of English dates is translated, with the context "date format"."""
    english = re.compile(r"""date:["'](?:[^"']*[jFM][^"']*)["']|date_format\([^()]*, "[^"]*[jFM][^"]*"\)""")
    allowed = "DATE_FORMAT"
    for path in [*(ROOT / "templates").rglob("*.*"), *(ROOT / "meetings").rglob("*.py")]:
        found = [shape for shape in english.findall(path.read_text()) if allowed not in shape]
        assert found == [], path


def test_borrowed_words_are_those_of_the_libraries() -> None:
    """Otherwise our translation of them is never seen."""
    import allauth
    import axes
    import django

    known: set[str] = set()
    for library, folder in ((django, "conf/locale"), (allauth, "locale")):
        path = Path(str(library.__file__)).parent / folder / "zh_Hans" / "LC_MESSAGES" / "django.mo"
        known |= {entry.msgid for entry in polib.mofile(str(path))}
    django_folder, axes_folder = Path(django.__file__).parent, Path(axes.__file__).parent
    contrib = django_folder / "contrib"
    pages = contrib.glob("admin/templates/admin/*.html")
    sources = [contrib / "auth" / "password_validation.py", *pages, *axes_folder.glob("*.py")]
    text = "".join(path.read_text() for path in sources)
    with translation.override("en"):
        assert [word for word in borrowed_words.PASSWORDS if f'"{word}"' not in text] == []
    missing = [
        word
        for word in borrowed_words.ADMINISTRATION
        if not re.search(rf"""["']{re.escape(word)}["']""", text)
    ]
    assert missing == []
    for group in (borrowed_words.WEEKDAYS, borrowed_words.FIELDS, borrowed_words.ACCOUNTS):
        assert set(group) <= known


def test_the_compiled_catalogue_wins_over_the_libraries(chinese: None) -> None:
    assert gettext("Email") == "邮箱"
    assert gettext("You cannot remove your primary email address.") == "不能移除主邮箱。"
    assert translation.get_language() == "zh-hans"
