"""Lighting, lens and sensor: how a scene becomes a camera picture."""

import functools
import math
from dataclasses import dataclass

import cv2
import numpy as np

from inspection.capture.rendering.noise import grain, uniform
from inspection.capture.rendering.pixels import Bytes, Layer, Pixels, grid, tinted, to_bytes


@dataclass(frozen=True, kw_only=True)
class Light:
    """One camera's light, lens and sensor; it stays the same from part to part."""

    angle_rad: float
    """Direction the light comes from, in the picture (x to the right, y down)."""
    gradient: float
    """Relative fall of brightness from the lit side to the picture's centre."""
    vignetting: float
    """Relative darkening of the corners."""
    gain: float
    """Exposure, 1 is nominal."""
    balance: tuple[float, float, float]
    """White balance, a factor for each of R, G, B."""
    noise: float
    """Standard deviation of the sensor noise at mid grey, in grey levels."""
    blur: float
    """Lens blur (sigma) as a part of the picture's side."""

    @classmethod
    def draw(cls, rng: np.random.Generator) -> "Light":
        """Return the light of a new camera."""
        warmth = uniform(rng, -0.03, 0.03)
        return cls(
            angle_rad=uniform(rng, 0, 2 * math.pi),
            gradient=uniform(rng, 0.03, 0.13),
            vignetting=uniform(rng, 0.05, 0.2),
            gain=uniform(rng, 0.9, 1.06),
            balance=(1 + warmth, 1 + uniform(rng, -0.01, 0.01), 1 - warmth),
            noise=uniform(rng, 1.0, 2.6),
            blur=uniform(rng, 0.0011, 0.0018),
        )

    @property
    def direction(self) -> tuple[float, float]:
        """Unit vector (x, y) towards the light."""
        return math.cos(self.angle_rad), math.sin(self.angle_rad)

    def slope(self, height: Layer) -> Layer:
        """Return how much a relief (in px) faces the light: positive is lit, negative is dark."""
        toward_x, toward_y = self.direction
        side, corner = np.float32(0.3), np.float32(0.1)
        kernel = np.asarray(
            [
                [corner * (toward_x + toward_y), side * toward_y, corner * (toward_y - toward_x)],
                [side * toward_x, 0, -side * toward_x],
                [corner * (toward_x - toward_y), -side * toward_y, -corner * (toward_x + toward_y)],
            ],
            dtype=np.float32,
        )
        lit = cv2.filter2D(height, cv2.CV_32F, kernel, borderType=cv2.BORDER_REPLICATE)
        return np.asarray(lit, dtype=np.float32)

    def field(self, size_px: int) -> Pixels:
        """Return the gain of every pixel and channel, (H, W, 3), read-only."""
        return _field(self, size_px)

    def expose(self, colour: Pixels, rng: np.random.Generator) -> Bytes:
        """Return the (H, W, 3) camera picture of a scene whose colours are in 0..255."""
        size_px = colour.shape[0]
        exposure = self.gain * uniform(rng, 0.975, 1.025)
        picture = cv2.GaussianBlur(colour, (0, 0), max(self.blur * size_px, 0.3))
        picture = cv2.multiply(picture, self.field(size_px), scale=exposure)
        shape = (size_px, size_px)
        shared, tint = grain(rng, shape), grain(rng, shape)
        noise = cv2.merge([cv2.scaleAdd(tint, share, shared) for share in (0.5, -0.2, -0.6)])
        picture = cv2.scaleAdd(noise, self.noise * uniform(rng, 0.9, 1.1), picture)
        return to_bytes(np.asarray(picture, dtype=np.float32))


@functools.lru_cache(maxsize=8)
def _field(light: Light, size_px: int) -> Pixels:
    x, y = grid(size_px)
    half = size_px / 2
    along = (x * light.direction[0] + y * light.direction[1]) / half
    radius = (x * x + y * y) / (half * half)
    level = (1 + light.gradient * along) * (1 - light.vignetting * radius / 2)
    field = tinted(np.asarray(level, dtype=np.float32), light.balance)
    field.setflags(write=False)
    return field
