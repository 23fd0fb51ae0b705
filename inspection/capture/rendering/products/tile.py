"""Glazed ceramic tiles, plain or with a printed ornament."""

import math
from dataclasses import dataclass, replace

import numpy as np

from inspection.capture.rendering.light import Light
from inspection.capture.rendering.noise import pick, pick_index, smooth, uniform
from inspection.capture.rendering.pixels import (
    Bytes,
    Colour,
    Layer,
    Pixels,
    Values,
    blurred,
    flooded,
    grid,
    mixed,
    ramp,
    rounded_box,
    shaded,
    to_bytes,
)
from inspection.capture.rendering.scene import Belt, Pose, Scene

_GLAZES: tuple[Colour, ...] = (
    (226, 222, 212),
    (206, 214, 218),
    (214, 196, 168),
    (168, 196, 192),
    (196, 206, 178),
)

#: The fired clay below the glaze.
_BISQUE: Colour = (206, 168, 138)

_ORNAMENTS: tuple[Colour, ...] = ((42, 78, 138), (150, 62, 44), (60, 104, 92), (96, 92, 96))


@dataclass(frozen=True, kw_only=True)
class Tile:
    """The design of one tile."""

    light: Light
    belt: Belt
    alpha: Bytes
    glaze: Colour
    painted: Bytes
    """(H, W, 3): glaze and ornament."""
    shade: Layer
    """Brightness of the rounded edges; 1 on the face."""
    cloud: float
    """How uneven the glaze is."""

    @classmethod
    def draw(cls, rng: np.random.Generator, size_px: int, light: Light) -> "Tile":
        """Return a new tile."""
        x, y = grid(size_px)
        half = size_px * uniform(rng, 0.4, 0.455)
        inside = rounded_box(x, y, (half, half), size_px * uniform(rng, 0.008, 0.02))
        edge = size_px * uniform(rng, 0.012, 0.022)
        rise = blurred(np.clip(inside / np.float32(edge), 0, 1), edge * 0.25)
        lit = light.slope(rise * np.float32(edge * 0.5))
        glaze, ink = pick(rng, _GLAZES), pick(rng, _ORNAMENTS)
        share = _ornament(rng, x / np.float32(half), y / np.float32(half), half)
        painted = mixed(flooded(glaze, x.shape), flooded(ink, x.shape), share * np.float32(0.9))
        return cls(
            light=light,
            belt=Belt.draw(rng, size_px),
            alpha=to_bytes(ramp(inside, 1) * 255),
            glaze=glaze,
            painted=to_bytes(painted),
            shade=np.asarray(1 + np.clip(lit, -0.35, 0.3), dtype=np.float32),
            cloud=uniform(rng, 0.004, 0.016),
        )

    def scene(self, rng: np.random.Generator) -> Scene:
        """Return the next tile of this design."""
        size_px = self.belt.size_px
        shape = (size_px, size_px)
        pose = Pose.draw(rng, size_px, 0.03)
        cloud = smooth(rng, shape, size_px / 6) + 0.5 * smooth(rng, shape, size_px / 24)
        waves = self.light.slope(smooth(rng, shape, size_px / 16)) * np.float32(size_px / 384)
        level = pose.warp(to_bytes(self.shade * 128)) * np.float32(1 / 128)
        level = level * (1 + cloud * np.float32(self.cloud) + np.float32(0.05) * waves)
        part = shaded(pose.warp(self.painted).astype(np.float32), level)
        cover = pose.cover(self.alpha)
        scene = self.belt.lay(rng, part, cover, self.light, 0.014 * size_px)

        def blank() -> Pixels:
            return shaded(flooded(self.glaze, shape), level)

        return replace(scene, blank=blank, gloss=0.6, core=_BISQUE)


def _ornament(rng: np.random.Generator, x: Layer, y: Layer, half_px: float) -> Layer:
    """Return the coverage of the ornament; `x` and `y` are -1..1 on the tile."""

    def cut(inside: Values) -> Layer:
        return ramp(inside * np.float32(half_px), 1.2)

    angle, radius = np.arctan2(y, x), np.hypot(x, y)
    petals = 4 * (1 + pick_index(rng, 3))
    wave = np.cos(angle * np.float32(petals))
    size, core, reach = uniform(rng, 0.4, 0.6), uniform(rng, 0.14, 0.24), uniform(rng, 0.76, 0.86)
    heart = cut(core - radius)
    flower = cut(size + np.float32(0.16) * wave - radius) * (1 - heart)
    ring = cut(np.float32(0.03) - np.abs(radius - np.float32(reach)))
    corner_x, corner_y = 1 - np.abs(x), 1 - np.abs(y)
    quarter = np.hypot(corner_x, corner_y)
    corners = cut(np.float32(0.03) - np.abs(quarter - np.float32(0.42)))
    leaf = cut(np.float32(0.2) - quarter)
    frame = cut(np.float32(0.016) - np.abs(np.minimum(corner_x, corner_y) - np.float32(0.12)))
    across = np.sin((x + y) * np.float32(math.pi * 2.5)) * np.sin(
        (x - y) * np.float32(math.pi * 2.5)
    )
    lattice = cut((np.float32(0.12) - np.abs(across)) * np.float32(0.2))
    looks = (
        np.maximum(flower, np.maximum(corners, leaf)),
        np.maximum(np.maximum(ring, heart), corners),
        np.maximum(lattice * np.float32(0.6), frame),
        np.maximum(frame, flower),
        frame,
    )
    return np.asarray(pick(rng, looks), dtype=np.float32)
