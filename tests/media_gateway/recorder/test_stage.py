"""More people than places."""

from __future__ import annotations

import numpy as np
import pytest

from media_gateway.recorder.layout import MAX_GRID
from media_gateway.recorder.stage import CHOOSE_EVERY_S, Stage
from media_gateway.recorder.timeline import Person, Scene, Scenes, Shown


def person(index: int, **spans: list[tuple[float, float]]) -> Person:
    return Person(
        peer=f"p{index}",
        name=f"Person {index}",
        present=spans.get("present", [(0.0, 100.0)]),
        camera=Shown([], spans.get("camera", [])),
        screen=Shown([], spans.get("screen", [])),
        audio=[],
    )


def stage(people: list[Person], speaking: dict[int, tuple[int, int]] | None = None) -> Stage:
    heard = [np.zeros(1000, dtype=bool) for _ in people]
    for index, (start, end) in (speaking or {}).items():
        heard[index][start:end] = True
    return Stage(people, heard, title="", width=1280, height=720)


def shown(stage: Stage) -> list[int]:
    return [tile.person for tile in stage._tiles if not tile.screen]


def test_all_have_a_place_in_a_full_grid() -> None:
    full = stage([person(index) for index in range(MAX_GRID)])
    full.draw(0.0)
    assert shown(full) == list(range(MAX_GRID))


def test_who_spoke_last_gets_a_place_then_who_has_a_camera() -> None:
    people = [person(index, camera=[(0.0, 100.0)] if index == 29 else []) for index in range(30)]
    crowded = stage(people, {27: (5, 20)})
    crowded.draw(0.0)
    assert shown(crowded) == [*range(23), 29]
    crowded.draw(1.0)
    assert 27 not in shown(crowded)  # places change now and then, not with each word
    crowded.draw(CHOOSE_EVERY_S)
    assert shown(crowded) == [*range(22), 27, 29]


def test_beside_a_screen_there_are_fewer_places() -> None:
    people = [person(0, screen=[(2.0, 4.0)]), *(person(index) for index in range(1, 8))]
    sharing = stage(people)
    sharing.draw(1.0)
    assert shown(sharing) == list(range(8))
    sharing.draw(3.0)
    assert [tile.person for tile in sharing._tiles if tile.screen] == [0]
    assert shown(sharing) == [0, 1, 2, 3]
    sharing.draw(5.0)
    assert shown(sharing) == list(range(8))


def test_nothing_is_drawn_twice() -> None:
    still = stage([person(0), person(1)])
    first = still.draw(0.0).to_frame().to_ndarray()
    for plane in still.canvas.planes:
        plane[:] = 7
    assert np.all(still.draw(0.04).to_frame().to_ndarray() == 7)
    assert first.std() > 0


@pytest.mark.parametrize(
    ("time", "scene"),
    [
        (0.5, Scene()),
        (1.5, Scene((0,), frozenset({0}))),
        (2.5, Scene((0, 1), frozenset({0}), 1)),
        (3.5, Scene((0, 1), frozenset(), 0)),
        (4.5, Scene((0, 1), frozenset(), 1)),
        (6.0, Scene((1,))),
    ],
)
def test_scenes(time: float, scene: Scene) -> None:
    """The newest shared screen is the one to be seen."""
    people = [
        person(0, present=[(1.0, 5.0)], camera=[(1.0, 3.0)], screen=[(3.0, 4.0)]),
        person(1, present=[(2.0, 9.0)], screen=[(2.0, 5.0)]),
    ]
    assert Scenes(people).at(time) == scene
