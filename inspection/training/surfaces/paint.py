"""How damage of every kind is painted onto a surface."""

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from inspection.capture.rendering.noise import chance
from inspection.training.surfaces.field import Field, blob, single, spectral
from inspection.training.surfaces.layout import Colours, Surface, material

#: Shares of a pixel, or of a cell of the map of places, that are part or ink.
_SOME, _MOST = 0.1, 0.9
_OUTLINE = (0.2, 0.8)
#: From this coverage on, a part fills the picture.
_FILLS = 0.99


def scratch(surface: Surface, rng: np.random.Generator) -> Colours:
    """Draw one or a few thin bent lines, brighter or darker than the surface."""
    size_px = surface.cover.shape[0]
    line = np.zeros((size_px, size_px), dtype=np.float32)
    start, heading = _place(surface, rng), rng.uniform(0, 2 * math.pi)
    length, bend = size_px * rng.uniform(0.08, 0.6), rng.normal(0, 0.6)
    for track in range(1 + chance(rng, 0.25) * int(rng.integers(1, 4))):
        along = np.linspace(-0.5, 0.5, 24)
        turn = heading + bend * along
        x = start[0] + length * along * np.cos(turn) + 4 * track * math.sin(heading)
        y = start[1] + length * along * np.sin(turn) - 4 * track * math.cos(heading)
        _stroke(line, np.stack([x, y], 1), rng.uniform(0.8, 2.6))
    return surface.colours + _light(rng) * line[..., None]


def crack(surface: Surface, rng: np.random.Generator) -> Colours:
    """Draw a jagged dark line that forks."""
    size_px = surface.cover.shape[0]
    line = np.zeros((size_px, size_px), dtype=np.float32)
    width = rng.uniform(0.8, 4)
    start = np.asarray(_place(surface, rng))
    paths = [(start, rng.uniform(0, 2 * math.pi), size_px * rng.uniform(0.1, 0.9), width)]
    while paths:
        point, heading, left, thick = paths.pop()
        points = [point]
        while left > 0:
            step = rng.uniform(2, 9)
            heading += rng.normal(0, 0.35)
            point = point + step * np.asarray(
                [math.cos(heading + rng.normal(0, 0.5)), math.sin(heading)]
            )
            points.append(point)
            left -= step
            if thick == width and chance(rng, 0.06):
                fork = heading + rng.choice([-1, 1]) * rng.uniform(0.4, 1.2)
                paths.append((point, fork, left * 0.5, thick * 0.6))
        _stroke(line, np.asarray(points), thick)
    line = single(cv2.GaussianBlur(line, (0, 0), rng.uniform(0.3, 1.2)))
    depth = rng.uniform(0.3, 0.95)
    light = surface.colours * (1 - depth * line)[..., None]
    return light if chance(rng, 0.9) else surface.colours + (0.4 * depth * line)[..., None]


def stain(surface: Surface, rng: np.random.Generator) -> Colours:
    """Discolour a spot with a soft or dried edge."""
    inside = _blob(surface, rng, 0.03, 0.3)
    share = np.clip(inside * rng.uniform(1.5, 12) + 0.3, 0, 1)
    if chance(rng, 0.3):
        share = share * (0.4 + 0.6 * np.exp(-((inside / 0.15) ** 2)))
    if chance(rng, 0.4):
        share = share * np.clip(0.7 + 0.4 * spectral(rng, share.shape[0]), 0, 1)
    tint = 1 + rng.normal(0, 0.15, size=3) + rng.choice([-1, 1]) * rng.uniform(0.1, 0.6)
    return _mixed(surface.colours, surface.colours * tint.astype(np.float32), share)


def hole(surface: Surface, rng: np.random.Generator) -> Colours:
    """Punch one or several small pits or holes."""
    colours = surface.colours
    for _ in range(1 + chance(rng, 0.3) * int(rng.integers(1, 6))):
        inside = _blob(surface, rng, 0.012, 0.08)
        share = np.clip(inside * rng.uniform(3, 10) + 0.5, 0, 1)
        rim = np.exp(-(((inside + 0.1) / 0.2) ** 2)) * rng.uniform(-0.1, 0.3)
        deep = surface.colours * np.float32(rng.uniform(0, 0.5))
        if chance(rng, 0.25):
            deep = surface.behind
        colours = _mixed(colours + rim[..., None], deep, share)
    return colours


def dent(surface: Surface, rng: np.random.Generator) -> Colours:
    """Press a hollow into the surface: one flank lit, the other dark."""
    relief = np.clip(_blob(surface, rng, 0.03, 0.15) + 0.3, 0, 1)
    relief = cv2.GaussianBlur(relief.astype(np.float32), (0, 0), rng.uniform(1.5, 5))
    dy, dx = np.gradient(relief)
    angle = rng.uniform(0, 2 * math.pi)
    slope = math.cos(angle) * dx + math.sin(angle) * dy
    slope = slope / (np.abs(slope).max() + 1e-6) * rng.uniform(0.25, 0.8)
    return single(surface.colours * (1 + slope)[..., None])


