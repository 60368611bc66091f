"""Places on the frame."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from media_gateway.recorder.layout import MAX_GRID, Rect, beside_screen, fit, grid, strip_capacity


def check(rects: list[Rect], width: int = 1280, height: int = 720) -> None:
    for rect in rects:
        assert all(value % 2 == 0 for value in (rect.x, rect.y, rect.width, rect.height))
        assert rect.x >= 0
        assert rect.y >= 0
        assert rect.x + rect.width <= width
        assert rect.y + rect.height <= height
        assert min(rect.width, rect.height) > 0
    for index, a in enumerate(rects):
        for b in rects[index + 1 :]:
            apart = (
                a.x + a.width <= b.x or b.x + b.width <= a.x or a.y + a.height <= b.y or b.y + b.height <= a.y
            )
            assert apart


@pytest.mark.parametrize("count", range(1, MAX_GRID + 1))
def test_tiles_of_a_grid_are_apart_and_equal(count: int) -> None:
    rects = grid(count, 1280, 720)
    assert len(rects) == count
    check(rects)
    assert len({(rect.width, rect.height) for rect in rects}) == 1
    assert rects[0].width / rects[0].height == pytest.approx(16 / 9, rel=0.03)


def test_grids_people_expect() -> None:
    assert grid(0, 1280, 720) == []
    assert grid(1, 1280, 720) == [Rect(0, 0, 1280, 720)]
    rows = [len({rect.y for rect in grid(count, 1280, 720)}) for count in (2, 3, 4, 6, 9, 16, 25)]
    assert rows == [1, 2, 2, 2, 3, 4, 5]


def test_tiles_stand_beside_the_screen() -> None:
    for count in range(strip_capacity(720) + 1):
        main, rects = beside_screen(count, 1280, 720)
        assert len(rects) == count
        check([main, *rects])
        assert main.width * main.height > 0.6 * 1280 * 720
    assert strip_capacity(720) == 5


@settings(deadline=None)
@given(st.integers(1, 4000), st.integers(1, 4000), st.integers(10, 640), st.integers(10, 360))
def test_picture_fits_its_place(width: int, height: int, half_width: int, half_height: int) -> None:
    place = Rect(20, 40, half_width * 2, half_height * 2)
    inner = fit(width, height, place)
    assert place.x <= inner.x
    assert place.y <= inner.y
    assert inner.x + inner.width <= place.x + place.width
    assert inner.y + inner.height <= place.y + place.height
    assert inner.width == place.width or inner.height == place.height
    assert all(value % 2 == 0 for value in (inner.x, inner.y, inner.width, inner.height))
