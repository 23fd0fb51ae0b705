"""Blemishes on a part: stains, corrosion, foreign matter and faulty threads."""

import math

import numpy as np

from inspection.capture.rendering.noise import chance, grain, pick, pick_index, smooth, uniform
from inspection.capture.rendering.patch import Patch
from inspection.capture.rendering.pixels import (
    Colour,
    Layer,
    Pixels,
    Point,
    blurred,
    flooded,
    mixed,
    ramp,
    shaded,
    tinted,
)

#: Liquids: what remains of white light under a full layer, R, G, B in 0..1.
_LIQUIDS: tuple[Colour, ...] = (
    (0.44, 0.33, 0.18),
    (0.28, 0.25, 0.22),
    (0.24, 0.31, 0.54),
    (0.59, 0.27, 0.24),
    (0.47, 0.5, 0.28),
)

#: What a liquid leaves on a dark part.
_RESIDUE: Colour = (206, 202, 190)

_DUST: tuple[Colour, ...] = (
    (34, 30, 28),
    (92, 62, 40),
    (172, 44, 38),
    (40, 84, 150),
    (228, 226, 220),
)

_RUST: Colour = (122, 72, 42)

_VERDIGRIS: Colour = (92, 130, 112)

#: A metal with so much more red than blue is copper or brass.
_REDDISH = 1.25

#: Grey level below which a part is dark: a dark liquid does not show on it.
_DARK = 85


def stain(patch: Patch, rng: np.random.Generator) -> Pixels:
    """Spill a liquid that dries darker, or paler on dark parts, along its border."""
    radius, unit = patch.reach_px * 0.75, patch.unit_px
    inside = patch.blob(rng, radius, uniform(rng, 0.08, 0.22))
    layer = ramp(inside, uniform(rng, 2, 7) * unit)
    border = np.exp(-((inside - 2 * unit) ** 2) / (9 * unit * unit))
    uneven = np.clip(1 + 0.18 * smooth(rng, patch.shape, radius * 0.6), 0.6, 1.3)
    share = np.clip(layer * (uniform(rng, 0.4, 0.75) + 0.35 * border) * uneven, 0, 1)
    liquid = pick(rng, _LIQUIDS)
    if sum(patch.tone(65)) / 3 < _DARK:
        return mixed(patch.colour, flooded(_RESIDUE, patch.shape), share * np.float32(0.55))
    return mixed(patch.colour, patch.colour * np.asarray(liquid, dtype=np.float32), share)


def corrosion(patch: Patch, rng: np.random.Generator) -> Pixels:
    """Let metal corrode in grainy patches: brown on steel and zinc, green on copper and brass."""
    radius, unit = patch.reach_px * 0.75, patch.unit_px
    inside = patch.blob(rng, radius, 0.3)
    pits = smooth(rng, patch.shape, 9 * unit) + 0.6 * smooth(rng, patch.shape, 3 * unit)
    share = ramp(inside + pits * np.float32(radius * 0.3), radius * 0.35)
    share = np.clip(share * (0.8 + 0.2 * pits) * uniform(rng, 0.6, 0.95), 0, 1)
    mottle = np.clip(1 + 0.22 * pits + 0.08 * grain(rng, patch.shape), 0.45, 1.6)
    red, _, blue = patch.tone(50)
    salt = _VERDIGRIS if red > blue * _REDDISH else _RUST
    return mixed(patch.colour, tinted(mottle, salt), share)


def contamination(patch: Patch, rng: np.random.Generator) -> Pixels:
    """Drop a fibre or crumbs on the part, with their shadow."""
    unit = patch.unit_px
    matter = np.zeros(patch.shape, dtype=np.float32)
    if chance(rng, 0.5):
        points = _fibre(patch, rng)
        matter = patch.lines(points, [uniform(rng, 1.3, 2.6) * unit] * len(points))
    else:
        for _ in range(3 + pick_index(rng, 9)):
            spread = patch.reach_px * 0.45
            centre = (float(rng.normal(0, spread)), float(rng.normal(0, spread)))
            crumb = speck(patch, rng, centre, uniform(rng, 1.8, 5.5) * unit)
            matter = np.maximum(matter, crumb)
    ground = sum(patch.tone(50)) / 3
    tones = sorted(_DUST, key=lambda tone: abs(sum(tone) / 3 - ground))
    lit = 1 + 1.2 * patch.slope(blurred(matter, 1.2 * unit))
    shade = 1 - 0.45 * patch.shadow(matter, 2.2 * unit)
    return mixed(shaded(patch.colour, shade), tinted(lit, pick(rng, tones[1:])), matter)


def broken_thread(patch: Patch, rng: np.random.Generator) -> Pixels:
    """Leave a yarn out for a stretch, its neighbours closing in, often with a loose end."""
    scene = patch.scene
    angle = scene.grain_rad + (math.pi / 2 if chance(rng, 0.5) else 0)
    cos, sin = math.cos(angle), math.sin(angle)
    along = patch.x * cos + patch.y * sin
    across = patch.y * cos - patch.x * sin
    across = across + 0.12 * scene.pitch_px * smooth(rng, patch.shape, patch.reach_px)
    pitch = scene.pitch_px * uniform(rng, 0.75, 1.1)
    within = ramp(patch.reach_px - np.abs(along), scene.pitch_px * 2)
    gap = np.exp(-((across / (0.48 * pitch)) ** 4)) * within
    ridge = np.exp(-(((np.abs(across) - pitch) / (0.55 * pitch)) ** 2)) * within
    shade = (1 - uniform(rng, 0.45, 0.75) * gap) * (1 + 0.2 * ridge)
    after = shaded(patch.colour, shade)
    if chance(rng, 0.35):
        return after
    end = patch.reach_px * (1 if chance(rng, 0.5) else -1)
    curl = [(end * cos, end * sin)]
    turn = angle + uniform(rng, -1.5, 1.5)
    for _ in range(9):
        turn += uniform(rng, -0.2, 0.8)
        step = scene.pitch_px * 0.5
        curl.append((curl[-1][0] + step * math.cos(turn), curl[-1][1] + step * math.sin(turn)))
    thread = patch.lines(curl, [0.42 * scene.pitch_px] * len(curl))
    shade = 1 - 0.5 * patch.shadow(thread, 0.4 * scene.pitch_px)
    return mixed(shaded(after, shade), flooded(patch.tone(90), patch.shape), thread)


def speck(patch: Patch, rng: np.random.Generator, centre: Point, radius_px: float) -> Layer:
    """Return the coverage of a small angular grain."""
    corners = []
    for index in range(7):
        angle = index * 2 * math.pi / 7 + uniform(rng, -0.3, 0.3)
        reach = radius_px * uniform(rng, 0.6, 1.1)
        corners.append((centre[0] + reach * math.cos(angle), centre[1] + reach * math.sin(angle)))
    return patch.polygon(corners)


def _fibre(patch: Patch, rng: np.random.Generator) -> list[Point]:
    """Return the course of a loose fibre that bends smoothly through the centre."""
    turn, curl = uniform(rng, 0, 2 * math.pi), uniform(rng, -0.22, 0.22)
    step = patch.reach_px / 11
    halves: list[list[Point]] = []
    for side in (1, -1):
        bend, heading = curl * side, turn + (math.pi if side < 0 else 0)
        half: list[Point] = [(0.0, 0.0)]
        for _ in range(11):
            bend += uniform(rng, -0.06, 0.06)
            heading += bend
            last = half[-1]
            half.append((last[0] + step * math.cos(heading), last[1] + step * math.sin(heading)))
        halves.append(half)
    return halves[0][::-1] + halves[1][1:]
