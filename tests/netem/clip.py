"""What the fake camera films and the fake microphone hears: content that can be checked after decoding.

Every picture carries its number in a bar of black and white cells and a patch of one strong colour, over a
textured ground that moves, so that an encoder needs about what a real room costs. The sound is one steady
tone. Both begin again without a jump.
"""

from __future__ import annotations

import wave
from dataclasses import dataclass
from pathlib import Path

import numpy as np

WIDTH, HEIGHT, RATE = 1280, 720, 25
COUNT = 100
"""Pictures until the clip begins again: four seconds."""
TONE = 600
CELLS = 10
"""White, black, seven bits of the number (most significant first), even parity of those."""
BAR = (0.05, 0.17, 0.05, 0.95)
PATCH = (0.25, 0.55, 0.05, 0.35)
"""Top, bottom, left, right in shares of the picture."""
PATCH_YUV = (100, 90, 190)
"""Y, U, V of the colour patch: a strong red."""
_STEP = 4


@dataclass(frozen=True)
class Clip:
    """Files for Chromium's `--use-file-for-fake-video-capture` and `…-audio-capture`."""

    video: Path
    audio: Path

    @property
    def flags(self) -> tuple[str, str]:
        return (
            f"--use-file-for-fake-video-capture={self.video}",
            f"--use-file-for-fake-audio-capture={self.audio}",
        )


def cells(number: int) -> list[int]:
    """The bar of a picture's number, 1 for white."""
    bits = [number >> (6 - place) & 1 for place in range(7)]
    return [1, 0, *bits, sum(bits) & 1]


def _texture(chance: np.random.Generator, height: int, width: int) -> np.ndarray:
    """A cloudy pattern that meets itself at its edges: noise whose fine grain is weak (1/f), 60 … 200."""
    grain = np.fft.rfft2(chance.standard_normal((height, width)))
    fy = np.abs(np.fft.fftfreq(height))[:, None] * height
    fx = np.abs(np.fft.rfftfreq(width))[None, :] * width
    clouds = np.fft.irfft2(grain / (1 + np.hypot(fy, fx)) ** 1.5, s=(height, width))
    return np.clip(130 + clouds / clouds.std() * 28, 60, 200)


def _pixels(box: tuple[float, float, float, float]) -> tuple[int, int, int, int]:
    top, bottom, left, right = box
    return int(HEIGHT * top), int(HEIGHT * bottom), int(WIDTH * left), int(WIDTH * right)


def pictures(chance: np.random.Generator) -> list[bytes]:
    """The frames as 4:2:0 planes."""
    ground = _texture(chance, HEIGHT, COUNT * _STEP)
    ground = np.tile(ground, (1, 2 + WIDTH // ground.shape[1]))
    # A few noise pictures in turn stand for a sensor's noise.
    noise = [chance.normal(0, 0.8, (HEIGHT, WIDTH)) for _ in range(7)]
    made = []
    for number in range(COUNT):
        luma = ground[:, number * _STEP : number * _STEP + WIDTH] + noise[number % len(noise)]
        top, bottom, left, right = _pixels(BAR)
        width = (right - left) / CELLS
        for place, white in enumerate(cells(number)):
            at = left + place * width
            luma[top:bottom, int(at) : int(at + width)] = 225 if white else 25
        top, bottom, left, right = _pixels(PATCH)
        luma[top:bottom, left:right] = PATCH_YUV[0]
        planes = [np.clip(luma, 16, 235).astype(np.uint8).tobytes()]
        for value in PATCH_YUV[1:]:
            chroma = np.full((HEIGHT // 2, WIDTH // 2), 128, np.uint8)
            chroma[top // 2 : bottom // 2, left // 2 : right // 2] = value
            planes.append(chroma.tobytes())
        made.append(b"".join(planes))
    return made


def write_clip(folder: Path) -> Clip:
    """The same clip every time; about 140 MB."""
    clip = Clip(folder / "clip.y4m", folder / "clip.wav")
    with clip.video.open("wb") as file:
        file.write(f"YUV4MPEG2 W{WIDTH} H{HEIGHT} F{RATE}:1 Ip A1:1 C420jpeg\n".encode())
        for picture in pictures(np.random.default_rng(1)):
            file.write(b"FRAME\n" + picture)
    samples = 0.3 * np.sin(2 * np.pi * TONE * np.arange(4 * 48_000) / 48_000)
    with wave.open(str(clip.audio), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(48_000)
        file.writeframes((samples * 32767).astype("<i2").tobytes())
    return clip
