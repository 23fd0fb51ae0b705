"""Leather: a grain of small pebbles, dyed."""

from dataclasses import dataclass

import cv2
import numpy as np

from inspection.capture.rendering.light import Light
from inspection.capture.rendering.noise import grain, pick, pick_index, smooth, uniform
from inspection.capture.rendering.pixels import (
    Bytes,
    Colour,
    Layer,
    blurred,
    flooded,
    tinted,
    to_bytes,
)
from inspection.capture.rendering.scene import Scene

_DYES: tuple[Colour, ...] = (
    (124, 74, 44),
    (74, 46, 34),
    (52, 50, 50),
    (168, 116, 70),
    (112, 38, 36),
    (196, 178, 150),
    (62, 76, 92),
)

#: The hide is larger than the picture by this factor.
_HIDE = 1.7


@dataclass(frozen=True, kw_only=True)
class Leather:
    """The design of one leather."""

    light: Light
    size_px: int
    dye: Colour
    hide: Bytes
    """(H, W) canvas: brightness of the grain, 128 is even."""
    pebble_px: float

    @classmethod
    def draw(cls, rng: np.random.Generator, size_px: int, light: Light) -> "Leather":
        """Return a new leather."""
        dye = pick(rng, _DYES)
        pebble = size_px * uniform(rng, 1 / 52, 1 / 26)
        side = int(size_px * _HIDE)
        relief = _pebbles(rng, side, pebble, uniform(rng, 0.38, 0.5))
        lit = light.slope(relief * np.float32(pebble * 0.3))
        level = 0.2 * (relief - relief.mean()) + 0.55 * np.clip(lit, -0.6, 0.6)
        level += 0.03 * grain(rng, (side, side))
        return cls(
            light=light,
            size_px=size_px,
            dye=dye,
            hide=to_bytes((level + 1) * np.float32(128)),
            pebble_px=pebble,
        )

    def scene(self, rng: np.random.Generator) -> Scene:
        """Return the next piece of this leather."""
        size = self.size_px
        room = self.hide.shape[0] - size
        top, left = pick_index(rng, room), pick_index(rng, room)
        level = self.hide[top : top + size, left : left + size] * np.float32(1 / 128)
        shape = (size, size)
        level = level * (1 + 0.025 * smooth(rng, shape, size / 3) + 0.012 * grain(rng, shape))
        return Scene(
            colour=tinted(level, self.dye),
            cover=np.ones(shape, dtype=np.float32),
            below=flooded((40, 36, 33), shape),
            light=self.light,
            pitch_px=self.pebble_px,
            gloss=0.2,
        )


def _pebbles(rng: np.random.Generator, side: int, pebble_px: float, disorder: float) -> Layer:
    """Return a relief of rounded pebbles with creases between them, 0..1."""
    count = int(side / pebble_px) + 1
    cell = side / count
    wander = rng.uniform(-disorder, disorder, (count, count, 2))
    rows, columns = np.mgrid[0:count, 0:count]
    seeds = np.full((side, side), 255, dtype=np.uint8)
    y = np.clip((rows + 0.5 + wander[..., 0]) * cell, 0, side - 1).astype(int)
    x = np.clip((columns + 0.25 + 0.5 * (rows % 2) + wander[..., 1]) * cell, 0, side - 1).astype(
        int
    )
    seeds[y, x] = 0
    _, labels = cv2.distanceTransformWithLabels(
        seeds, cv2.DIST_L2, 3, labelType=cv2.DIST_LABEL_PIXEL
    )
    borders = np.zeros((side, side), dtype=np.uint8)
    borders[:, 1:] |= (labels[:, 1:] != labels[:, :-1]).astype(np.uint8)
    borders[1:] |= (labels[1:] != labels[:-1]).astype(np.uint8)
    inside = cv2.distanceTransform(1 - borders, cv2.DIST_L2, 3)
    depth = np.clip(np.asarray(inside, dtype=np.float32) / np.float32(pebble_px * 0.33), 0, 1)
    pebbles = np.sqrt(depth * (2 - depth))
    heights = rng.uniform(0.75, 1.0, int(labels.max()) + 1).astype(np.float32)
    return blurred(pebbles * heights[labels], pebble_px * 0.09)
