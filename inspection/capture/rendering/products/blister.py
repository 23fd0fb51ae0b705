"""Pill blisters: tablets or capsules under clear domes on foil."""

import math
from dataclasses import dataclass, replace

import numpy as np

from inspection.capture.rendering.light import Light
from inspection.capture.rendering.noise import chance, grain, pick, smooth, uniform
from inspection.capture.rendering.pixels import (
    Bytes,
    Colour,
    Layer,
    Pixels,
    Point,
    blurred,
    flooded,
    grid,
    mixed,
    ramp,
    rounded_box,
    shaded,
    to_bytes,
    tripled,
)
from inspection.capture.rendering.scene import Belt, Pose, Scene

_FOILS: tuple[Colour, ...] = ((188, 190, 194), (206, 208, 210), (206, 188, 150))

_PILLS: tuple[Colour, ...] = (
    (240, 238, 232),
    (230, 196, 110),
    (214, 120, 104),
    (150, 186, 214),
    (176, 206, 150),
    (222, 160, 184),
)

#: Rows and columns of pills.
_LAYOUTS: tuple[tuple[int, int], ...] = ((2, 4), (3, 4), (2, 5), (3, 3), (2, 3))


@dataclass(frozen=True, kw_only=True)
class Blister:
    """The design of one blister."""

    light: Light
    belt: Belt
    alpha: Bytes
    empty: Bytes
    """(H, W, 3): the blister without pills."""
    filled: Bytes
    """(H, W, 3): the finished blister."""
    gloss: Bytes
    """(H, W): reflections on the domes."""
    pills: tuple[tuple[Point, ...], ...]
    """Outlines of the pills."""

    @classmethod
    def draw(cls, rng: np.random.Generator, size_px: int, light: Light) -> "Blister":
        """Return a new blister."""
        x, y = grid(size_px)
        unit = size_px / 384
        rows, columns = pick(rng, _LAYOUTS)
        pitch = min(0.86 / columns, 0.8 / rows) * size_px
        half = (columns * pitch / 2 + 6 * unit, rows * pitch / 2 + 6 * unit)
        card = rounded_box(x, y, half, 12 * unit)
        # One cell, folded over the whole card, gives all domes at once.
        cell_x = (x + columns * pitch / 2) % np.float32(pitch) - np.float32(pitch / 2)
        cell_y = (y + rows * pitch / 2) % np.float32(pitch) - np.float32(pitch / 2)
        is_inside = (np.abs(x) < columns * pitch / 2) & (np.abs(y) < rows * pitch / 2)
        stretch = uniform(rng, 0.55, 0.75) if chance(rng, 0.4) else 1.0
        reach = pitch * 0.33
        pill_half = (reach * stretch, reach)
        far = rounded_box(cell_x, cell_y, pill_half, min(pill_half))
        far = np.where(is_inside, far, np.float32(-pitch))
        foil = _foil(rng, size_px, pick(rng, _FOILS))
        gap = pitch * 0.055
        dome = ramp(far + gap, 1.2)
        rise = blurred(np.clip((far + gap) / np.float32(gap * 1.6), 0, 1), 0.8 * unit)
        wall = 1 + 0.5 * np.clip(light.slope(rise * np.float32(gap)), -0.6, 0.6)
        empty = shaded(foil, wall * (1 - 0.16 * dome))
        hump = np.clip(far / np.float32(min(pill_half) * 0.7), 0, 1)
        hump = np.sqrt(np.clip(hump * (2 - hump), 0, 1))
        relief = blurred(hump, 1.2 * unit) * np.float32(min(pill_half) * 0.5)
        if chance(rng, 0.5):
            relief = relief - 1.6 * unit * np.exp(-((cell_x / np.float32(1.8 * unit)) ** 2)) * hump
        shade = 0.86 + 0.5 * np.clip(light.slope(relief), -0.7, 0.45)
        tablet = shaded(flooded(pick(rng, _PILLS), x.shape), shade)
        cast = blurred(ramp(far + 1.5 * unit, 4 * unit), 1.5 * unit)
        filled = mixed(shaded(empty, 1 - 0.4 * cast), tablet, ramp(far, 1.2))
        off = np.float32(reach * 0.55)
        spot_x = cell_x - off * np.float32(light.direction[0] * stretch)
        spot_y = cell_y - off * np.float32(light.direction[1])
        spot = np.exp(-(spot_x**2 + spot_y**2) / np.float32((reach * 0.2) ** 2)) * is_inside
        return cls(
            light=light,
            belt=Belt.draw(rng, size_px),
            alpha=to_bytes(ramp(card, 1) * 255),
            empty=to_bytes(empty),
            filled=to_bytes(filled),
            gloss=to_bytes(np.asarray(spot, dtype=np.float32) * np.float32(uniform(rng, 30, 80))),
            pills=_outlines(size_px, (rows, columns), pitch, (pill_half[0] + 1, pill_half[1] + 1)),
        )

    def scene(self, rng: np.random.Generator) -> Scene:
        """Return the next blister of this design."""
        size_px = self.belt.size_px
        shape = (size_px, size_px)
        pose = Pose.draw(rng, size_px, 0.04)
        level: Layer = 1 + 0.02 * smooth(rng, shape, size_px / 4) + 0.01 * grain(rng, shape)
        gloss = tripled(pose.warp(self.gloss).astype(np.float32))
        part = shaded(pose.warp(self.filled).astype(np.float32), level) + gloss
        cover = pose.cover(self.alpha)
        scene = self.belt.lay(rng, part, cover, self.light, 0.01 * size_px)

        def blank() -> Pixels:
            empty = shaded(pose.warp(self.empty).astype(np.float32), level) + gloss
            return mixed(scene.below, empty, cover)

        pieces = tuple(pose.outline(pill, size_px) for pill in self.pills)
        return replace(scene, blank=blank, pieces=pieces, gloss=0.9)


def _foil(rng: np.random.Generator, size_px: int, metal: Colour) -> Pixels:
    """Return foil with its embossed mesh."""
    x, y = grid(size_px)
    wave = np.float32(2 * math.pi / (5.2 * size_px / 384))
    mesh = np.sin((x + y) * wave) * np.sin((x - y) * wave)
    sheen = smooth(rng, (size_px, size_px), size_px / 3)
    level: Layer = 0.88 + 0.05 * mesh + 0.03 * sheen
    return shaded(flooded(metal, x.shape), level.astype(np.float32))


def _outlines(
    size_px: int, layout: tuple[int, int], pitch: float, half: Point
) -> tuple[tuple[Point, ...], ...]:
    """Return the outline of each pill."""
    rows, columns = layout
    centre, corner = (size_px - 1) / 2, min(half)
    turns = [2 * math.pi * index / 40 for index in range(40)]
    flat_x, flat_y = half[0] - corner, half[1] - corner
    return tuple(
        tuple(
            (
                centre
                + (column - (columns - 1) / 2) * pitch
                + _spread(math.cos(turn), corner, flat_x),
                centre + (row - (rows - 1) / 2) * pitch + _spread(math.sin(turn), corner, flat_y),
            )
            for turn in turns
        )
        for row in range(rows)
        for column in range(columns)
    )


def _spread(direction: float, corner: float, flat: float) -> float:
    return direction * corner + math.copysign(flat, direction)
