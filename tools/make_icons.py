#!/usr/bin/env python3
"""Draw Plenum's mark (a conic green gradient on a rounded square) as SVG, PNG and ICO into static/icons/.

SVG has no conic gradient, so the SVG is made of narrow wedges; the pixels are computed. After a change:
    .venv/bin/python tools/make_icons.py
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from PIL import Image

TARGET = Path(__file__).resolve().parent.parent / "static" / "icons"
START = 210.0  # degrees clockwise from the top, where the darkest ray points
STOPS = [(0.0, (15, 110, 102)), (1 / 3, (82, 181, 166)), (2 / 3, (217, 238, 232)), (1.0, (15, 110, 102))]
ROUND = 8 / 26  # corner radius as a share of the side
WEDGES = 72


def colour(turn: np.ndarray) -> np.ndarray:
    """RGB (…, 3) of 0–1 turns from the dark ray, clockwise."""
    places = [place for place, _ in STOPS]
    return np.stack([np.interp(turn, places, [rgb[i] for _, rgb in STOPS]) for i in range(3)], axis=-1)


def draw(size: int, *, rounded: bool) -> Image.Image:
    """The mark as an RGBA image of size × size pixels, drawn four times larger for smooth edges."""
    side = size * 4
    y, x = np.mgrid[0:side, 0:side] + 0.5
    angle = np.degrees(np.arctan2(x - side / 2, side / 2 - y))
    rgb = colour(((angle - START) % 360) / 360)
    alpha = np.full((side, side), 255.0)
    if rounded:
        radius = side * ROUND
        dx = np.maximum(np.abs(x - side / 2) - (side / 2 - radius), 0)
        dy = np.maximum(np.abs(y - side / 2) - (side / 2 - radius), 0)
        alpha[np.hypot(dx, dy) > radius] = 0
    pixels = np.dstack([rgb, alpha]).round().astype(np.uint8)
    return Image.fromarray(pixels, "RGBA").resize((size, size), Image.Resampling.LANCZOS)


def make_svg() -> str:
    """The same as wedges from the middle, each a little too wide so that no seam shows."""
    step = 360 / WEDGES
    wedges = []
    for index in range(WEDGES):
        start, end = (math.radians(START + step * (index + d)) for d in (0, 1.35))
        points = " ".join(f"{26 + 40 * math.sin(a):.1f} {26 - 40 * math.cos(a):.1f}" for a in (start, end))
        r, g, b = colour(np.array((index + 0.5) / WEDGES)).round().astype(int)
        wedges.append(f'<path fill="#{r:02x}{g:02x}{b:02x}" d="M26 26L{points}"/>')
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 52 52">'
        f'<clipPath id="c"><rect width="52" height="52" rx="{52 * ROUND:g}"/></clipPath>'
        f'<g clip-path="url(#c)">{"".join(wedges)}</g></svg>\n'
    )


def main() -> None:
    TARGET.mkdir(parents=True, exist_ok=True)
    (TARGET / "plenum.svg").write_text(make_svg())
    for size in (192, 512):
        draw(size, rounded=True).save(TARGET / f"icon-{size}.png", optimize=True)
    draw(512, rounded=False).save(TARGET / "icon-maskable.png", optimize=True)
    draw(180, rounded=False).convert("RGB").save(TARGET / "apple-touch-icon.png", optimize=True)
    draw(48, rounded=True).save(TARGET / "favicon.ico", sizes=[(16, 16), (32, 32), (48, 48)])


if __name__ == "__main__":
    main()
