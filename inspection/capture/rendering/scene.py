"""One part in front of the camera, and the belt it lies on, before light and sensor."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from inspection.capture.rendering.light import Light
from inspection.capture.rendering.noise import chance, grain, pick, pick_index, smooth, uniform
from inspection.capture.rendering.pixels import (
    Bytes,
    Colour,
    Layer,
    Pixels,
    Point,
    blurred,
    shaded,
    tinted,
    to_bytes,
)

#: Colours of conveyor belts and inspection tables, R, G, B in 0..255.
BELTS: tuple[Colour, ...] = (
    (46, 48, 51),
    (38, 62, 54),
    (52, 66, 92),
    (92, 94, 96),
    (128, 126, 120),
    (66, 58, 52),
)

#: Border of the belt texture beyond the picture, as a part of the picture's side.
_BELT_MARGIN = 0.4


@dataclass(frozen=True, kw_only=True)
class Scene:
    """A part as it lies in front of the camera."""

    colour: Pixels
    """(H, W, 3), 0..255: what the camera would see in even light."""
    cover: Layer
    """(H, W), 0..1: how much of the pixel the part covers."""
    below: Pixels
    """(H, W, 3): what would be seen where the part is missing."""
    light: Light
    """Where the light comes from."""
    grain_rad: float = 0.0
    """Direction of the surface's grain, yarn or brushing, in the picture."""
    pitch_px: float = 8.0
    """Width of a yarn or of the finest structure."""
    gloss: float = 0.0
    """How much the surface shines, 0..1."""
    core: Colour | None = None
    """Colour of the material below the surface, of parts too thick to break through."""
    is_woven: bool = False
    """Whether the part is cloth."""
    blank: Callable[[], Pixels] | None = None
    """Makes the (H, W, 3) picture of the part without its print."""
    shadowed: Callable[[Layer], Pixels] | None = None
    """Makes the (H, W, 3) picture of the belt in the shadow of a part of another coverage."""
    pieces: tuple[tuple[Point, ...], ...] = ()
    """Outlines, in picture px, of pieces that may be missing: pills, teeth, components."""


@dataclass(frozen=True, kw_only=True)
class Pose:
    """Where a part lies, against where it should lie."""

    shift_px: Point
    """Shift to the right and down."""
    turn_rad: float
    """Turn about the picture's centre."""
    scale: float
    """Magnification."""

    @classmethod
    def draw(cls, rng: np.random.Generator, size_px: int, turn_rad: float) -> "Pose":
        """Return a pose with small jitter, turned by at most `turn_rad` either way."""
        reach = 0.022 * size_px
        return cls(
            shift_px=(uniform(rng, -reach, reach), uniform(rng, -reach, reach)),
            turn_rad=uniform(rng, -turn_rad, turn_rad),
            scale=uniform(rng, 0.985, 1.015),
        )

    def nudged(self, x_px: float, y_px: float) -> "Pose":
        """Return this pose shifted a little more."""
        shift = (self.shift_px[0] + x_px, self.shift_px[1] + y_px)
        return Pose(shift_px=shift, turn_rad=self.turn_rad, scale=self.scale)

    def matrix(self, size_px: int) -> Layer:
        """Return the (2, 3) map from the canonical picture to the camera's."""
        cos = self.scale * math.cos(self.turn_rad)
        sin = self.scale * math.sin(self.turn_rad)
        centre = (size_px - 1) / 2
        return np.asarray(
            [
                [cos, -sin, centre - cos * centre + sin * centre + self.shift_px[0]],
                [sin, cos, centre - sin * centre - cos * centre + self.shift_px[1]],
            ],
            dtype=np.float32,
        )

    def warp(self, layer: Bytes) -> Bytes:
        """Return a canonical (H, W) or (H, W, C) layer as the camera sees it."""
        size_px = layer.shape[0]
        warped = cv2.warpAffine(
            layer,
            self.matrix(size_px),
            (size_px, size_px),
            flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )
        return np.asarray(warped, dtype=np.uint8)

    def cover(self, alpha: Bytes) -> Layer:
        """Return a canonical coverage (255 inside) as the camera sees it, 0..1."""
        return self.warp(alpha) * np.float32(1 / 255)

    def outline(self, points: tuple[Point, ...], size_px: int) -> tuple[Point, ...]:
        """Return a canonical outline in picture px."""
        matrix = self.matrix(size_px)
        return tuple(
            (
                float(matrix[0, 0] * x + matrix[0, 1] * y + matrix[0, 2]),
                float(matrix[1, 0] * x + matrix[1, 1] * y + matrix[1, 2]),
            )
            for x, y in points
        )


