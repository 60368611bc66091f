"""The finder of marked words finds what the gettext tools would."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.portal import marked_words
from tests.portal.marked_words import NotLiteralError

PYTHON = """
from django.utils.translation import gettext as _, gettext_lazy, ngettext, pgettext_lazy
from django.utils import translation
from elsewhere import gettext

A = _("One") + gettext_lazy("Two "
    "halves")
B = pgettext_lazy("context", "Three") % ngettext("%d four", "%d fours", 4)
C = translation.gettext("Five") + gettext("not ours")
"""
TEMPLATE = """{% translate "One" %}{% translate 'Two' context "there" %}{{ x|default:_("Three") }}
{% include "a.html" with title=_("Four") text=_("It's “five”") %}{% translate "Six" as six %}
{% blocktranslate %}Hello {{ name }}{% endblocktranslate %}
{% blocktranslate trimmed with a=b count n=c %}
  {{ n }} "piece"
{% plural %}
  {{ n }} pieces
{% endblocktranslate %}{% blocktranslate context "far" %}Seven{% endblocktranslate %}{# _("no") #}
"""
SCRIPT = """
/** `gettext(words)` is not a call. */
const a = gettext("One") + gettext('Two') + gettext(`Three`);
const b = interpolate(ngettext("%s four", "%s \\"fours\\"", n), [n]);
const c = gettext(
  "Five " +
    "halves",
);
const d = pgettext("context", "Six"), e = my_gettext("no"), f = $gettext("no");
"""


@pytest.fixture
def keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], set[tuple[str, str, str]]]:
    monkeypatch.setattr(marked_words, "ROOT", tmp_path)

    def found(name: str, source: str) -> set[tuple[str, str, str]]:
        path = tmp_path / name
        path.write_text(source)
        finder = {
            "py": marked_words.in_python,
            "html": marked_words.in_template,
            "js": marked_words.in_script,
        }[path.suffix[1:]]
        return {word.key for word in finder(path)}

    return found


def test_python(keys: Callable[[str, str], set[tuple[str, str, str]]]) -> None:
    assert keys("a.py", PYTHON) == {
        ("", "One", ""),
        ("", "Two halves", ""),
        ("context", "Three", ""),
        ("", "%d four", "%d fours"),
        ("", "Five", ""),
    }


def test_templates(keys: Callable[[str, str], set[tuple[str, str, str]]]) -> None:
    assert keys("a.html", TEMPLATE) == {
        ("", "One", ""),
        ("there", "Two", ""),
        ("", "Three", ""),
        ("", "Four", ""),
        ("", "It's “five”", ""),
        ("", "Six", ""),
        ("", "Hello %(name)s", ""),
        ("", '%(n)s "piece"', "%(n)s pieces"),
        ("far", "Seven", ""),
    }


def test_scripts(keys: Callable[[str, str], set[tuple[str, str, str]]]) -> None:
    assert keys("a.js", SCRIPT) == {
        ("", "One", ""),
        ("", "Two", ""),
        ("", "Three", ""),
        ("", "%s four", '%s "fours"'),
        ("", "Five halves", ""),
        ("context", "Six", ""),
    }


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("a.py", "from django.utils.translation import gettext as _\n_(words)"),
        ("a.py", 'from django.utils.translation import gettext as _\n_(f"{a} words")'),
        ("a.js", "gettext(words);"),
        ("a.js", "gettext(`${a} words`);"),
    ],
)
def test_computed_words_are_refused(
    keys: Callable[[str, str], set[tuple[str, str, str]]], name: str, source: str
) -> None:
    with pytest.raises(NotLiteralError):
        keys(name, source)
