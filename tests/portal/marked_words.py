"""What is marked for translation in templates, Python and scripts, found without the gettext tools."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from django.utils.translation.template import templatize

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("accounts", "media_gateway", "meetings", "portal")

# The function's bare name → which arguments are the context, the words and the words of many.
SHAPES: dict[str, tuple[int | None, int, int | None]] = {
    "gettext": (None, 0, None),
    "pgettext": (0, 1, None),
    "ngettext": (None, 0, 1),
    "npgettext": (0, 1, 2),
}
# `templatize` writes u'…'.
_LITERAL = r"""u?\"(?:\\.|[^"\\])*\"|u?'(?:\\.|[^'\\])*'|`(?:\\.|[^`\\$])*`"""
_CALL = re.compile(rf"(?<![\w.$])(n?p?gettext|_)\(\s*((?:(?:{_LITERAL})\s*[,+]?\s*)+)")


class Marked(NamedTuple):
    """One message: `context` and `many` are "" where there is none; `place` is the file below the root."""

    context: str
    words: str
    many: str
    place: str

    @property
    def key(self) -> tuple[str, str, str]:
        return self.context, self.words, self.many


class NotLiteralError(Exception):
    """The words of a call are computed, so that no tool can find them."""


def _pick(name: str, arguments: list[str], place: str) -> Marked:
    context, words, many = SHAPES[name]
    return Marked(
        "" if context is None else arguments[context],
        arguments[words],
        "" if many is None else arguments[many],
        place,
    )


def _place(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def in_python(path: Path) -> Iterator[Marked]:
    tree = ast.parse(path.read_text())
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "django.utils.translation":
            for alias in node.names:
                bare = re.sub(r"_(lazy|noop)$", "", alias.name)
                if bare in SHAPES:
                    names[alias.asname or alias.name] = bare
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        if isinstance(node.func, ast.Name):
            name = names.get(node.func.id)
        elif isinstance(node.func, ast.Attribute) and ast.unparse(node.func.value) == "translation":
            name = re.sub(r"_(lazy|noop)$", "", node.func.attr)
        else:
            continue
        if name not in SHAPES:
            continue
        wanted = [index for index in SHAPES[name] if index is not None]
        arguments = [argument.value if isinstance(argument, ast.Constant) else None for argument in node.args]
        if any(not isinstance(arguments[index], str) for index in wanted):
            raise NotLiteralError(f"{_place(path)}:{node.lineno}")
        yield _pick(name, [str(argument) for argument in arguments], _place(path))


def in_template(path: Path) -> Iterator[Marked]:
    for name, arguments in _calls(templatize(path.read_text(), origin=str(path))):
        yield _pick("gettext" if name == "_" else name, arguments, _place(path))


def in_script(path: Path) -> Iterator[Marked]:
    source = path.read_text()
    found = list(_calls(source))
    said = len(re.findall(r"(?<![\w.$])n?p?gettext\((?!\))", re.sub(r"(?m)^\s*(/?\*|//).*$", "", source)))
    if len(found) < said:
        raise NotLiteralError(f"{_place(path)}: {said - len(found)} calls without literal words")
    for name, arguments in found:
        yield _pick(name, arguments, _place(path))


def _calls(source: str) -> Iterator[tuple[str, list[str]]]:
    for call in _CALL.finditer(source):
        arguments, joined = [], False
        for literal, follows in re.findall(rf"({_LITERAL})\s*([,+]?)", call[2]):
            text = ast.literal_eval(f'"""{literal[1:-1]}"""' if literal[0] == "`" else literal)
            if joined:
                arguments[-1] += text
            else:
                arguments.append(text)
            joined = follows == "+"
        yield call[1], arguments


def of_pages_and_mails() -> list[Marked]:
    """Domain `django`: Python and templates."""
    found: list[Marked] = []
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            if "migrations" not in path.parts:
                found += in_python(path)
    for ending in ("html", "txt"):
        for path in sorted((ROOT / "templates").rglob(f"*.{ending}")):
            found += in_template(path)
    return found


def of_scripts() -> list[Marked]:
    """Domain `djangojs`: the scripts that browsers run."""
    return [word for path in sorted((ROOT / "static" / "js").rglob("*.js")) for word in in_script(path)]
