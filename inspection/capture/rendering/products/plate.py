"""Brushed metal plates with drilled holes."""

import math
from dataclasses import dataclass, replace

import numpy as np

from inspection.capture.rendering.light import Light
from inspection.capture.rendering.noise import pick, smooth, uniform
from inspection.capture.rendering.pixels import (
    Bytes,
    Colour,
    Layer,
    disc,
    grid,
    ramp,
    rounded_box,
    tinted,
    to_bytes,
)
from inspection.capture.rendering.products.washer import METALS
from inspection.capture.rendering.scene import Belt, Pose, Scene


@dataclass(frozen=True, kw_only=True)
class Plate:
    """The design of one brushed plate."""

    light: Light
    belt: Belt
    alpha: Bytes
    metal: Colour
    base: Layer
    """Brightness without brushing: bevels, countersinks, sheen."""
    streak_px: float
    """Length of the brush marks."""
    depth: float
    """Contrast of the brush marks."""

    @classmethod
    def draw(cls, rng: np.random.Generator, size_px: int, light: Light) -> "Plate":
        """Return a new plate."""
        x, y = grid(size_px)
        half = size_px * uniform(rng, 0.4, 0.46), size_px * uniform(rng, 0.28, 0.45)
        corner, bevel = size_px * uniform(rng, 0.01, 0.07), size_px * uniform(rng, 0.006, 0.013)
        inside = rounded_box(x, y, half, corner)
        alpha = ramp(inside, 1)
        band = (y - np.float32(size_px * uniform(rng, -0.2, 0.2))) / np.float32(size_px * 0.3)
        level = 0.6 + np.float32(uniform(rng, 0.08, 0.18)) * np.exp(-band * band)
        edge = ramp(np.float32(bevel) - inside, 1.2)
        level = level * (1 - edge) + edge * (0.68 + 1.0 * light.slope(inside) * 0.4)
        drill = size_px * uniform(rng, 0.016, 0.032)
        sink = drill * uniform(rng, 1.15, 1.9)
        inset = max(corner * 0.6, sink) + size_px * uniform(rng, 0.025, 0.05)
        for side_x, side_y in pick(rng, _HOLES):
            off_x = x - np.float32(side_x * (half[0] - inset))
            off_y = y - np.float32(side_y * (half[1] - inset))
            far = np.hypot(off_x, off_y)
            toward = off_x * light.direction[0] + off_y * light.direction[1]
            wall = 0.58 - 0.34 * toward / np.maximum(far, 1)
            cone = disc(far, sink)
            level = level * (1 - cone) + cone * wall
            alpha = alpha * (1 - disc(far, drill))
        return cls(
            light=light,
            belt=Belt.draw(rng, size_px),
            alpha=to_bytes(alpha * 255),
            metal=pick(rng, METALS),
            base=np.asarray(level, dtype=np.float32),
            streak_px=size_px * uniform(rng, 0.08, 0.3),
            depth=uniform(rng, 0.02, 0.04),
        )

    def scene(self, rng: np.random.Generator) -> Scene:
        """Return the next plate of this design."""
        size_px = self.belt.size_px
        pose = Pose.draw(rng, size_px, 0.05)
        unit, shape = size_px / 384, (size_px, size_px)
        streaks = smooth(rng, shape, 1.2 * unit, self.streak_px)
        streaks += 0.6 * smooth(rng, shape, 3.5 * unit, self.streak_px * 1.6)
        streaks += 0.5 * smooth(rng, shape, 0.9 * unit, self.streak_px * 0.25)
        level = self.base * (1 + streaks * np.float32(self.depth))
        level += 0.01 * smooth(rng, shape, size_px / 4)
        part = tinted(pose.warp(to_bytes(level * 255)) * np.float32(1 / 255), self.metal)
        cover = pose.cover(self.alpha)
        scene = self.belt.lay(rng, part, cover, self.light, 0.012 * size_px)
        return replace(scene, grain_rad=pose.turn_rad % math.pi, gloss=0.9)


_CORNERS = ((-1, -1), (1, -1), (-1, 1), (1, 1))

#: Where plates are drilled, as parts of the room between the centre and the holes' inset.
_HOLES: tuple[tuple[tuple[float, float], ...], ...] = (
    _CORNERS,
    (*_CORNERS, (0, 0)),
    ((-1, 0), (1, 0)),
    (*_CORNERS, (0, -1), (0, 1)),
    ((-0.5, 0), (0.5, 0), (0, -0.5), (0, 0.5)),
)
