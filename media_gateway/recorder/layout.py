"""Where each picture stands in a composed frame: pure geometry, all numbers even as 4:2:0 pictures need."""

from __future__ import annotations

from dataclasses import dataclass

MARGIN = 12
GAP = 10
MAX_GRID = 25
STRIP_WIDTH = 224
ASPECT = 16 / 9


@dataclass(frozen=True, slots=True)
class Rect:
    """Left, top, width and height in pixels."""

    x: int
    y: int
    width: int
    height: int


def _even(value: float) -> int:
    return int(value) // 2 * 2


def grid(count: int, width: int, height: int) -> list[Rect]:
    """``count`` equal 16:9 tiles, as large as fit, centred; a single one fills the frame."""
    if count == 0:
        return []
    if count == 1:
        return [Rect(0, 0, width, height)]
    best = (0.0, 1, 1)
    for columns in range(1, count + 1):
        rows = -(-count // columns)
        across = (width - 2 * MARGIN - (columns - 1) * GAP) / columns
        down = (height - 2 * MARGIN - (rows - 1) * GAP) / rows
        best = max(best, (min(across, down * ASPECT), -columns, rows))
    tile_width, columns, rows = _even(best[0]), -best[1], best[2]
    tile_height = _even(best[0] / ASPECT)
    top = _even((height - rows * tile_height - (rows - 1) * GAP) / 2)
    rects = []
    for row in range(rows):
        in_row = min(columns, count - row * columns)
        left = _even((width - in_row * tile_width - (in_row - 1) * GAP) / 2)
        y = top + row * (tile_height + GAP)
        rects += [
            Rect(left + column * (tile_width + GAP), y, tile_width, tile_height) for column in range(in_row)
        ]
    return rects


def strip_capacity(height: int) -> int:
    """How many tiles stand beside a shared screen."""
    return (height - 2 * MARGIN + GAP) // (_even(STRIP_WIDTH / ASPECT) + GAP)


def beside_screen(count: int, width: int, height: int) -> tuple[Rect, list[Rect]]:
    """(the shared screen's place, a column of tiles at its right); ``count`` is within strip_capacity()."""
    if count == 0:
        return Rect(0, 0, width, height), []
    tile_height = _even(STRIP_WIDTH / ASPECT)
    x = width - MARGIN - STRIP_WIDTH
    main = Rect(MARGIN, MARGIN, _even(x - GAP - MARGIN), _even(height - 2 * MARGIN))
    top = _even((height - count * tile_height - (count - 1) * GAP) / 2)
    return main, [
        Rect(x, top + index * (tile_height + GAP), STRIP_WIDTH, tile_height) for index in range(count)
    ]


def fit(width: int, height: int, into: Rect) -> Rect:
    """The largest place of the picture's shape inside ``into``, centred."""
    scale = min(into.width / width, into.height / height)
    # A shape that differs by a pixel or two is stretched: thin bars look like a fault.
    fitted_width = into.width if into.width - width * scale < 4 else max(2, _even(width * scale))
    fitted_height = into.height if into.height - height * scale < 4 else max(2, _even(height * scale))
    return Rect(
        into.x + _even((into.width - fitted_width) / 2),
        into.y + _even((into.height - fitted_height) / 2),
        fitted_width,
        fitted_height,
    )
