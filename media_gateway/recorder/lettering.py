"""Names as they are drawn: cleaned, shortened, each stretch of text in a font that knows its script."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from itertools import groupby
from pathlib import Path

from PIL import ImageDraw, ImageFont

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
Color = tuple[int, ...]

WEIGHT = 600

_INTER = Path(__file__).resolve().parents[2] / "static" / "vendor" / "inter"
_SYSTEM = ("NotoSans-SemiBold.ttf", "NotoSans-Bold.ttf", "DejaVuSans-Bold.ttf", "LiberationSans-Bold.ttf")
_CJK = (
    "/usr/share/fonts/opentype/noto/NotoSansCJK-Bold.ttc",
    "/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc",
    "NotoSansCJK-Bold.ttc",
    "NotoSansCJK-Regular.ttc",
    "NotoSansSC-Bold.otf",
    "NotoSansSC-Regular.otf",
    "wqy-zenhei.ttc",
    "DroidSansFallbackFull.ttf",
)
_CJK_SC_FACE = 2  # of Noto's collection: Japanese, Korean, Simplified, Traditional, Hong Kong
_INTER_SUBSETS = ("latin", "latin-ext", "vietnamese", "greek", "cyrillic")
# Characters by script, the first that matches; what none knows is "other".
_SCRIPTS = (
    (
        "latin",
        re.compile(
            r"[\x20-\x7e\xa0-\xff\u0131\u0152\u0153\u2013\u2014\u2018-\u201a\u201c-\u201e\u2026\u20ac]"
        ),
    ),
    (
        "latin-ext",
        re.compile(r"[\u0100-\u0130\u0132-\u0148\u014a-\u0151\u0154-\u017f\u0192\u0218-\u021b\u1e80-\u1e85]"),
    ),
    ("vietnamese", re.compile(r"[\u01a0\u01a1\u01af\u01b0\u1ea0-\u1ef9]")),
    ("greek", re.compile(r"[\u0386-\u038a\u038c\u038e-\u03a1\u03a3-\u03ce]")),
    ("cyrillic", re.compile(r"[\u0401\u040e\u0410-\u044f\u0451\u045e\u0404\u0406\u0407\u0454\u0456\u0457]")),
    (
        "cjk",
        re.compile(
            r"[\u1100-\u11ff\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uffef\U00020000-\U0003ffff]"
        ),
    ),
)


@lru_cache(maxsize=256)
def load_font(script: str, size: int) -> tuple[Font, bool]:
    """(the best font at hand for a script, whether it is one meant for it)."""
    if script in _INTER_SUBSETS:
        try:
            inter = ImageFont.truetype(str(_INTER / f"inter-{script}.woff2"), size)
            inter.set_variation_by_axes([WEIGHT])
            return inter, True
        except OSError:  # the file is missing, or this FreeType cannot unpack it
            pass
    for name in _CJK if script == "cjk" else _SYSTEM:
        try:
            return ImageFont.truetype(name, size, index=_CJK_SC_FACE if "CJK" in name else 0), True
        except OSError:
            continue  # not installed
    return ImageFont.load_default(size), script == "latin"


def scripts_of(text: str) -> set[str]:
    return {script for script, _ in _runs(text)}


def missing_scripts(text: str) -> set[str]:
    """The scripts of a text that no font here can show."""
    return {script for script in scripts_of(clean(text)) if not load_font(script, 16)[1]}


def clean(text: str) -> str:
    """Without control characters and pictographs (no font here has them), blanks made single."""
    kept = "".join(
        character
        for character in unicodedata.normalize("NFC", text)
        if unicodedata.category(character)[0] != "C"
        and not 0x1F000 <= ord(character) <= 0x1FBFF
        and not 0xFE00 <= ord(character) <= 0xFE0F
    )
    return " ".join(kept.split())


def initials(name: str) -> str:
    """At most two letters, or one CJK character: ``Lin Mei`` → LM, ``王伟`` → 王, ``Guest: Tom B.`` → TB."""
    name = clean(name).rpartition(":")[2].strip()
    words = [word for word in re.split(r"[\s·._-]+", name) if word and word[0].isalnum()]
    if not words:
        return name[:1] or "?"
    if _script(words[0][0]) == "cjk":
        return words[0][0]
    if len(words) == 1:
        return words[0][:2].upper()
    return (words[0][0] + words[1][0]).upper()


def measure(text: str, size: int) -> float:
    """Width in pixels."""
    return sum(load_font(script, size)[0].getlength(run) for script, run in _runs(text))


def shorten(text: str, size: int, width: float) -> str:
    """As much of a text as fits, with an ellipsis when something is left out."""
    if measure(text, size) <= width:
        return text
    while text and measure(text + "…", size) > width:
        text = text[:-1]
    return text.rstrip() + "…"


def draw_text(draw: ImageDraw.ImageDraw, x: float, middle: float, text: str, size: int, fill: Color) -> None:
    """Draw from ``x`` on, capitals or ideographs vertically centred on ``middle``."""
    runs = _runs(text)
    script = "cjk" if any(script == "cjk" for script, _ in runs) else "latin"
    _, top, _, bottom = load_font(script, size)[0].getbbox("国" if script == "cjk" else "H", anchor="ls")
    baseline = middle - (top + bottom) / 2
    for script, run in runs:
        font, _ = load_font(script, size)
        draw.text((x, baseline), run, font=font, fill=fill, anchor="ls")
        x += font.getlength(run)


def _script(character: str) -> str:
    return next((name for name, pattern in _SCRIPTS if pattern.match(character)), "other")


def _runs(text: str) -> list[tuple[str, str]]:
    """Stretches of one script; blanks and marks stay with what stands before them, so that shaping works."""
    tagged: list[tuple[str, str]] = []
    for character in text:
        neutral = character == " " or unicodedata.combining(character)
        script = tagged[-1][0] if neutral and tagged else _script(character)
        tagged.append((script, character))
    return [
        (script, "".join(character for _, character in group))
        for script, group in groupby(tagged, key=lambda each: each[0])
    ]
