"""Damage to the body of a part: scratches, cracks, dents, holes and missing pieces."""

import math

import numpy as np

from inspection.capture.rendering.noise import chance, pick_index, smooth, uniform
from inspection.capture.rendering.patch import Patch
from inspection.capture.rendering.pixels import (
    Layer,
    Pixels,
    Point,
    blurred,
    flooded,
    mixed,
    ramp,
    shaded,
    tinted,
    tripled,
)

#: Grey level above which a surface counts as bright: a scratch on it is rather dark.
_BRIGHT = 150


def scratch(patch: Patch, rng: np.random.Generator) -> Pixels:
    """Draw a bent groove with torn, lit edges; sometimes two or three side by side."""
    heading, bend = uniform(rng, 0, 2 * math.pi), uniform(rng, -0.5, 0.5)
    width = uniform(rng, 1.0, 2.4) * patch.unit_px
    groove = np.zeros(patch.shape, dtype=np.float32)
    tracks = 1 if chance(rng, 0.75) else 2 + pick_index(rng, 2)
    for track in range(tracks):
        length = patch.reach_px * uniform(rng, 0.7, 1.0)
        aside = track * uniform(rng, 3, 8) * patch.unit_px
        points: list[Point] = []
        widths: list[float] = []
        for step in np.linspace(-1, 1, 25).tolist():
            across = bend * length * (step * step - 0.3) * 0.5 + aside
            across += uniform(rng, -0.3, 0.3) * patch.unit_px
            points.append(_turned(step * length, across, heading))
            widths.append(width * max(0.3, 1 - abs(step) ** 3) * uniform(rng, 0.7, 1.15))
        groove = np.maximum(groove, patch.lines(points, widths))
    skips = 0.95 + 0.35 * smooth(rng, patch.shape, 14 * patch.unit_px)
    groove = groove * np.clip(skips, 0.25, 1)
    relief = 1 + 1.6 * patch.slope(blurred(groove, 0.7 * patch.unit_px))
    core = patch.colour * np.float32(0.5)
    if sum(patch.tone(50)) / 3 < _BRIGHT or chance(rng, 0.3):
        core = patch.colour * np.float32(1.15) + np.float32(uniform(rng, 40, 75))
    return mixed(shaded(patch.colour, np.clip(relief, 0.4, 1.6)), core, groove)


def crack(patch: Patch, rng: np.random.Generator) -> Pixels:
    """Draw a jagged dark line that forks and thins out, with one lip slightly raised."""
    line = np.zeros(patch.shape, dtype=np.float32)
    heading = uniform(rng, 0, 2 * math.pi)
    start = (-patch.reach_px * math.cos(heading), -patch.reach_px * math.sin(heading))
    width = uniform(rng, 1.5, 2.8) * patch.unit_px
    branches = [(start, heading, 2 * patch.reach_px, width)]
    while branches:
        point, direction, length, thick = branches.pop()
        points, widths, gone = [point], [thick], 0.0
        while gone < length:
            step = uniform(rng, 3, 9) * patch.unit_px
            turn = direction + uniform(rng, -0.75, 0.75)
            last = points[-1]
            points.append((last[0] + step * math.cos(turn), last[1] + step * math.sin(turn)))
            widths.append(max(0.5, thick * (1 - gone / length) * uniform(rng, 0.7, 1.2)))
            gone += step
            if thick == width and chance(rng, 0.08):
                side = direction + uniform(rng, 0.4, 0.9) * (1 if chance(rng, 0.5) else -1)
                branches.append((points[-1], side, (length - gone) * 0.6, thick * 0.65))
        line = np.maximum(line, patch.lines(points, widths))
    lip = np.clip(patch.slope(blurred(line, 1.1 * patch.unit_px)) * 1.2, -0.3, 0.4)
    lifted = shaded(patch.colour, 1 + lip * (1 - line))
    return mixed(lifted, patch.colour * np.float32(uniform(rng, 0.1, 0.35)), line)


def dent(patch: Patch, rng: np.random.Generator) -> Pixels:
    """Press a shallow hollow into the surface: one flank lit, the other dark."""
    radius = patch.reach_px * 0.7
    inside = patch.blob(rng, radius, 0.07) / np.float32(radius)
    depth = np.clip(inside + 0.3, 0, 1)
    hollow = blurred((depth * depth * (3 - 2 * depth)).astype(np.float32), radius * 0.12)
    slope = patch.slope(-hollow) * np.float32(radius * uniform(rng, 0.22, 0.42))
    gloss = np.clip(slope - 0.3, 0, 1) * np.float32(110 * patch.scene.gloss)
    shade = np.clip(1 + slope - 0.1 * hollow, 0.35, 1.6)
    return shaded(patch.colour, shade) + tripled(gloss)


