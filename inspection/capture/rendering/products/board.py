"""Planed wooden boards."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from inspection.capture.rendering.light import Light
from inspection.capture.rendering.noise import pick, smooth, uniform
from inspection.capture.rendering.pixels import (
    Bytes,
    Colour,
    Layer,
    blurred,
    grid,
    ramp,
    to_bytes,
)
from inspection.capture.rendering.scene import Belt, Pose, Scene

#: Early and late wood of pine, oak, beech, walnut and ash: R, G, B in 0..255.
_WOODS: tuple[tuple[Colour, Colour], ...] = (
    ((224, 192, 142), (188, 138, 82)),
    ((196, 158, 108), (158, 116, 72)),
    ((214, 168, 130), (188, 136, 100)),
    ((138, 98, 68), (98, 66, 46)),
    ((222, 202, 166), (186, 160, 122)),
)

#: Colours along the way through the year rings.
_RINGS = 1024


@dataclass(frozen=True, kw_only=True)
class Board:
    """The design of one sort of board."""

    light: Light
    belt: Belt
    alpha: Bytes
    wood: tuple[Colour, Colour]
    ring_px: float
    """Mean distance of year rings."""
    bend: float
    """How much the grain wanders."""
    edge: Layer
    """Brightness of the broken edges; 1 on the face."""

    @classmethod
    def draw(cls, rng: np.random.Generator, size_px: int, light: Light) -> "Board":
        """Return a new sort of board."""
        _, y = grid(size_px)
        inside = np.float32(size_px * uniform(rng, 0.33, 0.44)) - np.abs(y)
        bevel = size_px * uniform(rng, 0.006, 0.012)
        share = ramp(np.float32(bevel) - inside, 1.5)
        lit = np.sign(y) * np.float32(light.direction[1])
        return cls(
            light=light,
            belt=Belt.draw(rng, size_px),
            alpha=to_bytes(ramp(inside, 1) * 255),
            wood=pick(rng, _WOODS),
            ring_px=size_px * uniform(rng, 0.022, 0.06),
            bend=uniform(rng, 0.7, 1.7),
            edge=np.asarray(1 + share * 0.22 * lit, dtype=np.float32),
        )

    def scene(self, rng: np.random.Generator) -> Scene:
        """Return the next board: the same wood, another grain."""
        size_px = self.belt.size_px
        unit, shape = size_px / 384, (size_px, size_px)
        pose = Pose.draw(rng, size_px, 0.02)
        _, y = grid(size_px)
        wander = np.float32(self.ring_px * self.bend)
        way = y + wander * smooth(rng, shape, size_px * 0.7, size_px * 0.8)
        way += np.float32(0.16) * wander * smooth(rng, shape, size_px / 6, size_px / 4)
        share = np.take(self._rings(rng), self._steps(way, size_px), mode="clip")
        pores = smooth(rng, shape, 1.1 * unit, 26 * unit)
        pores = pores + 0.6 * smooth(rng, shape, 2.2 * unit, 70 * unit)
        level = (1 + 0.022 * pores + 0.015 * smooth(rng, shape, size_px / 4)) * self.edge
        early, late = (np.asarray(tone, dtype=np.float32) for tone in self.wood)
        layers = [(early[i] + (late[i] - early[i]) * share) * level for i in range(3)]
        part = pose.warp(to_bytes(np.stack(layers, axis=2))).astype(np.float32)
        cover = pose.cover(self.alpha)
        scene = self.belt.lay(rng, part, cover, self.light, 0.018 * size_px)
        return replace(scene, grain_rad=pose.turn_rad, core=self.wood[0])

    def _steps(self, way: Layer, size_px: int) -> NDArray[np.int32]:
        """Return the place in the year rings of each pixel."""
        return ((way / np.float32(size_px * 1.6) + np.float32(0.5)) * _RINGS).astype(np.int32)

    def _rings(self, rng: np.random.Generator) -> Layer:
        """Return the share of late wood along the way: it grows slowly and ends sharply."""
        size_px = self.belt.size_px
        step = size_px * 1.6 / _RINGS / self.ring_px
        pace = 1 + 0.35 * smooth(rng, (2, _RINGS), 2, _RINGS / 14)[0]
        phase = np.cumsum(np.clip(pace, 0.35, 2) * step) % 1
        late = np.minimum((phase / 0.88) ** 2.2, (1 - phase) / 0.12)
        return np.asarray(blurred(late.astype(np.float32)[None], 1.0)[0], dtype=np.float32)
