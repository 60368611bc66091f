"""Draws what is not camera: name tiles, labels, rounded corners, the speaker's ring, the title card."""

from __future__ import annotations

import hashlib

import numpy as np
from PIL import Image, ImageDraw

from . import lettering
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


def _even(value: float) -> int:
    return -(-int(value) // 2) * 2


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
    _draw_centred(image, lettering.initials(name), max(8, round(side * 0.36)), height / 2, INK)
    return Patch(image)


def draw_label(name: str, width: int, height: int) -> Overlay | None:
    """The name in a dark chip at the tile's lower left corner; none for a nameless one."""
    text = lettering.clean(name)
    if not text or width < 60:
        return None
    size = round(min(20, max(12, height * 0.062)))
    inset, padding = _even(size * 0.7), round(size * 0.6)
    text = lettering.shorten(text, size, width - 2 * inset - 2 * padding)
    chip_width = _even(lettering.measure(text, size) + 2 * padding)
    chip_height = _even(size * 1.85)
    image = _rounded(chip_width, chip_height, round(size * 0.5), (*BACKGROUND, 190))
    lettering.draw_text(ImageDraw.Draw(image), padding, chip_height / 2, text, size, (*INK, 255))
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
    text = lettering.clean(title)
    if text:
        size = round(height * 0.06)
        _draw_centred(image, lettering.shorten(text, size, width * 0.86), size, height * 0.48, INK)
    bar = (width // 2 - 36, round(height * 0.56), width // 2 + 36, round(height * 0.56) + 4)
    ImageDraw.Draw(image).rounded_rectangle(bar, 2, fill=RING if text else FAINT)
    return Patch(image)


def draw_more(count: int, width: int, height: int) -> Patch:
    """The last tile when not all people fit."""
    image = Image.new("RGB", (width, height), TILE)
    _draw_centred(image, f"+{count}", round(height * 0.28), height / 2, FAINT)
    return Patch(image)


def _draw_centred(
    image: Image.Image, text: str, size: int, middle: float, color: tuple[int, int, int]
) -> None:
    left = (image.width - lettering.measure(text, size)) / 2
    lettering.draw_text(ImageDraw.Draw(image), left, middle, text, size, color)


def _rounded(width: int, height: int, radius: int, color: tuple[int, int, int, int]) -> Image.Image:
    mask = Image.new("L", (width * SMOOTH, height * SMOOTH))
    box = (0, 0, width * SMOOTH - 1, height * SMOOTH - 1)
    ImageDraw.Draw(mask).rounded_rectangle(box, radius * SMOOTH, fill=color[3])
    image = Image.new("RGBA", (width, height), (*color[:3], 0))
    image.putalpha(mask.resize((width, height), Image.Resampling.BOX))
    return image
