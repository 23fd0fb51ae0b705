"""Layers and colours as arrays, and the few operations that all rendering is made of."""

import functools
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

#: (H, W) float32: brightness, coverage, relief.
Layer = NDArray[np.float32]

#: (H, W, 3) float32 in 0..255, R, G, B.
Pixels = NDArray[np.float32]

#: Any of these before they are rounded.
Values = NDArray[np.floating[Any]]

#: (H, W) or (H, W, 3) uint8.
Bytes = NDArray[np.uint8]

#: Height and width.
Shape = tuple[int, int]

#: R, G, B in 0..255.
Colour = tuple[float, float, float]

#: x to the right, y down.
Point = tuple[float, float]

#: Above this stretch a cubic curve is drawn coarsely first and then refined linearly.
_COARSE_STRETCH = 8


@functools.lru_cache(maxsize=4)
def grid(size_px: int) -> tuple[Layer, Layer]:
    """Return pixel offsets (x, y) from the picture's centre, each (H, W), read-only."""
    axis = np.arange(size_px, dtype=np.float32) - np.float32((size_px - 1) / 2)
    x, y = np.meshgrid(axis, axis)
    x.setflags(write=False)
    y.setflags(write=False)
    return x, y


@functools.lru_cache(maxsize=4)
def polar(size_px: int) -> tuple[Layer, Layer, Layer]:
    """Return each pixel's radius in px and the cosine and sine of its angle, read-only."""
    x, y = grid(size_px)
    radius: Layer = np.hypot(x, y)
    safe = np.maximum(radius, 1)
    cos, sin = np.asarray(x / safe, dtype=np.float32), np.asarray(y / safe, dtype=np.float32)
    for layer in (radius, cos, sin):
        layer.setflags(write=False)
    return radius, cos, sin


def to_bytes(values: Values) -> Bytes:
    """Return `values` rounded and clipped to 0..255."""
    nothing = np.zeros_like(values)
    return np.asarray(cv2.add(values, nothing, dtype=cv2.CV_8U), dtype=np.uint8)


def tripled(layer: Layer) -> Pixels:
    """Return an (H, W) layer as (H, W, 3)."""
    return np.asarray(cv2.cvtColor(layer, cv2.COLOR_GRAY2RGB), dtype=np.float32)


def tinted(layer: Layer, colour: Colour) -> Pixels:
    """Return `layer` times a colour, (H, W, 3)."""
    return np.asarray(cv2.merge([layer * np.float32(part) for part in colour]), dtype=np.float32)


def shaded(pixels: Pixels, layer: Layer) -> Pixels:
    """Return `pixels` times an (H, W) layer."""
    return pixels * tripled(layer)


def mixed(before: Pixels, after: Pixels, share: Layer) -> Pixels:
    """Return `after` where `share` is 1, `before` where it is 0."""
    return before + (after - before) * tripled(share)


def flooded(colour: Colour, shape: Shape) -> Pixels:
    """Return (H, W, 3) pixels of one colour."""
    pixels = np.empty((*shape, 3), dtype=np.float32)
    pixels[:] = np.asarray(colour, dtype=np.float32)
    return pixels


def strongest(pixels: Pixels) -> Layer:
    """Return the greatest absolute value of the three channels, (H, W)."""
    red, green, blue = cv2.split(np.abs(pixels))
    return np.asarray(cv2.max(cv2.max(red, green), blue), dtype=np.float32)


def blurred(values: Layer | Pixels, sigma_px: float) -> Layer:
    """Return `values` after a Gaussian blur."""
    return np.asarray(cv2.GaussianBlur(values, (0, 0), max(sigma_px, 0.1)), dtype=np.float32)


def resized(values: Layer, shape: Shape) -> Layer:
    """Return a coarse layer stretched smoothly over (H, W)."""
    height, width = shape
    if min(height / values.shape[0], width / values.shape[1]) > _COARSE_STRETCH:
        coarse = (width // 4, height // 4)
        values = np.asarray(cv2.resize(values, coarse, interpolation=cv2.INTER_CUBIC))
        stretched = cv2.resize(values, (width, height), interpolation=cv2.INTER_LINEAR)
    else:
        stretched = cv2.resize(values, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.asarray(stretched, dtype=np.float32)


def shrunk(values: Bytes, shape: Shape) -> Bytes:
    """Return `values` averaged down to (H, W)."""
    return np.asarray(cv2.resize(values, shape[::-1], interpolation=cv2.INTER_AREA), dtype=np.uint8)


def ramp(inside: Values, width_px: float) -> Layer:
    """Return 0..1 over a soft border `width_px` wide around `inside` = 0."""
    slope = np.float32(1 / max(width_px, 0.5))
    return np.asarray(np.clip(inside * slope + np.float32(0.5), 0, 1), dtype=np.float32)


def disc(radius: Layer, limit_px: float) -> Layer:
    """Return the anti-aliased coverage of all points nearer than `limit_px`."""
    return ramp(np.float32(limit_px) - radius, 1.0)


def rounded_box(x: Layer, y: Layer, half: Point, corner_px: float) -> Layer:
    """Return the distance inside (positive) a box about (0, 0) with round corners."""
    over_x = np.abs(x) - np.float32(half[0] - corner_px)
    over_y = np.abs(y) - np.float32(half[1] - corner_px)
    outside = np.hypot(np.maximum(over_x, 0), np.maximum(over_y, 0))
    inside = np.minimum(np.maximum(over_x, over_y), 0)
    return np.asarray(np.float32(corner_px) - outside - inside, dtype=np.float32)
