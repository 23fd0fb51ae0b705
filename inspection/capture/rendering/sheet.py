"""A sheet to print on: text, bars, code matrices, logos and frames."""

import math
from dataclasses import dataclass

import cv2
import numpy as np

from inspection.capture.rendering.noise import pick, pick_index
from inspection.capture.rendering.pixels import Bytes, Colour, Point, shrunk

Box = tuple[float, float, float, float]

#: Sheets are drawn this many times larger and shrunk, so that print has smooth edges.
_FINE = 2

_FONTS = (cv2.FONT_HERSHEY_DUPLEX, cv2.FONT_HERSHEY_COMPLEX, cv2.FONT_HERSHEY_TRIPLEX)

_WORDS = (
    "NORDIC", "LOT 4711", "Ref. 20-118", "Net 250 g", "Made in EU", "BATCH 07", "Store dry",
    "pH 5.5", "Art. 88213", "Class A", "AQUILA", "Keep cool", "500 ml", "Type II", "24 V DC",
    "Serie 9", "VEGA", "Use by 11/27", "No. 3", "Clean", "MODEL K2", "IP 54", "Grade 8.8",
    "Steel", "Oats", "Honey", "Citrus", "DELTA", "CE 0344", "Max 60 C", "Qty 100", "Fragile",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """A square of paper; positions are parts of its side, (x, y) from the upper left corner."""

    canvas: Bytes
    """(H, W, 3), `_FINE` times the final size; it is drawn on in place."""
    paper: Colour
    ink: Colour

    @classmethod
    def blank(cls, size_px: int, paper: Colour, ink: Colour) -> "Sheet":
        """Return an empty sheet."""
        side = size_px * _FINE
        canvas = np.empty((side, side, 3), dtype=np.uint8)
        canvas[:] = np.asarray(paper, dtype=np.uint8)
        return cls(canvas=canvas, paper=paper, ink=ink)

    @property
    def side(self) -> int:
        """Side of the canvas in px."""
        return int(self.canvas.shape[0])

    def picture(self) -> Bytes:
        """Return the print at its final size, (H, W, 3)."""
        size = self.side // _FINE
        return shrunk(self.canvas, (size, size))

    def pixel(self, point: Point) -> tuple[int, int]:
        """Return a position in canvas px."""
        return round(point[0] * self.side), round(point[1] * self.side)

    def words(self, rng: np.random.Generator, count: int) -> str:
        """Return a few words that may stand on a label."""
        return "  ".join(rng.permutation(_WORDS)[:count].tolist())

    def fill(self, box: Box, ink: Colour) -> None:
        """Print a solid box (left, top, right, bottom)."""
        cv2.rectangle(self.canvas, self.pixel(box[:2]), self.pixel(box[2:]), ink, -1)

    def frame(self, box: Box, ink: Colour) -> None:
        """Print a frame."""
        width = max(1, self.side // 260)
        cv2.rectangle(self.canvas, self.pixel(box[:2]), self.pixel(box[2:]), ink, width)

    def text(self, text: str, at: Point, height: float, ink: Colour, room: float) -> None:
        """Print text on the base line `at`, cut to `room`."""
        font = _FONTS[len(text) % len(_FONTS)]
        scale = height * self.side / 22
        thickness = max(1, round(height * self.side / 14))
        while len(text) > 1:
            (width, _), _ = cv2.getTextSize(text, font, scale, thickness)
            if width <= room * self.side:
                break
            words = text.rsplit("  ", 1)
            text = words[0] if len(words) > 1 else text[:-1].rstrip()
        cv2.putText(self.canvas, text, self.pixel(at), font, scale, ink, thickness, cv2.LINE_AA)

    def ring(self, centre: Point, radius: float, ink: Colour) -> None:
        """Print a thin circle."""
        width = max(1, self.side // 160)
        reach = round(radius * self.side)
        cv2.circle(self.canvas, self.pixel(centre), reach, ink, width, cv2.LINE_AA)

    def dot(self, centre: Point, radius: float, ink: Colour) -> None:
        """Print a solid disc."""
        reach = max(1, round(radius * self.side))
        cv2.circle(self.canvas, self.pixel(centre), reach, ink, -1, cv2.LINE_AA)

    def path(self, points: list[Point], width: float, ink: Colour) -> None:
        """Print a line with bends."""
        corners = np.asarray([self.pixel(point) for point in points], dtype=np.int32)
        thickness = max(1, round(width * self.side))
        cv2.polylines(
            self.canvas,
            [corners],
            isClosed=False,
            color=ink,
            thickness=thickness,
            lineType=cv2.LINE_AA,
        )

    def barcode(self, rng: np.random.Generator, box: Box) -> None:
        """Print bars of one to four modules."""
        (left, top), (right, bottom) = self.pixel(box[:2]), self.pixel(box[2:])
        module = max(2, round(self.side / 256))
        is_bar = True
        while left < right:
            width = module * (1 + pick_index(rng, 4))
            if is_bar:
                cv2.rectangle(self.canvas, (left, top), (left + width - 1, bottom), self.ink, -1)
            left += width
            is_bar = not is_bar

    def matrix(self, rng: np.random.Generator, at: Point, side: float) -> None:
        """Print a square code matrix with finder patterns."""
        count = 21
        cells = rng.integers(0, 2, (count, count)).astype(np.uint8)
        finder = np.ones((7, 7), dtype=np.uint8)
        finder[1:6, 1:6] = 0
        finder[2:5, 2:5] = 1
        for row, column in ((0, 0), (0, count - 7), (count - 7, 0)):
            cells[row : row + 7, column : column + 7] = finder
        pixels = max(count, round(side * self.side))
        dark = cv2.resize(cells, (pixels, pixels), interpolation=cv2.INTER_NEAREST) > 0
        x, y = self.pixel(at)
        window = self.canvas[y : y + pixels, x : x + pixels]
        window[dark[: window.shape[0], : window.shape[1]]] = np.asarray(self.ink, dtype=np.uint8)

    def logo(self, rng: np.random.Generator, centre: Point, radius: float, ink: Colour) -> None:
        """Print a simple sign: rings, bars, a star or a polygon."""
        kind = pick(rng, ("rings", "bars", "star", "polygon"))
        if kind == "rings":
            for share, is_ink in ((1.0, True), (0.62, False), (0.32, True)):
                self.dot(centre, radius * share, ink if is_ink else self._under(centre, radius))
        elif kind == "bars":
            for step in range(-2, 3):
                left, high = centre[0] + step * radius * 0.4, radius * (1 - 0.22 * abs(step))
                self.fill((left, centre[1] - high, left + radius * 0.22, centre[1] + high), ink)
        else:
            corners = 3 + pick_index(rng, 5)
            notch = 0.45 if kind == "star" else math.cos(math.pi / corners)
            turns = [math.pi * step / corners for step in range(2 * corners)]
            reaches = [radius * (notch if step % 2 else 1) for step in range(2 * corners)]
            points = [
                self.pixel((centre[0] + reach * math.sin(turn), centre[1] - reach * math.cos(turn)))
                for reach, turn in zip(reaches, turns, strict=True)
            ]
            cv2.fillPoly(self.canvas, [np.asarray(points, dtype=np.int32)], ink, cv2.LINE_AA)

    def _under(self, centre: Point, radius: float) -> Colour:
        """Return the colour printed beside a sign that has yet to be printed."""
        x, y = self.pixel((centre[0], centre[1] - radius * 1.15))
        red, green, blue = self.canvas[max(y, 0), x].tolist()
        return red, green, blue
