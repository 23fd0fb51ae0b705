"""The square around a defect: its pixels, its coordinates and what can be drawn in it."""

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from inspection.capture.rendering.noise import smooth
from inspection.capture.rendering.pixels import Colour, Layer, Pixels, Point, blurred, shrunk
from inspection.capture.rendering.scene import Scene

#: Lines are drawn this many times larger and shrunk, so that their width need not be whole px.
_FINE = 4


@dataclass(frozen=True, kw_only=True)
class Patch:
    """The square around a defect; layers are (h, w), colours (h, w, 3)."""

    scene: Scene
    rows: slice
    columns: slice
    reach_px: float
    """Half the defect's nominal extent."""
    x: Layer
    """Offset to the right of the defect's centre, in px."""
    y: Layer
    """Offset below the defect's centre, in px."""

    @classmethod
    def around(cls, scene: Scene, centre: Point, reach_px: float) -> "Patch":
        """Return the patch around a point, cut at the picture's borders."""
        height, width = scene.cover.shape
        margin = reach_px * 1.3 + 6
        left, right = max(0, int(centre[0] - margin)), min(width, int(centre[0] + margin) + 1)
        top, bottom = max(0, int(centre[1] - margin)), min(height, int(centre[1] + margin) + 1)
        x = np.arange(left, right, dtype=np.float32) - np.float32(centre[0])
        y = np.arange(top, bottom, dtype=np.float32) - np.float32(centre[1])
        mesh_x, mesh_y = np.meshgrid(x, y)
        return cls(
            scene=scene,
            rows=slice(top, bottom),
            columns=slice(left, right),
            reach_px=reach_px,
            x=mesh_x,
            y=mesh_y,
        )

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width."""
        return self.x.shape[0], self.x.shape[1]

    @property
    def centre(self) -> Point:
        """Position of the defect's centre in the picture."""
        return self.columns.start - float(self.x[0, 0]), self.rows.start - float(self.y[0, 0])

    @property
    def unit_px(self) -> float:
        """What one px of a 384-px picture is here."""
        return int(self.scene.cover.shape[0]) / 384

    @property
    def colour(self) -> Pixels:
        """The part as it is without the defect."""
        return self.scene.colour[self.rows, self.columns]

    @property
    def below(self) -> Pixels:
        """What lies behind the part."""
        return self.scene.below[self.rows, self.columns]

    @property
    def cover(self) -> Layer:
        """How much of each pixel the part covers."""
        return self.scene.cover[self.rows, self.columns]

    def tone(self, percent: float) -> Colour:
        """Return the colour that so many percent of the patch's part do not exceed."""
        step = max(1, min(self.shape) // 24)
        sample = self.colour[::step, ::step][self.cover[::step, ::step] > 0.5]  # noqa: PLR2004
        if not sample.size:
            sample = self.colour.reshape(-1, 3)
        red, green, blue = np.percentile(sample, percent, axis=0).tolist()
        return red, green, blue

    def lines(self, points: list[Point], widths_px: list[float]) -> Layer:
        """Return the coverage of a stroke through `points` (offsets) with a width at each."""
        shape = (self.shape[0] * _FINE, self.shape[1] * _FINE)
        canvas = np.zeros(shape, dtype=np.uint8)
        start_x, start_y = float(self.x[0, 0]), float(self.y[0, 0])
        fine = [
            (
                round((x - start_x + 0.5) * _FINE),
                round((y - start_y + 0.5) * _FINE),
            )
            for x, y in points
        ]
        for first, second, width in zip(fine[:-1], fine[1:], widths_px, strict=False):
            cv2.line(canvas, first, second, 255, max(1, round(width * _FINE)))
        return shrunk(canvas, self.shape) * np.float32(1 / 255)

    def polygon(self, points: list[Point]) -> Layer:
        """Return the coverage of a polygon given by offsets."""
        canvas = np.zeros((self.shape[0] * _FINE, self.shape[1] * _FINE), dtype=np.uint8)
        start = np.asarray([float(self.x[0, 0]), float(self.y[0, 0])])
        fine = (np.asarray(points) - start + 0.5) * _FINE
        cv2.fillPoly(canvas, [np.round(fine).astype(np.int32)], 255)
        return shrunk(canvas, self.shape) * np.float32(1 / 255)

    def blob(self, rng: np.random.Generator, radius_px: float, roughness: float) -> Layer:
        """Return the distance inside (positive) or outside a round shape with a rough outline."""
        stretch = float(rng.uniform(0.7, 1.0))
        angle = float(rng.uniform(0, math.pi))
        cos, sin = math.cos(angle), math.sin(angle)
        along = self.x * cos + self.y * sin
        across = (self.y * cos - self.x * sin) / stretch
        wobble = smooth(rng, self.shape, max(radius_px * 0.7, 2))
        wobble = wobble + 0.4 * smooth(rng, self.shape, max(radius_px * 0.2, 1.5))
        inside: Layer = radius_px - np.hypot(along, across) + roughness * radius_px * wobble
        return inside.astype(np.float32)

    def slope(self, height: Layer) -> Layer:
        """Return how much a relief (in px) faces the light: positive is lit."""
        return self.scene.light.slope(height)

    def shifted(self, layer: NDArray[np.float32], x_px: float, y_px: float) -> NDArray[np.float32]:
        """Return a layer or colours moved to the right and down."""
        matrix = np.asarray([[1, 0, x_px], [0, 1, y_px]], dtype=np.float32)
        moved = cv2.warpAffine(layer, matrix, layer.shape[1::-1], borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(moved, dtype=np.float32)

    def shadow(self, layer: Layer, height_px: float) -> Layer:
        """Return the soft shadow of something that lies on the part, 0..1."""
        toward_x, toward_y = self.scene.light.direction
        moved = self.shifted(layer, -toward_x * height_px, -toward_y * height_px)
        return blurred(moved, height_px * 0.6)
