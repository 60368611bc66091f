"""A 4:2:0 picture that parts are pasted into and blended onto, plane by plane, without a detour over RGB.

Colours are BT.601 limited range, what browsers' VP8 has; the composed file is tagged so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .layout import Rect

Plane = NDArray[np.uint8]
Wide = NDArray[np.uint16]

_FROM_RGB = (
    np.array(
        [[65.481, 128.553, 24.966], [-37.797, -74.203, 112.0], [112.0, -93.786, -18.214]], dtype=np.float32
    )
    / 255.0
)
_OFFSET = np.array([16.0, 128.0, 128.0], dtype=np.float32)


def rgb_planes(rgb: NDArray[np.uint8]) -> tuple[Plane, Plane, Plane]:
    """(height, width, 3) RGB with even sides to Y, U, V; colour planes have half the size."""
    y, u, v = (_component(rgb, index) for index in range(3))
    return _round(y), _round(_halve(u)), _round(_halve(v))


def _component(rgb: NDArray[np.uint8], index: int) -> NDArray[np.float32]:
    result: NDArray[np.float32] = rgb.astype(np.float32) @ _FROM_RGB[index] + _OFFSET[index]
    return result


def _halve(plane: NDArray[np.float32]) -> NDArray[np.float32]:
    height, width = plane.shape
    result: NDArray[np.float32] = plane.reshape(height // 2, 2, width // 2, 2).mean(axis=(1, 3))
    return result


def _round(plane: NDArray[np.float32]) -> Plane:
    return np.clip(plane + 0.5, 0, 255).astype(np.uint8)


class Patch:
    """An opaque picture, ready to be pasted."""

    def __init__(self, image: Image.Image) -> None:
        self.planes: Sequence[Plane] = rgb_planes(np.asarray(image.convert("RGB")))


@dataclass(slots=True)
class Overlay:
    """A picture with transparency, (x, y) from its tile's corner.

    For each plane the result is ``(below * keep + add) >> 8``.
    """

    x: int
    y: int
    keep: Sequence[Wide]
    add: Sequence[Wide]

    @classmethod
    def from_image(cls, image: Image.Image, x: int = 0, y: int = 0) -> Overlay:
        """From RGBA with even sides."""
        rgba = np.asarray(image.convert("RGBA"))
        alpha = rgba[..., 3].astype(np.float32) * (256 / 255)
        half = _halve(alpha)
        # Colours are averaged by their weight, else the black behind a transparent edge would bleed in.
        weight = np.maximum(half, np.float32(1e-6)).astype(np.float32)
        planes: list[NDArray[np.float32]] = [_component(rgba[..., :3], 0)]
        planes += [_halve(_component(rgba[..., :3], index) * alpha) / weight for index in (1, 2)]
        alphas = [np.round(alpha), np.round(half), np.round(half)]
        keep = [(256 - each).astype(np.uint16) for each in alphas]
        add = [(plane * each).astype(np.uint16) for plane, each in zip(planes, alphas, strict=True)]
        return cls(x, y, keep, add)


class Canvas:
    """A frame under construction."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self._data = np.empty((height * 3 // 2, width), dtype=np.uint8)
        quarter = height // 4
        self.planes = (
            self._data[:height],
            self._data[height : height + quarter].reshape(height // 2, width // 2),
            self._data[height + quarter :].reshape(height // 2, width // 2),
        )

    def fill(self, rect: Rect, color: tuple[int, int, int]) -> None:
        """A rectangle of one RGB colour."""
        planes = rgb_planes(np.full((2, 2, 3), color, dtype=np.uint8))
        for plane, value, shift in zip(self.planes, planes, (0, 1, 1), strict=True):
            _part(plane, rect, shift)[:] = value[0, 0]

    def paste(self, rect: Rect, planes: Sequence[Plane]) -> None:
        """Planes of exactly the rectangle's size."""
        for plane, source, shift in zip(self.planes, planes, (0, 1, 1), strict=True):
            _part(plane, rect, shift)[:] = source

    def blend(self, x: int, y: int, overlay: Overlay) -> None:
        """An overlay, with (x, y) the tile's corner."""
        height, width = overlay.keep[0].shape
        rect = Rect(x + overlay.x, y + overlay.y, width, height)
        for plane, keep, add, shift in zip(self.planes, overlay.keep, overlay.add, (0, 1, 1), strict=True):
            part = _part(plane, rect, shift)
            part[:] = (part * keep + add) >> 8

    def to_frame(self) -> av.VideoFrame:
        """A copy: an encoder may keep the frame while the next one is drawn."""
        return av.VideoFrame.from_ndarray(self._data, format="yuv420p")


def frame_planes(frame: av.VideoFrame) -> list[Plane]:
    """The planes of a yuv420p frame without their padding, not copied."""
    result = []
    for plane in frame.planes:
        rows = np.frombuffer(memoryview(plane), dtype=np.uint8)[: plane.line_size * plane.height]
        result.append(rows.reshape(plane.height, plane.line_size)[:, : plane.width])
    return result


def _part(plane: Plane, rect: Rect, shift: int) -> Plane:
    x, y = rect.x >> shift, rect.y >> shift
    return plane[y : y + (rect.height >> shift), x : x + (rect.width >> shift)]
