"""Layouts: how fields, prints and shapes make the picture of a good part."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from inspection.capture.rendering.noise import chance
from inspection.training.surfaces.field import FIELDS, Field, single, spectral, standard

#: ``(H, W, 3)`` float32 RGB in [0, 1].
Colours = NDArray[np.float32]

Canvas = NDArray[np.uint8]
#: ``(2,)`` x and y in px.
Centre = NDArray[np.float64]

_CHARACTERS = tuple("ABCDEFGHKLMNPRSTUVXYZ0123456789+-=#/")


@dataclass(frozen=True, kw_only=True)
class Surface:
    """The picture of a good part."""

    colours: Colours
    #: ``(H, W)`` float32 in [0, 1]: where it is part and not background.
    cover: Field
    #: What is behind the part.
    behind: Colours
    #: ``(H, W)`` float32 in [0, 1]: where there is print, and the part without it.
    print: Field | None = None
    blank: Colours | None = None


def textured(rng: np.random.Generator, size_px: int) -> Surface:
    """Return a material that fills the picture."""
    colours = material(rng, size_px)
    whole = np.ones((size_px, size_px), dtype=np.float32)
    return Surface(colours=colours, cover=whole, behind=material(rng, size_px))


def assembled(rng: np.random.Generator, size_px: int) -> Surface:
    """Return a part of one or more pieces on a background."""
    behind = material(rng, size_px, contrast=rng.uniform(0, 0.5))
    cover = _outline(rng, size_px)
    colours = behind
    pieces = [cover] + [
        cover * _outline(rng, size_px, scale=rng.uniform(0.15, 0.7))
        for _ in range(rng.integers(0, 5))
    ]
    for piece in pieces:
        shade = cv2.GaussianBlur(piece, (0, 0), rng.uniform(1.5, 6))
        rim = 1 + np.float32(rng.uniform(-0.5, 0.3)) * (shade - piece)
        colours = _mixed(colours * rim[..., None], material(rng, size_px), piece)
    return Surface(colours=np.clip(colours, 0, 1), cover=cover, behind=behind)


def printed(rng: np.random.Generator, size_px: int) -> Surface:
    """Return a plain part with print: conductors and pads, text, or rows of marks."""
    draw = (_conductors, _conductors, _text, _marks)[rng.integers(4)]
    ink = single(cv2.GaussianBlur(draw(rng, size_px), (0, 0), rng.uniform(0.3, 0.9)))
    contrast = 0.0 if chance(rng, 0.4) else rng.uniform(0, 0.4)
    blank = material(rng, size_px, contrast=contrast)
    inked = material(rng, size_px, contrast=contrast, away_from=float(blank.mean()))
    whole = np.ones((size_px, size_px), dtype=np.float32)
    colours = _mixed(blank, inked, ink)
    return Surface(colours=colours, cover=whole, behind=blank, print=ink, blank=blank)


def photographed(picture: NDArray[np.uint8], rng: np.random.Generator, size_px: int) -> Surface:
    """Return a piece of a photograph of a good part, its colours changed at random."""
    edge = min(picture.shape[0], picture.shape[1])
    side = int(edge * rng.uniform(0.5, 1))
    top = rng.integers(picture.shape[0] - side + 1)
    left = rng.integers(picture.shape[1] - side + 1)
    piece = picture[top : top + side, left : left + side]
    shape = (size_px, size_px)
    interpolation = cv2.INTER_AREA if side > size_px else cv2.INTER_LINEAR
    colours = cv2.resize(piece, shape, interpolation=interpolation).astype(np.float32) / 255
    if chance(rng, 0.5):
        colours = colours[..., rng.permutation(3)]
    if chance(rng, 0.2):
        colours = 1 - colours
    whole = np.ones(shape, dtype=np.float32)
    behind = material(rng, size_px, contrast=0.2)
    return Surface(colours=np.ascontiguousarray(colours), cover=whole, behind=behind)


def material(
    rng: np.random.Generator,
    size_px: int,
    *,
    contrast: float | None = None,
    away_from: float | None = None,
) -> Colours:
    """Return a coloured field, in relief or flat; grey half of the time."""
    contrast = rng.uniform(0.05, 1) if contrast is None else contrast
    field = standard(FIELDS[rng.integers(len(FIELDS))](rng, size_px))
    if chance(rng, 0.3):
        field = standard(
            field + rng.uniform(0.2, 1) * FIELDS[rng.integers(len(FIELDS))](rng, size_px)
        )
    if chance(rng, 0.4):
        angle = rng.uniform(0, 2 * np.pi)
        dy, dx = np.gradient(cv2.GaussianBlur(field, (0, 0), rng.uniform(0.6, 2)))
        field = standard(np.cos(angle) * dx + np.sin(angle) * dy)
    tone = rng.uniform(0.12, 0.88)
    if away_from is not None:
        tone = float(np.clip(away_from + rng.choice([-1, 1]) * rng.uniform(0.25, 0.7), 0.02, 0.98))
    tints = np.ones((2, 3)) if chance(rng, 0.5) else 1 + rng.normal(0, 0.25, size=(2, 3))
    light = field * np.float32(0.16 * contrast)
    colours = (tone * tints[0]).astype(np.float32) + light[..., None] * tints[1].astype(np.float32)
    return np.asarray(np.clip(colours, 0, 1))


def lit(rng: np.random.Generator, size_px: int) -> Field:
    """Return the uneven light that falls on a part, about 1."""
    y, x = np.mgrid[-1 : 1 : size_px * 1j, -1 : 1 : size_px * 1j]
    slope = rng.normal(0, 0.1, size=2)
    fall = rng.uniform(0, 0.25) * (chance(rng, 0.4))
    cloud = cv2.resize(
        rng.normal(0, 0.05, size=(3, 3)), (size_px, size_px), interpolation=cv2.INTER_CUBIC
    )
    return single(1 + slope[0] * x + slope[1] * y - fall * (x * x + y * y) + cloud)


def _outline(rng: np.random.Generator, size_px: int, scale: float = 1.0) -> Field:
    canvas = np.zeros((size_px, size_px), dtype=np.uint8)
    centre = np.asarray([size_px / 2, size_px / 2])
    if scale < 1:
        centre = rng.uniform(0.15, 0.85, size=2) * size_px
    reach = size_px * rng.uniform(0.3, 0.6) * scale
    draw = (_disc, _ring, _box, _lump, _bar)[rng.integers(5)]
    drawn = draw(canvas, centre, reach, rng)
    return single(cv2.GaussianBlur(drawn, (0, 0), 0.8)) / np.float32(255)


def _disc(canvas: Canvas, centre: Centre, reach: float, rng: np.random.Generator) -> Canvas:
    del rng
    cv2.circle(canvas, (int(centre[0]), int(centre[1])), int(reach), 255, -1)
    return canvas


def _ring(canvas: Canvas, centre: Centre, reach: float, rng: np.random.Generator) -> Canvas:
    middle = (int(centre[0]), int(centre[1]))
    cv2.circle(canvas, middle, int(reach), 255, -1)
    cv2.circle(canvas, middle, int(reach * rng.uniform(0.2, 0.7)), 0, -1)
    return canvas


def _box(canvas: Canvas, centre: Centre, reach: float, rng: np.random.Generator) -> Canvas:
    sides = (reach * rng.uniform(0.6, 2.4), reach * rng.uniform(0.6, 2.4))
    angle = float(rng.choice([0, rng.uniform(0, 90)]))
    corners = cv2.boxPoints(((float(centre[0]), float(centre[1])), sides, angle))
    cv2.fillConvexPoly(canvas, corners.astype(np.int32), 255)
    return canvas


def _lump(canvas: Canvas, centre: Centre, reach: float, rng: np.random.Generator) -> Canvas:
    turns = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    wobble = np.zeros(48)
    for k in (2, 3, 5):
        wobble += rng.normal(0, 0.2 / k) * np.cos(k * turns + rng.uniform(0, 6))
    ring = centre + reach * (1 + wobble)[:, None] * np.stack([np.cos(turns), np.sin(turns)], 1)
    cv2.fillPoly(canvas, [ring.astype(np.int32)], 255)
    return canvas


def _bar(canvas: Canvas, centre: Centre, reach: float, rng: np.random.Generator) -> Canvas:
    """Draw a bar right across, anywhere."""
    del centre
    at, width = rng.uniform(0.2, 0.8) * len(canvas), reach * rng.uniform(0.2, 1)
    canvas[int(max(at - width, 0)) : int(at + width)] = 255
    return canvas if chance(rng, 0.5) else np.ascontiguousarray(canvas.T)


def _conductors(rng: np.random.Generator, size_px: int) -> Field:
    canvas = np.zeros((size_px, size_px), dtype=np.uint8)
    pitch = int(rng.integers(8, 28))
    width = max(2, int(pitch * rng.uniform(0.25, 0.6)))
    directions = np.asarray([(1, 0), (0, 1), (1, 1), (1, -1)])
    for start in range(0, size_px, pitch):
        point = np.asarray([start, rng.integers(size_px)]) // pitch * pitch
        way = directions[rng.integers(2)]
        for _ in range(rng.integers(1, 5)):
            turn = directions[rng.integers(4)] if chance(rng, 0.4) else way
            goal = point + turn * pitch * rng.integers(2, 10)
            cv2.line(canvas, point.tolist(), goal.tolist(), 255, width, cv2.LINE_AA)
            point = goal
        if chance(rng, 0.6):
            radius = int(width * rng.uniform(0.8, 1.6))
            cv2.circle(canvas, point.tolist(), radius, 255, -1, cv2.LINE_AA)
            if chance(rng, 0.4):
                cv2.circle(canvas, point.tolist(), max(1, radius // 3), 0, -1, cv2.LINE_AA)
    for _ in range(rng.integers(0, 5)):
        corner = rng.integers(size_px, size=2)
        cv2.rectangle(
            canvas, corner.tolist(), (corner + rng.integers(8, 60, size=2)).tolist(), 255, -1
        )
    return single(canvas) / np.float32(255)


def _text(rng: np.random.Generator, size_px: int) -> Field:
    canvas = np.zeros((size_px, size_px), dtype=np.uint8)
    height = int(rng.integers(10, 50))
    for base in range(height, size_px + height, int(height * rng.uniform(1.3, 2))):
        words = "".join(rng.choice(_CHARACTERS, size=40).tolist())
        weight = max(1, height // int(rng.integers(7, 16)))
        start = (int(rng.integers(-20, 30)), base)
        font = int(rng.integers(0, 5))
        cv2.putText(canvas, words, start, font, height / 24, 255, weight, cv2.LINE_AA)
    return single(canvas) / np.float32(255)


def _marks(rng: np.random.Generator, size_px: int) -> Field:
    canvas = np.zeros((size_px, size_px), dtype=np.uint8)
    pitch = int(rng.integers(14, 64))
    mark = np.zeros((pitch, pitch), dtype=np.uint8)
    middle, reach = (pitch // 2, pitch // 2), int(pitch * rng.uniform(0.2, 0.45))
    if chance(rng, 0.5):
        cv2.circle(mark, middle, reach, 255, int(rng.choice([-1, 2])), cv2.LINE_AA)
    else:
        mark[pitch // 2 - reach : pitch // 2 + reach, pitch // 4 : -pitch // 4 or None] = 255
    for top in range(0, size_px - pitch + 1, pitch):
        for left in range(0, size_px - pitch + 1, pitch):
            canvas[top : top + pitch, left : left + pitch] = mark
    return single(canvas) / np.float32(255)


def _mixed(before: Colours, after: Colours, share: Field) -> Colours:
    return before + (after - before) * share[..., None]


def greyed(colours: Colours) -> Colours:
    """Return the colours as a camera sees them that sees none."""
    return np.repeat(colours.mean(axis=2, keepdims=True), 3, axis=2)


def roughened(colours: Colours, rng: np.random.Generator) -> Colours:
    """Return the colours with the noise of one more exposure."""
    size_px = colours.shape[0]
    grain = spectral(rng, size_px) if chance(rng, 0.3) else rng.standard_normal((size_px, size_px))
    return colours + (grain * rng.uniform(0, 0.02)).astype(np.float32)[..., None]
