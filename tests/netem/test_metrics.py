"""What is concluded from a call's measurements, on made-up ones."""

from __future__ import annotations

from typing import Any

import pytest

from tests.netem import metrics
from tests.netem.clip import COUNT, RATE
from tests.netem.metrics import Picture


def pictures(begin: float, end: float, *, height: int = 720, first: int = 0) -> list[Picture]:
    """An undisturbed stream."""
    count = round((end - begin) * RATE)
    return [
        Picture(begin + n / RATE, (first + n) * 90_000 // RATE, height, (first + n) % COUNT, True)
        for n in range(count)
    ]


def test_an_undisturbed_stream_has_no_fault() -> None:
    seen = pictures(0, 10)
    assert metrics.freezes(seen, 0, 10) == []
    assert metrics.longest_gap(seen, 0, 10) == pytest.approx(0.04)
    assert metrics.median_height(seen, 0, 10) == 720
    assert metrics.wrong_pictures(seen, 0, 10) == []
    assert metrics.moving_again(seen, 3.01) == pytest.approx(0.03)


def test_a_freeze_is_counted_with_its_length() -> None:
    seen = pictures(0, 4) + pictures(5.5, 10, first=137)
    (freeze,) = metrics.freezes(seen, 0, 10)
    assert freeze.begin == pytest.approx(3.96) and freeze.length == pytest.approx(1.54)
    assert metrics.longest_gap(seen, 0, 10) == pytest.approx(1.54)
    assert metrics.moving_again(seen, 4.0) == pytest.approx(1.5)


def test_a_slow_stream_is_no_frozen_one() -> None:
    """Ten pictures a second are compared with their own average."""
    seen = [Picture(n / 10, n * 9000, 360, n % COUNT, True) for n in range(100)]
    assert [freeze.begin for freeze in metrics.freezes(seen, 0, 10)] == []


def test_standing_still_at_the_end_or_all_the_time_is_a_freeze() -> None:
    assert [f.length for f in metrics.freezes(pictures(0, 4), 0, 10)] == [pytest.approx(6.04)]
    assert [f.length for f in metrics.freezes([], 0, 10)] == [10]
    assert metrics.median_height([], 0, 10) == 0
    assert metrics.moving_again(pictures(0, 4), 4.0) is None


def test_single_pictures_are_no_movement() -> None:
    strays = [Picture(4.5, 0, 720, 1, True), Picture(5.2, 0, 720, 1, True)]
    seen = pictures(0, 4) + strays + pictures(6, 10)
    assert metrics.moving_again(seen, 4.0) == pytest.approx(2.0)


def test_the_height_is_that_of_half_the_time_and_nothing_while_frozen() -> None:
    seen = pictures(0, 3) + pictures(3, 10, height=360, first=75)
    assert metrics.median_height(seen, 0, 10) == 360
    assert metrics.median_height(pictures(0, 4), 0, 10) == 0, "a still picture of 720 lines is no picture"


def test_the_height_is_back_when_it_stays() -> None:
    short = pictures(4.0, 4.2, first=100)
    seen = pictures(0, 4, height=180) + short + pictures(4.2, 6, height=360, first=105)
    seen += pictures(6, 10, first=150)
    assert metrics.height_again(seen, 4.0, 720) == pytest.approx(2.0)
    assert metrics.height_again(seen, 4.0, 1080) is None


def test_damaged_pictures_and_wrong_clocks_are_told() -> None:
    seen = pictures(0, 4)
    unreadable = Picture(1.0, 90_000, 720, None, True)
    colourless = Picture(1.0, 90_000, 720, 25, False)
    old = Picture(1.0, 90_000, 720, 3, True)
    for wrong in (unreadable, colourless, old):
        assert metrics.wrong_pictures([*seen[:25], wrong, *seen[26:]], 0, 4)
    back_in_time = Picture(4.0, 80_000, 720, 22, True)
    assert metrics.wrong_pictures([*seen, back_in_time], 0, 5)


def test_pictures_left_out_are_no_damage_and_the_clip_may_begin_again() -> None:
    seen = pictures(0, 12)
    assert metrics.wrong_pictures(seen[:80] + seen[110:], 0, 12) == []


def test_timestamps_may_wrap() -> None:
    near = (1 << 32) - 40 * 3600
    seen = [
        Picture(p.at, (p.stamp + near) % (1 << 32), p.height, p.number, p.coloured) for p in pictures(0, 4)
    ]
    assert metrics.wrong_pictures(seen, 0, 4) == []


def test_sound() -> None:
    measured: dict[str, Any] = {
        "audio": [
            {"at": 1000 * t, "totalSamplesReceived": 48_000 * t, "concealedSamples": 480 * max(0, t - 5)}
            for t in range(11)
        ],
        "tones": [[1000 * t, -25 if t % 5 else -90, -80] for t in range(11)],
    }
    assert metrics.concealed_share(measured, 0, 10) == pytest.approx(0.005)
    assert metrics.concealed_share(measured, 0, 5) == 0
    assert metrics.concealed_share(measured, 20, 30) == 1.0, "nothing played is nothing heard"
    assert metrics.heard_share(measured, 0, 10) == pytest.approx(8 / 11)
    assert metrics.change(measured, "audio", "totalSamplesReceived", 2, 4) == 96_000
