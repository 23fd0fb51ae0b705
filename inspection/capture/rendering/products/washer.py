"""Metal washers, turned on a lathe."""

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
    tinted,
    to_bytes,
)
from inspection.capture.rendering.scene import Belt, Pose, Scene

#: Steel, zinc, brass, copper, black oxide: R, G, B at full light, 0..255.
METALS: tuple[Colour, ...] = (
    (200, 203, 207),
    (178, 186, 198),
    (214, 182, 112),
    (206, 142, 108),
    (104, 106, 110),
)

#: Steps of the tool-mark profile for each px of radius.
_STEPS = 3


@dataclass(frozen=True, kw_only=True)
class Washer:
    """The design of one washer."""

    light: Light
    belt: Belt
    alpha: Bytes
    height_px: float
    metal: Colour
    marks: tuple[float, float, float]
    """Depth of fine, middle and broad tool marks."""
    base: Layer
    """Brightness without tool marks or sheen."""
    sheen: Layer
    """The two bright fans that turned faces show."""
    face: Layer
    """1 on the turned face, 0 on the chamfers."""

    @classmethod
    def draw(cls, rng: np.random.Generator, size_px: int, light: Light) -> "Washer":
        """Return a new washer."""
        radius, cos, sin = polar(size_px)
        outer = size_px * uniform(rng, 0.33, 0.43)
        inner = outer * uniform(rng, 0.32, 0.62)
        chamfer = size_px * uniform(rng, 0.01, 0.022)
        facing = cos * light.direction[0] + sin * light.direction[1]
        rim = np.clip((radius - (outer - chamfer)) * np.float32(0.8), 0, 1)
        bore = np.clip((inner + chamfer - radius) * np.float32(0.8), 0, 1)
        face = (1 - rim) * (1 - bore)
        base = 0.64 * face + rim * (0.6 + 0.38 * facing) + bore * (0.5 - 0.4 * facing)
        sharpness = uniform(rng, 2, 7)
        return cls(
            light=light,
            belt=Belt.draw(rng, size_px),
            alpha=to_bytes(disc(radius, outer) * (1 - disc(radius, inner)) * 255),
            height_px=size_px * uniform(rng, 0.014, 0.026),
            metal=pick(rng, METALS),
            marks=(uniform(rng, 0.02, 0.05), uniform(rng, 0.01, 0.04), uniform(rng, 0.005, 0.025)),
            base=base,
            sheen=face * np.exp(sharpness * (facing * facing - 1)) * np.float32(0.26),
            face=face,
        )

    def scene(self, rng: np.random.Generator) -> Scene:
        """Return the next washer of this design."""
        size_px = self.belt.size_px
        pose = Pose.draw(rng, size_px, 0.1)
        level = self.base + self.sheen * np.float32(uniform(rng, 0.75, 1.15))
        level += 0.012 * smooth(rng, level.shape, size_px / 5)
        level *= 1 + tool_marks(rng, size_px, self.marks) * self.face
        part = tinted(pose.warp(to_bytes(level * 255)) * np.float32(1 / 255), self.metal)
        cover = pose.cover(self.alpha)
        scene = self.belt.lay(rng, part, cover, self.light, self.height_px)
        return replace(scene, gloss=1.0)


def tool_marks(rng: np.random.Generator, size_px: int, depths: tuple[float, float, float]) -> Layer:
    """Return the rings that a tool leaves, slightly off centre, as relative brightness."""
    radius, cos, sin = polar(size_px)
    fine = rng.standard_normal((1, size_px * _STEPS), dtype=np.float32)
    profile = np.zeros_like(fine)
    for depth, width in zip(depths, (0.45, 1.5, 5.0), strict=True):
        sigma = width * size_px / 384 * _STEPS
        profile += depth * 1.7 * math.sqrt(sigma) * blurred(np.roll(fine, int(40 * width)), sigma)
    off = size_px / 200
    away = uniform(rng, -off, off) * cos + uniform(rng, -off, off) * sin
    steps = ((radius - away) * np.float32(_STEPS)).astype(np.int32)
    return np.asarray(np.take(profile[0], steps, mode="clip"), dtype=np.float32)
