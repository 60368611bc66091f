"""The tokens have the agreed values, both dark lists are one, every pair of colours is readable (WCAG AA)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

AGREED = {
    "paper": "#faf9f7",
    "card": "#fff",
    "ink": "#17212b",
    "ink-2": "#55616e",
    "line": "#e4e2dd",
    "brand": "#0f6e66",
    "brand-2": "#e3f1ef",
    "warn": "#b45309",
    "warn-2": "#fdf1dd",
    "bad": "#c0362c",
    "bad-2": "#fdebe9",
    "room": "#0e1216",
    "room-panel": "#161b21",
    "room-control": "#1e252c",
    "speaker": "#3fbfae",
    "hand": "#f0b429",
}
# Words on grounds, as the style sheets put them together; 4.5:1 (criterion 1.4.3).
WORDS = [
    *((word, ground) for word in ("ink", "ink-2", "brand") for ground in ("paper", "side", "card", "hover")),
    *(("ink", f"{meaning}-2") for meaning in ("brand", "warn", "bad", "neutral")),
    ("ink", "hero-glow"),
    ("ink-2", "hero-glow"),
    ("ink-2", "neutral-2"),
    ("ink", "raised"),
    ("brand", "brand-2"),
    ("warn-text", "warn-2"),
    ("bad-text", "bad-2"),
    ("bad-text", "card"),
    ("on-brand", "brand"),
    ("on-brand", "brand-hover"),
    ("on-bad", "bad"),
    ("on-bad", "bad-hover"),
]
# Borders of controls, focus rings and icons against what is beside them; 3:1 (criterion 1.4.11).
SHAPES = [("field-line", "card"), ("focus", "paper"), ("focus", "card"), ("warn", "warn-2"), ("bad", "bad-2")]


def tokens_of(block: str) -> dict[str, str]:
    return dict(re.findall(r"--([\w-]+):\s*([^;]+);", block))


@pytest.fixture
def css(root: Path) -> str:
    return (root / "static/css/tokens.css").read_text()


@pytest.fixture
def themes(css: str) -> dict[str, dict[str, str]]:
    light = tokens_of(css[css.index(":root {") : css.index("@media (prefers-color-scheme: dark)")])
    by_wish = css[css.index("@media (prefers-color-scheme: dark)") : css.index(':root[data-theme="dark"]')]
    by_choice = css[css.index(':root[data-theme="dark"]') : css.index(".hue-1")]
    assert tokens_of(by_wish) == tokens_of(by_choice), "the two dark lists differ"
    return {"light": light, "dark": light | tokens_of(by_choice)}


def luminance(colour: str) -> float:
    digits = colour.removeprefix("#")
    if len(digits) == 3:
        digits = "".join(digit * 2 for digit in digits)
    channels = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def test_the_values_are_the_agreed_ones(themes: dict[str, dict[str, str]]) -> None:
    light = themes["light"]
    assert {name: light[name] for name in AGREED} == AGREED
    assert (light["radius"], light["radius-control"], light["text"]) == ("14px", "10px", "15px")
    assert (light["h1"], light["h2"], light["h3"]) == ("26px", "22px", "16px")
    assert (light["regular"], light["medium"], light["bold"]) == ("450", "600", "680")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_words_and_shapes_have_enough_contrast(themes: dict[str, dict[str, str]], theme: str) -> None:
    values = themes[theme]
    found = {(a, b): contrast(values[a], values[b]) for a, b in (*WORDS, *SHAPES)}
    weak = {pair: round(found[pair], 2) for pair in WORDS if found[pair] < 4.5}
    weak |= {pair: round(found[pair], 2) for pair in SHAPES if found[pair] < 3}
    assert not weak


def test_white_initials_are_readable_on_every_hue(css: str) -> None:
    hues = dict(
        re.findall(r"\.hue-(\d) \{ --hue: (#\w+); \}", css.replace("\n  ", " ").replace(";\n}", "; }"))
    )
    assert sorted(hues) == list("12345678")
    weak = {hue: round(contrast("#ffffff", value), 2) for hue, value in hues.items()}
    assert not {hue: ratio for hue, ratio in weak.items() if ratio < 4.5}


def test_style_sheets_use_only_tokens_that_exist(root: Path, themes: dict[str, dict[str, str]]) -> None:
    known = {*themes["light"], "hue"}
    missing: dict[str, set[str]] = {}
    included = re.findall(r"'(css/[\w.]+)'", (root / "templates/components/styles.html").read_text())
    for name in included:
        text = (root / "static" / name).read_text()
        used = set(re.findall(r"var\(--([\w-]+)", text))
        if used - known:
            missing[name] = used - known
        if not name.endswith("tokens.css"):
            literal = set(re.findall(r"#[0-9a-fA-F]{3,8}\b", re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)))
            assert literal <= {"#fff"}, f"{name} has colours of its own: {literal}"
    assert not missing
