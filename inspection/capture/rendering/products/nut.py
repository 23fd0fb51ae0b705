"""Hexagon nuts with a threaded bore."""

import math
from dataclasses import dataclass, replace

import numpy as np

from inspection.capture.rendering.light import Light
from inspection.capture.rendering.noise import pick, smooth, uniform
from inspection.capture.rendering.pixels import (
    Bytes,
    Colour,
    Layer,
    blurred,
    disc,
    polar,
    ramp,
    tinted,
    to_bytes,
)
from inspection.capture.rendering.products.washer import METALS, tool_marks
from inspection.capture.rendering.scene import Belt, Pose, Scene


@dataclass(frozen=True, kw_only=True)
class Nut:
    """The design of one nut."""

    light: Light
    belt: Belt
    alpha: Bytes
    relief: Bytes
    """(H, W): height of the upper face and its chamfers, 255 is the highest."""
    thread: Layer
    """(H, W): brightness of the thread; 1 outside the bore."""
    metal: Colour
    marks: tuple[float, float, float]

    @classmethod
    def draw(cls, rng: np.random.Generator, size_px: int, light: Light) -> "Nut":
        """Return a new nut."""
        radius, cos, sin = polar(size_px)
        flat = size_px * uniform(rng, 0.3, 0.37)
        hexagon = _hexagon(radius, np.arctan2(sin, cos), flat)
        crown = flat * uniform(rng, 0.9, 0.98)
        bore = flat * uniform(rng, 0.42, 0.58)
        unit = size_px / 384
        slope = np.clip((crown - radius) / np.float32(flat * 0.2), -1, 0) + 1
        sink = np.clip((radius - bore) / np.float32(4 * unit), 0, 1)
        alpha = ramp(hexagon, 1) * (1 - disc(radius, bore * 0.78))
        edge = np.clip(hexagon / np.float32(3 * unit), 0, 1)
        relief = blurred((slope * sink * (0.4 + 0.6 * edge)).astype(np.float32), 0.7 * unit)
        facing = cos * light.direction[0] + sin * light.direction[1]
        turns = np.sin((bore - radius) * np.float32(2 * math.pi / (3.4 * unit)))
        depth = np.clip((bore - radius) / np.float32(bore * 0.22), 0, 1)
        wall = (0.62 - 0.3 * facing) * (1 + 0.35 * turns) * (1 - 0.55 * depth)
        inside = disc(radius, bore)
        return cls(
            light=light,
            belt=Belt.draw(rng, size_px),
            alpha=to_bytes(alpha * 255),
            relief=to_bytes(relief * 255),
            thread=np.asarray(1 + (wall - 1) * inside, dtype=np.float32),
            metal=pick(rng, METALS),
            marks=(uniform(rng, 0.01, 0.03), uniform(rng, 0.01, 0.03), uniform(rng, 0.0, 0.02)),
        )

    def scene(self, rng: np.random.Generator) -> Scene:
        """Return the next nut of this design, turned anyhow."""
        size_px = self.belt.size_px
        pose = Pose.draw(rng, size_px, math.pi)
        still = Pose(shift_px=pose.shift_px, turn_rad=0.0, scale=pose.scale)
        relief = pose.cover(self.relief)
        lit = self.light.slope(relief * np.float32(size_px * 0.02))
        face: Layer = 0.5 + 0.16 * relief + 0.75 * np.clip(lit, -0.45, 0.5)
        face *= 1 + tool_marks(rng, size_px, self.marks)
        face += 0.012 * smooth(rng, face.shape, size_px / 5)
        level = face * (still.warp(to_bytes(self.thread * 180)) * np.float32(1 / 180))
        cover = pose.cover(self.alpha)
        part = tinted(level * np.float32(1.08), self.metal)
        scene = self.belt.lay(rng, part, cover, self.light, 0.04 * size_px)
        return replace(scene, gloss=1.0)


def _hexagon(radius: Layer, angle: Layer, flat_px: float) -> Layer:
    """Return the distance inside a hexagon whose flats are `flat_px` from the centre."""
    third = np.float32(math.pi / 3)
    to_flat = (angle % third) - third / 2
    return np.asarray(flat_px - radius * np.cos(to_flat), dtype=np.float32)