def hole(patch: Patch, rng: np.random.Generator) -> Pixels:
    """Punch through the part: what lies behind shows in the shade of the rim."""
    radius = patch.reach_px * 0.8
    inside = patch.blob(rng, radius, uniform(rng, 0.04, 0.12))
    opening = ramp(inside, 1.2)
    toward_x, toward_y = patch.scene.light.direction
    offset = radius * 0.35
    lit = patch.shifted(blurred(opening, radius * 0.2), -toward_x * offset, -toward_y * offset)
    behind = shaded(patch.below, 0.22 + 0.45 * lit)
    wall = np.clip(patch.slope(-blurred(opening, 1.2 * patch.unit_px)) * 1.4, -0.4, 0.5)
    rim = shaded(patch.colour, 1 + wall * (1 - opening))
    after = mixed(rim, behind, opening)
    if patch.scene.is_woven:
        after = _frayed(patch, rng, after, radius)
    return after


def missing_piece(patch: Patch, rng: np.random.Generator) -> Pixels:
    """Break a piece off the edge, or leave out a piece that should be there."""
    if patch.scene.pieces:
        return _left_out(patch)
    inside = patch.blob(rng, patch.reach_px * 0.8, 0.16)
    gap = ramp(inside, 1.3)
    wall = np.clip(ramp(inside + 2.4 * patch.unit_px, 1.5) - gap, 0, 1) * patch.cover
    fresh = 0.8 + 2.2 * patch.slope(blurred(-gap, 1.6 * patch.unit_px))
    flank = shaded(patch.colour, np.clip(fresh, 0.45, 1.4))
    edge = mixed(patch.colour, flank, wall)
    if patch.scene.core is None:
        return _vacated(patch, edge, gap)
    rough = smooth(rng, patch.shape, 7 * patch.unit_px) * 0.8
    rough = rough + 2 * smooth(rng, patch.shape, 22 * patch.unit_px)
    lit = 0.8 + 0.25 * patch.slope(rough * patch.unit_px) + 0.03 * rough
    return mixed(edge, tinted(np.clip(lit, 0.35, 1.2), patch.scene.core), gap * patch.cover)


def _left_out(patch: Patch) -> Pixels:
    """Show what is below the piece that lies nearest to the patch's centre."""
    centre = np.asarray(patch.centre)
    outline = min(
        (np.asarray(points) for points in patch.scene.pieces),
        key=lambda points: float(np.hypot(*(points.mean(axis=0) - centre))),
    )
    gap = blurred(patch.polygon((outline - centre).tolist()), 0.6 * patch.unit_px)
    if patch.scene.blank is not None:
        return mixed(patch.colour, patch.scene.blank()[patch.rows, patch.columns], gap)
    return _vacated(patch, patch.colour, gap)


def _vacated(patch: Patch, part: Pixels, gap: Layer) -> Pixels:
    """Show the belt where the part is gone, and take the shadow away that the piece threw."""
    scene = patch.scene
    if scene.shadowed is None:
        return mixed(part, patch.below, gap)
    cover = scene.cover.copy()
    cover[patch.rows, patch.columns] *= 1 - gap
    below = scene.shadowed(cover)[patch.rows, patch.columns]
    on_belt = part + (below - patch.below) * tripled(1 - patch.cover)
    return mixed(on_belt, below, gap)


def _frayed(patch: Patch, rng: np.random.Generator, after: Pixels, radius: float) -> Pixels:
    """Leave torn yarn ends reaching into the hole."""
    threads = np.zeros(patch.shape, dtype=np.float32)
    for _ in range(6 + pick_index(rng, 10)):
        angle = uniform(rng, 0, 2 * math.pi)
        reach = radius * uniform(rng, 0.25, 0.95)
        end = (reach * math.cos(angle + uniform(rng, -0.5, 0.5)), reach * math.sin(angle))
        start = (radius * 1.15 * math.cos(angle), radius * 1.15 * math.sin(angle))
        middle = ((start[0] + end[0]) / 2 + uniform(rng, -2, 2), (start[1] + end[1]) / 2)
        thick = patch.scene.pitch_px * uniform(rng, 0.12, 0.3)
        threads = np.maximum(threads, patch.lines([start, middle, end], [thick, thick * 0.7]))
    return mixed(after, flooded(patch.tone(80), patch.shape), threads * np.float32(0.85))


def _turned(along: float, across: float, angle_rad: float) -> Point:
    cos, sin = math.cos(angle_rad), math.sin(angle_rad)
    return along * cos - across * sin, along * sin + across * cos
