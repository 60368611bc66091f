"""What a call's measurements (page/measure.js) mean: freezes, concealed sound, delivered height, recovery.

Times are seconds since 1970. Functions look at a window [begin, end] and nothing else.
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from tests.netem.clip import COUNT, RATE

AVERAGE_OVER = 30
"""Intervals in the average that a freeze is compared with (W3C webrtc-stats, freezeCount)."""


@dataclass(frozen=True, slots=True)
class Picture:
    """One decoded picture: when it came, its RTP timestamp, height, number in the clip or None."""

    at: float
    stamp: int
    height: int
    number: int | None
    coloured: bool


def pictures_of(measured: dict[str, Any]) -> list[Picture]:
    return [
        Picture(at / 1000, stamp, height, number if number >= 0 else None, bool(coloured))
        for at, stamp, height, number, coloured in measured["frames"]
    ]


@dataclass(frozen=True, slots=True)
class Freeze:
    """The picture stood from `begin` for `length` seconds."""

    begin: float
    length: float


def _within(pictures: list[Picture], begin: float, end: float) -> list[Picture]:
    return [picture for picture in pictures if begin <= picture.at <= end]


def freezes(pictures: list[Picture], begin: float, end: float) -> list[Freeze]:
    """Intervals longer than three average ones and than the average and 150 ms, as W3C counts them.

    Standing still up to `end` counts too, and so does a window without any picture.
    """
    times = [begin, *(picture.at for picture in _within(pictures, begin, end)), end]
    recent = [1 / RATE]
    found = []
    for before, after in pairwise(times):
        length = after - before
        average = statistics.fmean(recent)
        if length > max(3 * average, average + 0.15):
            found.append(Freeze(before, length))
        elif before != begin and after != end:
            recent = [*recent[-AVERAGE_OVER + 1 :], length]
    return found


def longest_gap(pictures: list[Picture], begin: float, end: float) -> float:
    """Seconds between two pictures, at most; the window's edges count as pictures."""
    times = [begin, *(picture.at for picture in _within(pictures, begin, end)), end]
    return max(after - before for before, after in pairwise(times))


def median_height(pictures: list[Picture], begin: float, end: float) -> int:
    """The height that half of the time was reached; while the picture is frozen it is 0."""
    frozen = {freeze.begin: freeze.length for freeze in freezes(pictures, begin, end)}
    weights: dict[int, float] = {0: frozen.get(begin, 0.0)}
    seen = _within(pictures, begin, end)
    following = [*(picture.at for picture in seen[1:]), end] if seen else []
    for picture, after in zip(seen, following, strict=True):
        stood = picture.at in frozen
        height = 0 if stood else picture.height
        weights[height] = weights.get(height, 0.0) + after - picture.at
    half = sum(weights.values()) / 2
    for height in sorted(weights):
        half -= weights[height]
        if half <= 0:
            return height
    return 0


def moving_again(pictures: list[Picture], since: float) -> float | None:
    """Seconds from `since` to the first picture that others follow for a second without a freeze."""
    later = [picture for picture in pictures if picture.at >= since]
    for place, picture in enumerate(later):
        following = [p.at for p in later[place:] if p.at <= picture.at + 1]
        if len(following) > RATE / 3 and all(b - a < 0.3 for a, b in pairwise(following)):
            return picture.at - since
    return None


def height_again(pictures: list[Picture], since: float, height: int) -> float | None:
    """Seconds from `since` to when pictures are `height` high and stay so for a second."""
    later = [picture for picture in pictures if picture.at >= since]
    for place, picture in enumerate(later):
        following = [p for p in later[place:] if p.at <= picture.at + 1]
        if len(following) > RATE / 3 and all(p.height >= height for p in following):
            return picture.at - since
    return None


def wrong_pictures(pictures: list[Picture], begin: float, end: float) -> list[str]:
    """Pictures that no camera made: unreadable ones, wrong colours, and numbers that do not fit their time.

    The number must go on as the timestamp does, give or take two pictures (the camera's clock is not exact),
    which a decoder that misses references, or a jump in our timestamps, would break.
    """
    faults = []
    before: Picture | None = None
    for picture in _within(pictures, begin, end):
        if picture.number is None or not picture.coloured:
            faults.append(f"{picture.at:.3f}: {picture}")
            continue
        if before is not None and before.number is not None:
            ticks = (picture.stamp - before.stamp + (1 << 31)) % (1 << 32) - (1 << 31)
            step = ticks * RATE / 90_000
            off = (picture.number - before.number - step + COUNT / 2) % COUNT - COUNT / 2
            if step <= 0 or abs(off) > 2.5:
                faults.append(
                    f"{picture.at:.3f}: {before.number} → {picture.number}, {step:.1f} by the clock"
                )
        before = picture
    return faults


def concealed_share(measured: dict[str, Any], begin: float, end: float) -> float:
    """The share of the sound played in the window that was made up; 1 when nothing was played."""
    rows = [row for row in measured["audio"] if begin <= row["at"] / 1000 <= end]
    if len(rows) < 2:
        return 1.0
    played = rows[-1]["totalSamplesReceived"] - rows[0]["totalSamplesReceived"]
    made_up = rows[-1]["concealedSamples"] - rows[0]["concealedSamples"]
    return made_up / played if played else 1.0


def heard_share(measured: dict[str, Any], begin: float, end: float) -> float:
    """The share of looks at the sound in which the clip's tone stood out by 15 dB."""
    looks = [(tone, rest) for at, tone, rest in measured["tones"] if begin <= at / 1000 <= end]
    return sum(tone - rest >= 15 and tone > -70 for tone, rest in looks) / len(looks) if looks else 0.0


def change(measured: dict[str, Any], kind: str, name: str, begin: float, end: float) -> float:
    """How far a counter of getStats went in the window."""
    rows = [row[name] for row in measured[kind] if begin <= row["at"] / 1000 <= end]
    return rows[-1] - rows[0] if rows else 0.0


def summary(measured: dict[str, Any], begin: float, end: float) -> dict[str, float]:
    """The figures of a cell for one window."""
    pictures = pictures_of(measured)
    stood = freezes(pictures, begin, end)
    minutes = (end - begin) / 60
    return {
        "freezes_per_minute": round(len(stood) / minutes, 1),
        "frozen_share": round(sum(freeze.length for freeze in stood) / (end - begin), 4),
        "longest_gap_s": round(longest_gap(pictures, begin, end), 2),
        "concealed_share": round(concealed_share(measured, begin, end), 4),
        "tone_heard_share": round(heard_share(measured, begin, end), 3),
        "median_height": median_height(pictures, begin, end),
        "frames_per_s": round(len(_within(pictures, begin, end)) / (end - begin), 1),
        "wrong_pictures": len(wrong_pictures(pictures, begin, end)),
    }
