"""Picture codes and tones: what a camera shows and a microphone hears, recognisable after decoding.

A picture is one strong colour with a bar of eight black or white cells (the code's bits, most significant
first) across its middle, the number in large digits above, and a block that moves so that the encoder has
work. `find_codes` finds every such picture anywhere in an RGB image, also scaled and letterboxed.
"""

from __future__ import annotations

import wave
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

WIDTH, HEIGHT, RATE = 640, 360, 15
BAR_TOP, BAR_BOTTOM, BAR_LEFT, BAR_RIGHT = 0.40, 0.66, 0.10, 0.90


@dataclass(frozen=True)
class Person:
    """What one person's fake devices send: `number` 1–254, an RGB `colour`, a `pitch` in Hz."""

    number: int
    colour: tuple[int, int, int]
    pitch: int


RED = Person(0b10110101, (190, 30, 30), 500)
GREEN = Person(0b11010011, (20, 140, 50), 800)
BLUE = Person(0b10011101, (30, 60, 190), 1200)


def picture(person: Person, step: int = 0, size: tuple[int, int] = (WIDTH, HEIGHT)) -> Image.Image:
    """One frame; `step` moves the block along the lower edge."""
    width, height = size
    image = Image.new("RGB", size, person.colour)
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(size=height // 4)
    draw.text((width // 2, height * 0.22), str(person.number), fill="white", font=font, anchor="mm")
    cell = width * (BAR_RIGHT - BAR_LEFT) / 8
    for bit in range(8):
        left = width * BAR_LEFT + bit * cell
        fill = "white" if person.number >> (7 - bit) & 1 else "black"
        draw.rectangle([left, height * BAR_TOP, left + cell - 1, height * BAR_BOTTOM], fill=fill)
    left = (step * 17) % (width - 40)
    draw.rectangle([left, height * 0.72, left + 40, height * 0.80], fill=(240, 240, 90))
    return image


def write_camera(path: Path, person: Person, seconds: int = 4) -> Path:
    """A looping .y4m camera file for `--use-file-for-fake-video-capture` (4:2:0, BT.601)."""
    with path.open("wb") as file:
        file.write(f"YUV4MPEG2 W{WIDTH} H{HEIGHT} F{RATE}:1 Ip A1:1 C420jpeg\n".encode())
        for step in range(seconds * RATE):
            planes = picture(person, step).convert("YCbCr")
            y, cb, cr = planes.split()
            half = (WIDTH // 2, HEIGHT // 2)
            file.write(b"FRAME\n" + y.tobytes())
            file.write(
                cb.resize(half, Image.Resampling.BOX).tobytes()
                + cr.resize(half, Image.Resampling.BOX).tobytes()
            )
    return path


def write_microphone(path: Path, person: Person, seconds: int = 6) -> Path:
    """A looping .wav of beeps. Steady tones would be taken for noise and suppressed by the browser."""
    rate = 48_000
    t = np.arange(seconds * rate) / rate
    beep = ((t % 0.5) < 0.32) * np.minimum(1, np.minimum(t % 0.5, np.abs(0.32 - t % 0.5)) / 0.02)
    # Syllables of changing loudness look like speech to a voice detector.
    loudness = 0.35 + 0.25 * np.sin(2 * np.pi * 0.7 * t)
    samples = (np.sin(2 * np.pi * person.pitch * t) * beep * loudness * 32767).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.tobytes())
    return path


def _read_bar(image: np.ndarray) -> int | None:
    """The number in the bar of a picture that fills `image` (h × w × 3), or None when cells are unclear."""
    height, width = image.shape[:2]
    number = 0
    for bit in range(8):
        cell = (BAR_RIGHT - BAR_LEFT) / 8
        left, right = BAR_LEFT + (bit + 0.3) * cell, BAR_LEFT + (bit + 0.7) * cell
        patch = image[
            int(height * (BAR_TOP + 0.06)) : int(height * (BAR_BOTTOM - 0.06)),
            int(width * left) : int(width * right),
        ]
        if patch.size == 0:
            return None
        light = float(patch.mean())
        if 90 < light < 165:
            return None
        number = number << 1 | (light >= 165)
    return number


def find_codes(image: np.ndarray, people: tuple[Person, ...] = (RED, GREEN, BLUE)) -> set[int]:
    """Numbers of all `people` whose picture, with its colour and bar, is in the RGB `image` (h × w × 3)."""
    found = set()
    for person in people:
        near = np.abs(image.astype(int) - np.array(person.colour)).max(axis=2) < 45
        # Rows and columns where this colour covers a good run: the picture's box.
        rows, columns = near.sum(axis=1), near.sum(axis=0)
        ys, xs = (
            np.nonzero(rows > max(8, rows.max() * 0.15))[0],
            np.nonzero(columns > max(8, columns.max() * 0.15))[0],
        )
        if len(ys) < 16 or len(xs) < 16:
            continue
        box = image[ys[0] : ys[-1] + 1, xs[0] : xs[-1] + 1]
        if _read_bar(box) == person.number:
            found.add(person.number)
    return found


def pitch_of(samples: np.ndarray, rate: int, candidates: tuple[int, ...]) -> dict[int, float]:
    """Strength of each candidate pitch in `samples` (mono float), in dB over the median of the spectrum."""
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    frequencies = np.fft.rfftfreq(len(samples), 1 / rate)
    floor = np.median(spectrum[(frequencies > 200) & (frequencies < 3000)]) + 1e-9
    return {
        hz: float(20 * np.log10(spectrum[np.abs(frequencies - hz) < 12].max() / floor + 1e-9))
        for hz in candidates
    }
