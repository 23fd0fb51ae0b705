"""Random fields: the grain, waves, cells and threads that surfaces are made of."""

import math
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from inspection.capture.rendering.noise import chance

#: ``(H, W)`` float32.
Field = NDArray[np.float32]
Draw = Callable[[np.random.Generator, int], Field]


def single(values: NDArray[Any]) -> Field:
    """Return values of any kind in single precision."""
    return np.asarray(values, dtype=np.float32)


def spectral(rng: np.random.Generator, size_px: int) -> Field:
    """Return noise whose amplitude falls with a random power of the frequency, any grain."""
    return _noise(rng, size_px, power=rng.uniform(0.3, 2.0), stretch=1.0)


def brushed(rng: np.random.Generator, size_px: int) -> Field:
    """Return noise drawn out in one direction, as on brushed metal or wood."""
    return _noise(rng, size_px, power=rng.uniform(0.3, 1.2), stretch=rng.uniform(4, 40))


def granular(rng: np.random.Generator, size_px: int) -> Field:
    """Return grains of random brightness with joints between them: asphalt, stone, leather."""
    count = int(np.exp(rng.uniform(np.log(60), np.log(6000))))
    count = min(count, size_px * size_px // 2)
    seeds = np.ones((size_px, size_px), dtype=np.uint8)
    seeds.flat[rng.choice(size_px * size_px, count, replace=False)] = 0
    distance, labels = cv2.distanceTransformWithLabels(
        seeds, cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
    )
    tones = rng.normal(size=count + 1).astype(np.float32)
    shape = np.asarray(distance, dtype=np.float32) / math.sqrt(size_px * size_px / count)
    grains = tones[labels] * np.float32(rng.uniform(0, 1))
    return single(grains - shape * np.float32(rng.uniform(-2, 2)))


def woven(rng: np.random.Generator, size_px: int) -> Field:
    """Return yarns that cross over and under each other."""
    u, v = _turned(rng, size_px)
    across, along = rng.uniform(3, 20), rng.uniform(3, 20)
    step = int(rng.integers(1, 4))
    column, row = np.floor(u / across), np.floor(v / along)
    is_warp = np.mod(column + step * row, 2 + rng.integers(0, 3)) < 1
    warp = np.abs(np.sin(np.pi * u / across))
    weft = np.abs(np.sin(np.pi * v / along))
    yarn = np.where(is_warp, warp, weft * rng.uniform(0.6, 1))
    return single(yarn.astype(np.float32) * 2 + np.float32(0.5) * spectral(rng, size_px))


def waves(rng: np.random.Generator, size_px: int) -> Field:
    """Return parallel ridges, or a lattice of two such sets."""
    u, v = _turned(rng, size_px)
    period = np.exp(rng.uniform(np.log(4), np.log(60)))
    sharpness = rng.uniform(0.5, 6)
    waves = np.tanh(sharpness * np.sin(2 * np.pi * u / period))
    if chance(rng, 0.5):
        waves = waves * np.tanh(sharpness * np.sin(2 * np.pi * v / (period * rng.uniform(0.5, 2))))
    return single(waves)


def turned(rng: np.random.Generator, size_px: int) -> Field:
    """Return rings about a centre, as a lathe leaves them, or the growth rings of wood."""
    y, x = np.mgrid[:size_px, :size_px].astype(np.float32)
    centre = rng.uniform(-0.5, 1.5, size=2) * size_px
    warp = spectral(rng, size_px) * np.float32(rng.choice([0, 0, 2, 8]))
    radius = np.hypot(x - centre[0], (y - centre[1]) * rng.uniform(0.3, 1)) + warp
    period = np.exp(rng.uniform(np.log(2.5), np.log(40)))
    rings = np.sin(2 * np.pi * radius / period)
    return single(rings + 0.4 * spectral(rng, size_px))


def leaves(rng: np.random.Generator, size_px: int) -> Field:
    """Return flat shapes of all sizes that cover each other: speckle, terrazzo, clutter."""
    canvas = np.zeros((size_px, size_px), dtype=np.float32)
    largest = np.exp(rng.uniform(np.log(4), np.log(70)))
    count = int(np.clip(3 * (size_px / largest) ** 2, 60, 1500))
    centres = rng.uniform(0, size_px, size=(count, 2))
    sizes = np.clip(largest * rng.power(2.5, size=count), 1.5, None)
    tones = rng.normal(size=count)
    is_round = chance(rng, 0.5)
    for (x, y), size, tone in zip(centres, sizes, tones, strict=True):
        if is_round:
            cv2.circle(canvas, (int(x), int(y)), int(size), float(tone), -1)
        else:
            angle = float(rng.uniform(0, 180))
            box = cv2.boxPoints(((x, y), (size * 2, size * rng.uniform(0.3, 2)), angle))
            cv2.fillConvexPoly(canvas, box.astype(np.int32), float(tone))
    return canvas


def dotted(rng: np.random.Generator, size_px: int) -> Field:
    """Return a lattice of dots or holes, as of a screen, a mesh or perforated sheet."""
    u, v = _turned(rng, size_px)
    pitch = np.exp(rng.uniform(np.log(6), np.log(48)))
    v = v + pitch / 2 * rng.integers(2) * np.mod(np.floor(u / pitch), 2)
    reach = np.hypot(np.mod(u, pitch) - pitch / 2, np.mod(v, pitch) - pitch / 2) / pitch
    return single(np.tanh((reach - rng.uniform(0.15, 0.4)) * rng.uniform(4, 20)))


def plain(rng: np.random.Generator, size_px: int) -> Field:
    """Return an almost even surface."""
    return np.float32(0.25) * spectral(rng, size_px)


FIELDS: tuple[Draw, ...] = (
    spectral, spectral, brushed, granular, granular, woven, waves, turned, leaves, dotted,
    plain, plain,
)  # fmt: skip


def standard(field: Field) -> Field:
    """Return the field with mean 0 and deviation 1."""
    return np.asarray((field - field.mean()) / (field.std() + np.float32(1e-6)))


def blob(
    rng: np.random.Generator, size_px: int, centre: tuple[float, float], reach: float
) -> Field:
    """Return the distance inside (positive) a shape with a rough outline, in units of `reach`."""
    y, x = np.mgrid[:size_px, :size_px].astype(np.float32)
    angle, stretch = rng.uniform(0, math.pi), rng.uniform(0.35, 1)
    x, y = x - np.float32(centre[0]), y - np.float32(centre[1])
    along = x * math.cos(angle) + y * math.sin(angle)
    aside = (y * math.cos(angle) - x * math.sin(angle)) / stretch
    rough = rng.normal(size=(8, 8)).astype(np.float32)
    fine = cv2.resize(rough, (size_px, size_px), interpolation=cv2.INTER_CUBIC)
    wobble = cv2.warpAffine(
        fine,
        np.asarray([[reach / 24, 0, centre[0]], [0, reach / 24, centre[1]]], dtype=np.float32),
        (size_px, size_px),
        borderMode=cv2.BORDER_REFLECT,
    )
    inside = 1 - np.hypot(along, aside) / np.float32(reach)
    return np.asarray(inside + np.float32(rng.uniform(0, 0.3)) * wobble, dtype=np.float32)


def _noise(rng: np.random.Generator, size_px: int, *, power: float, stretch: float) -> Field:
    white = rng.standard_normal((size_px, size_px), dtype=np.float32)
    frequency = np.fft.fftfreq(size_px).astype(np.float32)
    fx, fy = frequency[None, : size_px // 2 + 1], frequency[:, None]
    angle = rng.uniform(0, math.pi)
    u = fx * math.cos(angle) + fy * math.sin(angle)
    v = (fy * math.cos(angle) - fx * math.sin(angle)) * stretch
    radius = np.sqrt(u * u + v * v) + 1 / size_px
    return standard(np.fft.irfft2(np.fft.rfft2(white) * radius**-power).astype(np.float32))


def _turned(rng: np.random.Generator, size_px: int) -> tuple[Field, Field]:
    """Return pixel coordinates, turned by any angle (often none) and slightly bent."""
    y, x = np.mgrid[:size_px, :size_px].astype(np.float32)
    angle = rng.uniform(0, math.pi) if chance(rng, 0.6) else 0.0
    bend = spectral(rng, size_px) * np.float32(rng.choice([0, 0.3, 1.5]))
    u = x * math.cos(angle) + y * math.sin(angle) + bend
    v = y * math.cos(angle) - x * math.sin(angle) + bend
    return u.astype(np.float32), v.astype(np.float32)
