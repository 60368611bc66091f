"""Draws the frames of a composed recording: who is seen where, redrawing only what changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter
from numpy.typing import NDArray

from . import painter
from .canvas import Canvas, Overlay, Patch, frame_planes
from .layout import MAX_GRID, Rect, beside_screen, fit, grid, strip_capacity
from .pictures import Picture, PictureTrack
from .timeline import Person, Scene, Scenes, Shown, current

CHOOSE_EVERY_S = 4.0  # when not all have a place, how often those who spoke last get one
EARLY_S = 0.2  # a picture may be a little older than the moment its track is said to be on


@dataclass
class _Tile:
    """A place on the canvas; ``drawn`` remembers what stands there."""

    rect: Rect
    person: int
    screen: bool = False
    framed: bool = True
    scaler: VideoReformatter = field(default_factory=VideoReformatter)
    drawn: object = None


class Stage:
    """``speaking[person][n]`` says who is heard in the n-th 100 ms; draw() wants ascending times."""

    def __init__(
        self,
        people: Sequence[Person],
        speaking: Sequence[NDArray[np.bool_]],
        *,
        title: str,
        width: int,
        height: int,
    ) -> None:
        self.canvas = Canvas(width, height)
        self.cameras = [PictureTrack(person.camera.journals) for person in people]
        self.screens = [PictureTrack(person.screen.journals) for person in people]
        self._people = people
        self._speaking = speaking
        self._scenes = Scenes(people)
        self._title = title
        self._scene: Scene | None = None
        self._tiles: list[_Tile] = []
        self._chosen_at = 0.0
        self._crowded = False
        self._last_spoke = [-1.0] * len(people)
        self._name_tile = lru_cache(maxsize=64)(self._draw_name_tile)
        self._label = lru_cache(maxsize=256)(painter.draw_label)
        self._frame = lru_cache(maxsize=16)(painter.draw_frame)

    def draw(self, time: float) -> Canvas:
        """Bring the canvas to a moment, in seconds after the recording's start."""
        scene = self._scenes.at(time)
        speaking = self._who_speaks(time)
        if scene is not self._scene or (self._crowded and time - self._chosen_at >= CHOOSE_EVERY_S):
            self._arrange(scene, time)
        for tile in self._tiles:
            self._draw_tile(tile, time, tile.person in speaking)
        return self.canvas

    def _who_speaks(self, time: float) -> set[int]:
        block = int(time * 10)
        found = {index for index, heard in enumerate(self._speaking) if block < len(heard) and heard[block]}
        for index in found:
            self._last_spoke[index] = time
        return found

    def _arrange(self, scene: Scene, time: float) -> None:
        width, height = self.canvas.width, self.canvas.height
        whole = Rect(0, 0, width, height)
        if not scene.people:
            self.canvas.paste(whole, painter.draw_title_card(self._title, width, height).planes)
            self._scene, self._tiles, self._crowded = scene, [], False
            return
        shared = scene.screen is not None
        places = strip_capacity(height) if shared else MAX_GRID
        self._crowded = len(scene.people) > places
        shown = self._choose(scene, places - 1) if self._crowded else list(scene.people)
        count = len(shown) + self._crowded
        main, rects = beside_screen(count, width, height) if shared else (whole, grid(count, width, height))
        wanted = [_Tile(main, scene.screen, screen=True)] if scene.screen is not None else []
        wanted += [
            _Tile(rect, person, framed=count > 1 or shared)
            for rect, person in zip(rects, shown, strict=False)
        ]
        self._scene, self._chosen_at = scene, time
        if [(tile.rect, tile.person, tile.screen) for tile in self._tiles] == [
            (tile.rect, tile.person, tile.screen) for tile in wanted
        ]:
            return  # only a camera went on or off: the places stay
        self._tiles = wanted
        self.canvas.fill(whole, painter.BACKGROUND)
        if self._crowded:
            rect = rects[-1]
            hidden = len(scene.people) - len(shown)
            self.canvas.paste(rect, painter.draw_more(hidden, rect.width, rect.height).planes)
            self._decorate(rect, self._frame(rect.width, rect.height, speaking=False))

    def _choose(self, scene: Scene, places: int) -> list[int]:
        """Those who spoke last, then those with a camera, in their usual order."""
        ranked = sorted(
            scene.people, key=lambda person: (-self._last_spoke[person], person not in scene.cameras, person)
        )
        return sorted(ranked[:places])

    def _draw_tile(self, tile: _Tile, time: float, speaking: bool) -> None:
        person = self._people[tile.person]
        shown, track = (
            (person.screen, self.screens[tile.person])
            if tile.screen
            else (person.camera, self.cameras[tile.person])
        )
        picture = _current_picture(shown, track, time)
        speaking = speaking and tile.framed and not tile.screen
        state = (picture[0] if picture else None, speaking)
        if state == tile.drawn:
            return
        tile.drawn = state
        rect = tile.rect
        if picture is None:
            self.canvas.paste(rect, self._name_tile(tile.person, rect.width, rect.height).planes)
        else:
            self._draw_picture(tile, picture)
        if tile.screen:
            return
        if tile.framed:
            self._decorate(rect, self._frame(rect.width, rect.height, speaking=speaking))
        label = self._label(person.name, rect.width, rect.height)
        if label is not None:
            self._decorate(rect, [label])

    def _draw_picture(self, tile: _Tile, picture: Picture) -> None:
        frame = picture[1]
        inner = fit(frame.width, frame.height, tile.rect)
        if inner != tile.rect:
            self.canvas.fill(tile.rect, painter.BACKGROUND if tile.screen else painter.TILE)
        how = Interpolation.BICUBIC if tile.screen else Interpolation.BILINEAR
        scaled = tile.scaler.reformat(frame, inner.width, inner.height, "yuv420p", interpolation=how)
        self.canvas.paste(inner, frame_planes(scaled))

    def _decorate(self, rect: Rect, overlays: Sequence[Overlay]) -> None:
        for overlay in overlays:
            self.canvas.blend(rect.x, rect.y, overlay)

    def _draw_name_tile(self, person: int, width: int, height: int) -> Patch:
        return painter.draw_name_tile(self._people[person].name, self._people[person].peer, width, height)


def _current_picture(shown: Shown, track: PictureTrack, time: float) -> Picture | None:
    """The picture to show now; None while the source is off or before its first picture since it is on."""
    span = current(shown.on, time)
    if span is None:
        return None
    picture = track.at(time)
    return picture if picture is not None and picture[0] >= span[0] - EARLY_S else None
