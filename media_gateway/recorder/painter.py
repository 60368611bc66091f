"""Draws what is not camera: name tiles, labels, rounded corners, the speaker's ring, the title card."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from .canvas import Overlay, Patch

BACKGROUND = (0x0E, 0x12, 0x16)
TILE = (0x1E, 0x25, 0x2C)
INK = (0xEE, 0xF1, 0xF3)
FAINT = (0x98, 0xA2, 0xAB)
RING = (0x3F, 0xBF, 0xAE)
TINTS = ((60, 140, 110), (70, 110, 190), (190, 90, 70), (130, 80, 180), (60, 150, 150), (170, 140, 60))

RADIUS = 12
RING_WIDTH = 4
SMOOTH = 4  # shapes are drawn so many times larger and scaled down: Pillow's own edges are jagged

_VENDOR = Path(__file__).resolve().parents[2] / "static" / "vendor" / "inter"
_LATIN_FONTS = (str(_VENDOR / "inter-latin.woff2"), "Inter-SemiBold.otf", "Inter.ttf")
_WIDE_FONTS = ("NotoSans-SemiBold.ttf", "NotoSans-Bold.ttf", "DejaVuSans-Bold.ttf", "LiberationSans-Bold.ttf")
_CJK_FONTS = (
    "/usr/share/fonts/opentype/noto/NotoSansCJK-Bold.ttc",
    "/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc",
    "NotoSansCJK-Bold.ttc",
    "NotoSansCJK-Regular.ttc",
    "NotoSansSC-Regular.otf",
    "wqy-zenhei.ttc",
    "DroidSansFallbackFull.ttf",
)
_CJK_SC_FACE = 2  # Noto's collection: Japanese, Korean, Simplified, Traditional, Hong Kong
_LATIN = re.compile(r"[\x20-\x7e\xa0-\xff\u2013\u2014\u2018-\u201e\u2026\u20ac]*")
_CJK = re.compile(r"[\u1100-\u11ff\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uffef\U00020000-\U0003ffff]")

AnyFont = ImageFont.FreeTypeFont | ImageFont.ImageFont


@lru_cache(maxsize=256)
def load_font(script: str, size: int) -> tuple[AnyFont, bool]:
    """(the best font at hand for ``latin``, ``wide`` or ``cjk`` text, whether it knows that script)."""
    candidates = {
        "latin": (*_LATIN_FONTS, *_WIDE_FONTS),
        "wide": (*_WIDE_FONTS, *_CJK_FONTS),
        "cjk": _CJK_FONTS,
    }
    for name in candidates[script]:
        try:
            face = _CJK_SC_FACE if "CJK" in name else 0
            font = ImageFont.truetype(name, size, index=face)
        except OSError:
            continue  # not installed
        if name.startswith(str(_VENDOR)):
            font.set_variation_by_axes([600])
        return font, True
    return ImageFont.load_default(size), script == "latin"


def script_of(text: str) -> str:
    if _LATIN.fullmatch(text):
        return "latin"
    return "cjk" if _CJK.search(text) else "wide"


def clean_text(text: str) -> str:
    """A name as it can be drawn: no control characters, no pictographs (no font here has them)."""
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
    name = clean_text(name).rpartition(":")[2].strip()
    if not name:
        return "?"
    words = [word for word in re.split(r"[\s·._-]+", name) if word and word[0].isalnum()]
    if not words or _CJK.match(name):
        return name[0].upper()
    if len(words) == 1:
        return words[0][:2].upper()
    return (words[0][0] + words[-1][0]).upper()


def _even(value: float) -> int:
    return -(-int(value) // 2) * 2


def _shorten(text: str, font: AnyFont, width: int) -> str:
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "…") > width:
        text = text[:-1]
    return text.rstrip() + "…"


def draw_name_tile(name: str, key: str, width: int, height: int) -> Patch:
    """A tile for somebody without picture: a disc with initials on a faint tint that stays the person's."""
    tint = TINTS[hashlib.sha256(key.encode()).digest()[0] % len(TINTS)]
    rows = np.linspace(0, 1, height, dtype=np.float32)[:, None]
    columns = np.linspace(0, 1, width, dtype=np.float32)[None, :]
    glow = np.clip(1 - np.hypot(columns - 0.3, (rows - 0.2) * 0.8) / 0.95, 0, 1)[..., None] * 0.22
    base = np.array(TILE, dtype=np.float32)
    rgb = base + (np.array(tint, dtype=np.float32) - base) * glow
    image = Image.fromarray(np.clip(rgb + 0.5, 0, 255).astype(np.uint8), "RGB")

    side = _even(min(height * 0.42, width * 0.42, 200))
    disc = Image.new("L", (side * SMOOTH, side * SMOOTH))
    ImageDraw.Draw(disc).ellipse((0, 0, side * SMOOTH - 1, side * SMOOTH - 1), fill=40)
    place = ((width - side) // 2, (height - side) // 2)
    image.paste(INK, place, disc.resize((side, side), Image.Resampling.LANCZOS))
    letters = initials(name)
    font, _ = load_font(script_of(letters), max(8, round(side * 0.36)))
    ImageDraw.Draw(image).text((width / 2, height / 2), letters, font=font, fill=INK, anchor="mm")
    return Patch(image)


def draw_label(name: str, width: int, height: int) -> Overlay | None:
    """The name in a dark chip at the tile's lower left corner; none for a nameless one."""
    text = clean_text(name)
    if not text or width < 60:
        return None
    size = round(min(20, max(12, height * 0.062)))
    font, _ = load_font(script_of(text), size)
    inset, padding = _even(size * 0.7), round(size * 0.6)
    text = _shorten(text, font, width - 2 * inset - 2 * padding)
    chip_width = _even(font.getlength(text) + 2 * padding)
    chip_height = _even(size * 1.85)
    image = _rounded(chip_width, chip_height, round(size * 0.5), (*BACKGROUND, 190))
    ImageDraw.Draw(image).text((padding, chip_height / 2), text, font=font, fill=(*INK, 255), anchor="lm")
    return Overlay.from_image(image, inset, height - inset - chip_height)


def draw_frame(width: int, height: int, *, speaking: bool) -> list[Overlay]:
    """What rounds a tile's corners and, for a speaker, the ring; cut into pieces to blend little."""
    large = (width * SMOOTH, height * SMOOTH)
    box = (0, 0, large[0] - 1, large[1] - 1)
    outside = Image.new("L", large, 255)
    ImageDraw.Draw(outside).rounded_rectangle(box, RADIUS * SMOOTH, fill=0)
    image = Image.new("RGBA", (width, height), (*RING, 0))
    if speaking:
        ring = Image.new("L", large)
        ImageDraw.Draw(ring).rounded_rectangle(box, RADIUS * SMOOTH, outline=255, width=RING_WIDTH * SMOOTH)
        image.putalpha(ring.resize((width, height), Image.Resampling.BOX))
    cover = Image.new("RGBA", (width, height), (*BACKGROUND, 255))
    cover.putalpha(outside.resize((width, height), Image.Resampling.BOX))
    # Ring and corner share edge pixels; one over the other is what the eye expects there.
    image = Image.alpha_composite(image, cover)
    edge = RADIUS + RADIUS % 2
    side = RING_WIDTH + RING_WIDTH % 2
    corners = [(x, y, edge, edge) for x in (0, width - edge) for y in (0, height - edge)]
    middle = [(edge, y, width - 2 * edge, side) for y in (0, height - side)]
    middle += [(x, edge, side, height - 2 * edge) for x in (0, width - side)]
    pieces = corners + middle if speaking else corners
    return [Overlay.from_image(image.crop((x, y, x + w, y + h)), x, y) for x, y, w, h in pieces]


def draw_title_card(title: str, width: int, height: int) -> Patch:
    """What is shown while nobody is there."""
    image = Image.new("RGB", (width, height), BACKGROUND)
    text = clean_text(title)
    draw = ImageDraw.Draw(image)
    if text:
        font, _ = load_font(script_of(text), round(height * 0.06))
        text = _shorten(text, font, round(width * 0.86))
        draw.text((width / 2, height * 0.48), text, font=font, fill=INK, anchor="mm")
    bar = (width // 2 - 36, round(height * 0.56), width // 2 + 36, round(height * 0.56) + 4)
    draw.rounded_rectangle(bar, 2, fill=RING if text else FAINT)
    return Patch(image)


def draw_more(count: int, width: int, height: int) -> Patch:
    """The last tile when not all people fit."""
    image = Image.new("RGB", (width, height), TILE)
    font, _ = load_font("latin", round(height * 0.28))
    ImageDraw.Draw(image).text((width / 2, height / 2), f"+{count}", font=font, fill=FAINT, anchor="mm")
    return Patch(image)


def _rounded(width: int, height: int, radius: int, color: tuple[int, int, int, int]) -> Image.Image:
    mask = Image.new("L", (width * SMOOTH, height * SMOOTH))
    box = (0, 0, width * SMOOTH - 1, height * SMOOTH - 1)
    ImageDraw.Draw(mask).rounded_rectangle(box, radius * SMOOTH, fill=color[3])
    image = Image.new("RGBA", (width, height), (*color[:3], 0))
    image.putalpha(mask.resize((width, height), Image.Resampling.BOX))
    return image