@dataclass(frozen=True, kw_only=True)
class Belt:
    """What parts lie on; every part meets another piece of it."""

    texture: Bytes
    """(H, W, 3), larger than the picture."""
    size_px: int
    """Side of the picture."""

    @classmethod
    def draw(cls, rng: np.random.Generator, size_px: int) -> "Belt":
        """Return a belt of a new colour and texture."""
        side = int(size_px * (1 + _BELT_MARGIN))
        shape = (side, side)
        dye, strength = pick(rng, BELTS), uniform(rng, 0.85, 1.15)
        unit = size_px / 384
        coarse = blurred(grain(rng, shape), 1.1 * unit) * 3.2
        relief = 1 + 0.045 * coarse + 0.02 * smooth(rng, shape, 26 * unit)
        if chance(rng, 0.5):
            axis = np.arange(side, dtype=np.float32) * np.float32(2 * math.pi / (5.5 * unit))
            relief = relief * (1 + 0.05 * np.sin(axis)[:, None] * np.sin(axis)[None, :])
        return cls(texture=to_bytes(tinted(relief * np.float32(strength), dye)), size_px=size_px)

    def piece(self, rng: np.random.Generator) -> Pixels:
        """Return the (H, W, 3) stretch of belt now below the camera."""
        room = self.texture.shape[0] - self.size_px + 1
        top, left = pick_index(rng, room), pick_index(rng, room)
        window = self.texture[top : top + self.size_px, left : left + self.size_px]
        return window.astype(np.float32)

    def lay(
        self, rng: np.random.Generator, part: Pixels, cover: Layer, light: Light, height_px: float
    ) -> Scene:
        """Return the scene of a part of some height that lies on the belt."""
        bare = self.piece(rng)

        def shadowed(coverage: Layer) -> Pixels:
            return shaded(bare, np.float32(1) - _shadow(coverage, light, height_px))

        below = shadowed(cover)
        colour = cv2.blendLinear(part, below, cover, np.float32(1) - cover)
        return Scene(
            colour=np.asarray(colour, dtype=np.float32),
            cover=cover,
            below=below,
            light=light,
            shadowed=shadowed,
        )


def _shadow(cover: Layer, light: Light, height_px: float) -> Layer:
    """Return the depth of the shadow below a part, 0..1; it is soft, so it is drawn coarsely."""
    small = cv2.resize(cover, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
    away = [-height_px * 0.25 * component for component in light.direction]
    shift = np.asarray([[1, 0, away[0]], [0, 1, away[1]]], dtype=np.float32)
    thrown = cv2.warpAffine(small, shift, small.shape[::-1], borderMode=cv2.BORDER_REPLICATE)
    wide = cv2.GaussianBlur(thrown, (0, 0), max(height_px * 0.2, 0.4))
    contact = cv2.GaussianBlur(small, (0, 0), max(height_px * 0.09, 0.3))
    depth = cv2.max(wide * np.float32(0.6), contact * np.float32(0.5))
    full = cv2.resize(depth, cover.shape[::-1], interpolation=cv2.INTER_LINEAR)
    return np.asarray(full, dtype=np.float32)
