"""Gear wheels with hub, bore, keyway and lightening holes."""

import math
from dataclasses import dataclass, replace

import numpy as np

from inspection.capture.rendering.light import Light
from inspection.capture.rendering.noise import chance, pick, pick_index, smooth, uniform
from inspection.capture.rendering.pixels import (
    Bytes,
    Colour,
    Layer,
    Point,
    blurred,
    disc,
    grid,
    polar,
    ramp,
    rounded_box,
    tinted,
    to_bytes,
)
from inspection.capture.rendering.products.washer import METALS, tool_marks
from inspection.capture.rendering.scene import Belt, Pose, Scene


@dataclass(frozen=True, kw_only=True)
class Gear:
    """The design of one gear wheel."""

    light: Light
    belt: Belt
    alpha: Bytes
    relief: Bytes
    """(H, W): height of the surface, 255 is the highest."""
    relief_px: float
    """Height that 255 stands for."""
    material: Colour
    marks: tuple[float, float, float]
    teeth: tuple[tuple[Point, ...], ...]
    """Outlines of the teeth."""

    @classmethod
    def draw(cls, rng: np.random.Generator, size_px: int, light: Light) -> "Gear":
        """Return a new gear wheel."""
        radius, cos, sin = polar(size_px)
        count = 12 + pick_index(rng, 22)
        tip = size_px * uniform(rng, 0.36, 0.43)
        depth = min(tip * 2.2 * math.pi / count * 0.45, tip * 0.2)
        outline = _outline(np.arctan2(sin, cos), count, tip, depth)
        bore = tip * uniform(rng, 0.14, 0.24)
        hub = bore + tip * uniform(rng, 0.12, 0.18)
        rim = (tip - depth) * uniform(rng, 0.8, 0.86)
        alpha = ramp(outline - radius, 1) * (1 - disc(radius, bore))
        if chance(rng, 0.7):
            alpha *= 1 - _keyway(size_px, bore)
        web = disc(radius, rim) * (1 - disc(radius, hub))
        sunk = uniform(rng, 0.4, 1.0) * web
        spokes = pick(rng, (0, 4, 5, 6))
        middle, eye = (hub + rim) / 2, (rim - hub) * uniform(rng, 0.26, 0.36)
        for index in range(spokes):
            angle = 2 * math.pi * index / spokes
            x, y = grid(size_px)
            far = np.hypot(x - middle * math.cos(angle), y - middle * math.sin(angle))
            alpha *= 1 - disc(far, eye)
        unit = size_px / 384
        edge = np.clip(blurred(alpha.astype(np.float32), 1.6 * unit) * 2 - 1, 0, 1)
        relief = edge * (1 - 0.6 * blurred(sunk.astype(np.float32), 1.2 * unit))
        depths = (uniform(rng, 0.01, 0.03), uniform(rng, 0.01, 0.03), uniform(rng, 0.01, 0.02))
        return cls(
            light=light,
            belt=Belt.draw(rng, size_px),
            alpha=to_bytes(alpha * 255),
            relief=to_bytes(relief * 255),
            relief_px=unit * uniform(rng, 2.0, 3.2),
            material=pick(rng, METALS),
            marks=depths,
            teeth=_teeth(size_px, count, tip, depth),
        )

    def scene(self, rng: np.random.Generator) -> Scene:
        """Return the next gear wheel of this design, turned anyhow."""
        size_px = self.belt.size_px
        pose = Pose.draw(rng, size_px, math.pi)
        relief = pose.cover(self.relief)
        lit = self.light.slope(relief * np.float32(self.relief_px))
        level: Layer = 0.6 + 0.08 * relief + 0.38 * np.clip(lit, -0.9, 0.9)
        level *= 1 + tool_marks(rng, size_px, self.marks)
        level += 0.012 * smooth(rng, level.shape, size_px / 5)
        cover = pose.cover(self.alpha)
        part = tinted(np.clip(level, 0, 1.25), self.material)
        scene = self.belt.lay(rng, part, cover, self.light, 0.024 * size_px)
        teeth = tuple(pose.outline(tooth, size_px) for tooth in self.teeth)
        return replace(scene, pieces=teeth, gloss=0.8)


def _outline(angle: Layer, count: int, tip: float, depth: float) -> Layer:
    """Return how far the wheel reaches in each direction."""
    phase = (angle * np.float32(count / (2 * math.pi))) % 1
    flank = np.clip((np.abs(phase - 0.5) - np.float32(0.14)) * np.float32(5.5), 0, 1)
    round_off = flank * flank * (3 - 2 * flank)
    return np.asarray(tip - depth * round_off, dtype=np.float32)


def _teeth(size_px: int, count: int, tip: float, depth: float) -> tuple[tuple[Point, ...], ...]:
    """Return outlines of what breaks off: a tooth, or neighbouring ones where teeth are fine."""
    centre, pitch = (size_px - 1) / 2, 2 * math.pi / count
    broken = 1 + count // 14
    inner = [(side, tip - depth) for side in np.linspace(broken - 0.5, -0.5, broken + 1).tolist()]
    outer = [(side / 2, tip * 1.02) for side in range(-1, 2 * broken)]
    return tuple(
        tuple(
            (
                centre + reach * math.cos((index + 0.5 + side) * pitch),
                centre + reach * math.sin((index + 0.5 + side) * pitch),
            )
            for side, reach in (*inner, *outer)
        )
        for index in range(count)
    )


def _keyway(size_px: int, bore: float) -> Layer:
    """Return the coverage of the slot for the key, beside the bore."""
    x, y = grid(size_px)
    inside = rounded_box(x, y + np.float32(bore), (bore * 0.3, bore * 0.42), 1.5)
    return ramp(inside, 1)