def contamination(surface: Surface, rng: np.random.Generator) -> Colours:
    """Drop grains or a fibre of foreign matter."""
    size_px = surface.cover.shape[0]
    matter = np.zeros((size_px, size_px), dtype=np.float32)
    at = np.asarray(_place(surface, rng))
    if chance(rng, 0.5):
        turns = np.cumsum(rng.normal(0, 0.35, size=30)) + rng.uniform(0, 6)
        steps = size_px * rng.uniform(0.004, 0.015) * np.stack([np.cos(turns), np.sin(turns)], 1)
        _stroke(matter, at + np.cumsum(steps, axis=0), rng.uniform(1, 3))
    else:
        spread = size_px * rng.uniform(0.01, 0.08)
        for x, y in at + rng.normal(0, spread, size=(int(rng.integers(1, 12)), 2)):
            cv2.circle(matter, (int(x), int(y)), int(rng.integers(1, 7)), 1.0, -1, cv2.LINE_AA)
    shadow = cv2.GaussianBlur(np.roll(matter, 2, axis=(0, 1)), (0, 0), 1.5)
    ground = surface.colours * (1 - 0.4 * shadow)[..., None]
    return _mixed(
        ground, material(rng, size_px, contrast=0.2, away_from=_tone(surface, at)), matter
    )


def missing(surface: Surface, rng: np.random.Generator) -> Colours:
    """Break a piece out, so that something else shows."""
    size_px = surface.cover.shape[0]
    inside = _blob(surface, rng, 0.04, 0.2, edge=True)
    share = np.clip(inside * 20 + 0.5, 0, 1)
    fresh = surface.behind
    if surface.cover.mean() > _FILLS:
        fresh = material(rng, size_px, contrast=rng.uniform(0.1, 1))
    lip = np.exp(-((inside / 0.08) ** 2)) * rng.uniform(-0.2, 0.2)
    return _mixed(surface.colours + lip[..., None], fresh, share)


def misplaced(surface: Surface, rng: np.random.Generator) -> Colours:
    """Put a piece of the part where it does not belong, turned or moved."""
    size_px = surface.cover.shape[0]
    at = _place(surface, rng)
    angle = float(rng.choice([90, 180, 270, rng.uniform(10, 350)]))
    matrix = cv2.getRotationMatrix2D(at, angle, float(rng.uniform(0.7, 1.4)))
    moved = np.asarray(matrix, dtype=np.float64)
    moved[:, 2] += rng.normal(0, size_px * 0.15, size=2)
    other = cv2.warpAffine(
        surface.colours, moved, (size_px, size_px), borderMode=cv2.BORDER_REFLECT
    )
    reach = size_px * rng.uniform(0.04, 0.14)
    y, x = np.mgrid[:size_px, :size_px]
    sides = reach * rng.uniform(0.4, 1.4, size=2)
    inside = np.minimum(sides[0] - np.abs(x - at[0]), sides[1] - np.abs(y - at[1]))
    return _mixed(surface.colours, single(other), np.clip(inside + 0.5, 0, 1))


def uneven(surface: Surface, rng: np.random.Generator) -> Colours:
    """Let a wide area be a little brighter, darker or duller."""
    share = np.clip(_blob(surface, rng, 0.1, 0.4) * rng.uniform(1, 4), 0, 1)
    if chance(rng, 0.4):
        dull = cv2.GaussianBlur(surface.colours, (0, 0), rng.uniform(2, 6))
        return _mixed(surface.colours, single(dull), share)
    return single(surface.colours * (1 + _light(rng, 0.1, 0.45) * share)[..., None])


def wrong_texture(surface: Surface, rng: np.random.Generator) -> Colours:
    """Let the surface be of another structure in a spot."""
    size_px = surface.cover.shape[0]
    share = np.clip(_blob(surface, rng, 0.04, 0.2) * rng.uniform(4, 20) + 0.5, 0, 1)
    other = material(rng, size_px)
    if chance(rng, 0.5):
        other = other - other.mean() + surface.colours.mean(axis=(0, 1))
    return _mixed(surface.colours, np.clip(other, 0, 1), share)


def corrosion(surface: Surface, rng: np.random.Generator) -> Colours:
    """Let a spot rust or tarnish in mottled patches."""
    size_px = surface.cover.shape[0]
    mottle = spectral(rng, size_px)
    share = np.clip((_blob(surface, rng, 0.05, 0.25) + 0.3 * mottle) * 4, 0, 1)
    salt = np.asarray([0.5, 0.28, 0.12]) if chance(rng, 0.5) else rng.uniform(0.1, 0.7, size=3)
    crust = salt.astype(np.float32) * (1 + 0.3 * mottle)[..., None]
    return _mixed(
        surface.colours, crust.astype(np.float32), share * np.float32(rng.uniform(0.4, 1))
    )


