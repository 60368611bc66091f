"""Moving pictures for the cameras of people who do not exist."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

WIDTH, HEIGHT, RATE, SECONDS = 640, 360, 8, 4
Colour = tuple[int, int, int]


@dataclass(frozen=True)
class Look:
    """What somebody's camera shows, in RGB: a gradient, and before it skin, hair and shirt of a figure."""

    top: Colour
    bottom: Colour
    person: tuple[Colour, Colour, Colour]
    speaks: bool = False


LIN = Look((86, 124, 138), (38, 52, 66), ((232, 200, 176), (34, 30, 34), (178, 66, 84)))
SARA = Look((196, 158, 120), (104, 76, 62), ((206, 160, 126), (66, 40, 30), (44, 92, 120)), speaks=True)
WANG = Look((128, 152, 122), (52, 76, 68), ((226, 190, 160), (24, 24, 28), (218, 214, 204)))
TOM = Look((150, 134, 172), (64, 56, 92), ((238, 206, 186), (150, 104, 58), (60, 110, 84)))


def write_camera(path: Path, look: Look) -> Path:
    """A looping .y4m file (4:2:0, BT.601): somebody sways a little before lights out of focus."""
    blend = np.linspace(0, 1, HEIGHT)[:, None, None]
    ground = (np.array(look.top) * (1 - blend) + np.array(look.bottom) * blend).repeat(WIDTH, axis=1)
    base = Image.fromarray(ground.astype(np.uint8))
    random = np.random.default_rng(sum(look.top))
    lights = [(random.uniform(0, WIDTH), random.uniform(0, 240), random.uniform(20, 60)) for _ in range(8)]
    white = Image.new("RGB", (WIDTH, HEIGHT), "white")
    skin, hair, shirt = (Image.new("RGB", (WIDTH, HEIGHT), colour) for colour in look.person)
    with path.open("wb") as file:
        file.write(f"YUV4MPEG2 W{WIDTH} H{HEIGHT} F{RATE}:1 Ip A1:1 C420jpeg\n".encode())
        for step in range(RATE * SECONDS):
            turn = 2 * np.pi * step / (RATE * SECONDS)
            glow = Image.new("L", (WIDTH, HEIGHT))
            pen = ImageDraw.Draw(glow)
            for index, (x, y, size) in enumerate(lights):
                left, above = x + 12 * np.sin(turn + index), y + 8 * np.cos(turn + 2 * index)
                pen.ellipse([left - size, above - size, left + size, above + size], fill=44)
            image = Image.composite(white, base, glow.filter(ImageFilter.GaussianBlur(6)))
            x = WIDTH / 2 + 9 * np.sin(turn)
            for colour, shape in (
                (shirt, [x - 150, 250, x + 150, 560]),
                (skin, [x - 22, 190, x + 22, 272]),
                (hair, [x - 64, 74, x + 64, 214]),
                (skin, [x - 54, 96, x + 54, 226]),
            ):
                mask = Image.new("L", (WIDTH, HEIGHT))
                ImageDraw.Draw(mask).ellipse(shape, fill=255)
                image = Image.composite(colour, image, mask.filter(ImageFilter.GaussianBlur(1.5)))
            y_plane, *colours = image.convert("YCbCr").split()
            half = (WIDTH // 2, HEIGHT // 2)
            small = [plane.resize(half, Image.Resampling.BOX).tobytes() for plane in colours]
            file.write(b"FRAME\n" + y_plane.tobytes() + b"".join(small))
    return path
