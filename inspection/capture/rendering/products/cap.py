"""Bottle caps: crown corks with a corrugated edge, or screw caps with a knurled one."""

import math
from dataclasses import dataclass, replace

import numpy as np

from inspection.capture.rendering.light import Light
from inspection.capture.rendering.noise import chance, pick, pick_index, smooth, uniform
from inspection.capture.rendering.pixels import (
    Bytes,
    Colour,
    Layer,
    Pixels,
    flooded,
    polar,
    ramp,
    shaded,
    to_bytes,
    tripled,
)
from inspection.capture.rendering.scene import Belt, Pose, Scene
from inspection.capture.rendering.sheet import Sheet

_LACQUERS: tuple[Colour, ...] = (
    (184, 40, 40),
    (214, 168, 62),
    (40, 84, 150),
    (226, 226, 222),
    (44, 120, 76),
    (52, 54, 58),
    (222, 118, 40),
)


@dataclass(frozen=True, kw_only=True)
class Cap:
    """The design of one bottle cap."""

    light: Light
    belt: Belt
    alpha: Bytes
    relief: Bytes
    """(H, W): height, 255 is the top."""
    lacquer: Colour
    printed: Bytes
    """(H, W, 3): the lacquered top with its print."""
    gloss: float
    """Strength of the highlight."""

    @classmethod
    def draw(cls, rng: np.random.Generator, size_px: int, light: Light) -> "Cap":
        """Return a new cap."""
        radius, cos, sin = polar(size_px)
        outer = size_px * uniform(rng, 0.35, 0.42)
        is_crown = chance(rng, 0.6)
        count = 21 if is_crown else 48 + 6 * pick_index(rng, 5)
        top = outer * (uniform(rng, 0.76, 0.82) if is_crown else uniform(rng, 0.86, 0.9))
        wave = 0.5 + 0.5 * np.cos(np.arctan2(sin, cos) * np.float32(count))
        edge = outer - outer * np.float32(0.055 if is_crown else 0.02) * (1 - wave)
        skirt = np.clip((outer - radius) / np.float32(outer - top), 0, 1)
        fold = (1 - skirt) * (wave if is_crown else 0.5 * wave)
        dome = np.sin(skirt * np.float32(math.pi / 2)) * 0.8 + 0.2 * fold
        lacquer = pick(rng, _LACQUERS)
        bright = sum(lacquer) > 400  # noqa: PLR2004 light lacquers take dark print
        ink: Colour = pick(rng, ((28, 28, 32), (30, 50, 110))) if bright else (236, 234, 226)
        sheet = Sheet.blank(size_px, lacquer, ink)
        reach = top / size_px
        if chance(rng, 0.7):
            sheet.ring((0.5, 0.5), reach * 0.92, ink)
        is_worded = chance(rng, 0.7)
        sheet.logo(rng, (0.5, 0.5 - (0.22 * reach if is_worded else 0)), reach * 0.42, ink)
        if is_worded:
            sheet.text(
                sheet.words(rng, 1),
                (0.5 - reach * 0.56, 0.5 + reach * 0.58),
                0.06,
                ink,
                reach * 1.15,
            )
        return cls(
            light=light,
            belt=Belt.draw(rng, size_px),
            alpha=to_bytes(ramp(edge - radius, 1) * 255),
            relief=to_bytes(dome * 255),
            lacquer=lacquer,
            printed=sheet.picture(),
            gloss=uniform(rng, 25, 60),
        )

    def scene(self, rng: np.random.Generator) -> Scene:
        """Return the next cap of this design, turned anyhow."""
        size_px = self.belt.size_px
        pose = Pose.draw(rng, size_px, math.pi)
        relief = pose.cover(self.relief)
        lit = self.light.slope(relief * np.float32(size_px * 0.035))
        sheen = smooth(rng, relief.shape, size_px / 3)
        shade: Layer = 0.8 + 0.6 * np.clip(lit, -0.75, 0.6) + 0.015 * sheen
        highlight = np.clip(lit - 0.25, 0, 0.6) * np.float32(self.gloss * 2.5)
        spot = self._spot(size_px)
        gloss = tripled(highlight + spot)
        cover = pose.cover(self.alpha)
        part = shaded(pose.warp(self.printed).astype(np.float32), shade) + gloss
        scene = self.belt.lay(rng, part, cover, self.light, 0.03 * size_px)

        def blank() -> Pixels:
            return shaded(flooded(self.lacquer, cover.shape), shade) + gloss

        return replace(scene, blank=blank, gloss=1.0)

    def _spot(self, size_px: int) -> Layer:
        """Return the soft reflection of the lamp on the slightly domed top."""
        along = np.arange(size_px, dtype=np.float32) / np.float32(size_px) - np.float32(0.5)
        toward_x, toward_y = self.light.direction
        across = np.exp(-(((along - 0.13 * toward_x) / 0.15) ** 2))
        down = np.exp(-(((along - 0.13 * toward_y) / 0.15) ** 2))
        return np.asarray(np.outer(down, across) * self.gloss * 0.5, dtype=np.float32)