def break_in_line(surface: Surface, rng: np.random.Generator) -> Colours:
    """Take ink away: an open line, a bite out of its edge, or a pinhole."""
    ink, blank = _ink(surface)
    at = _printed_place(ink, rng, is_inked=True)
    spot = _disc(ink.shape[0], at, rng.uniform(1.5, 8))
    return _mixed(surface.colours, blank, spot * (ink > _SOME))


def extra_ink(surface: Surface, rng: np.random.Generator) -> Colours:
    """Put ink where none belongs: a bridge between lines, a spur, or a splash."""
    ink, blank = _ink(surface)
    size_px = ink.shape[0]
    at = _printed_place(ink, rng, is_inked=chance(rng, 0.6))
    solid = ink > _MOST
    inked = surface.colours[solid].mean(axis=0) if solid.any() else 1 - blank.mean((0, 1))
    spot = np.zeros((size_px, size_px), dtype=np.float32)
    if chance(rng, 0.5):
        angle, length = rng.choice(8) * math.pi / 4, rng.uniform(6, 26)
        end = (at[0] + length * math.cos(angle), at[1] + length * math.sin(angle))
        _stroke(spot, np.asarray([at, end]), rng.uniform(1.5, 6))
    else:
        spot = _disc(size_px, at, rng.uniform(1.5, 8))
    return _mixed(surface.colours, np.broadcast_to(inked, surface.colours.shape), spot)


def _light(rng: np.random.Generator, least: float = 0.12, most: float = 0.6) -> float:
    return float(rng.choice([-1, 1]) * rng.uniform(least, most))


def _place(
    surface: Surface, rng: np.random.Generator, *, edge: bool = False
) -> tuple[float, float]:
    """Return a point (x, y) of the part; with `edge`, one on its outline where it has one."""
    small = cv2.resize(surface.cover, (32, 32), interpolation=cv2.INTER_AREA)
    allowed = small > _MOST
    outline = (small > _OUTLINE[0]) & (small < _OUTLINE[1])
    if edge and outline.any():
        allowed = outline
    places = np.argwhere(allowed) if allowed.any() else np.argwhere(small >= 0)
    row, column = places[rng.integers(len(places))]
    cell = surface.cover.shape[0] / 32
    return float((column + rng.random()) * cell), float((row + rng.random()) * cell)


def _blob(
    surface: Surface, rng: np.random.Generator, least: float, most: float, *, edge: bool = False
) -> Field:
    """Return a blob on the part; its reach is a share of the picture, small ones more often."""
    size_px = surface.cover.shape[0]
    reach = size_px * math.exp(rng.uniform(math.log(least), math.log(most)))
    return blob(rng, size_px, _place(surface, rng, edge=edge), reach)


def _stroke(canvas: Field, points: NDArray[np.float64], width: float) -> None:
    """Draw a smooth line onto a canvas of 0 to 1; one thinner than a pixel is fainter."""
    drawn = np.zeros(canvas.shape, dtype=np.uint8)
    corners = np.round(points * 16).astype(np.int32)
    cv2.polylines(
        drawn, [corners], isClosed=False, color=int(255 * min(1.0, width)),
        thickness=max(1, round(width)), lineType=cv2.LINE_AA, shift=4,
    )  # fmt: skip
    np.maximum(canvas, drawn.astype(np.float32) / 255, out=canvas)


def _disc(size_px: int, at: tuple[float, float], radius: float) -> Field:
    y, x = np.mgrid[:size_px, :size_px]
    return single(np.clip(radius + 0.5 - np.hypot(x - at[0], y - at[1]), 0, 1))


def _tone(surface: Surface, at: NDArray[np.float64]) -> float:
    x, y = np.clip(at, 0, surface.cover.shape[0] - 1).astype(int)
    return float(surface.colours[y, x].mean())


def _ink(surface: Surface) -> tuple[Field, Colours]:
    if surface.print is None or surface.blank is None:
        return surface.cover, surface.behind
    return surface.print, surface.blank


def _printed_place(ink: Field, rng: np.random.Generator, *, is_inked: bool) -> tuple[float, float]:
    places = np.argwhere((ink > 0.5) == is_inked)  # noqa: PLR2004
    if not len(places):
        places = np.argwhere(ink >= 0)
    row, column = places[rng.integers(len(places))]
    return float(column), float(row)


def _mixed(before: Colours, after: Colours, share: Field) -> Colours:
    return np.asarray(before + (after - before) * share[..., None], dtype=np.float32)
