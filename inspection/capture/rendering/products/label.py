"""Printed labels: text, barcodes, code matrices and logos on paper."""

from dataclasses import dataclass, replace

import numpy as np

from inspection.capture.rendering.light import Light
from inspection.capture.rendering.noise import chance, grain, pick, smooth, uniform
from inspection.capture.rendering.pixels import (
    Bytes,
    Colour,
    Layer,
    Pixels,
    grid,
    ramp,
    rounded_box,
    shaded,
    tinted,
    to_bytes,
)
from inspection.capture.rendering.scene import Belt, Pose, Scene
from inspection.capture.rendering.sheet import Sheet

PAPERS: tuple[Colour, ...] = ((238, 238, 234), (236, 231, 216), (226, 230, 236), (240, 226, 158))

INKS: tuple[Colour, ...] = (
    (30, 30, 34),
    (28, 54, 120),
    (150, 28, 36),
    (20, 92, 66),
    (196, 88, 20),
    (86, 34, 104),
    (0, 110, 140),
)


@dataclass(frozen=True, kw_only=True)
class Label:
    """The design of one label."""

    light: Light
    belt: Belt
    alpha: Bytes
    paper: Colour
    printed: Bytes
    """(H, W, 3) canonical print on endless paper."""
    registration_px: float
    """How far the print wanders against the die cut."""

    @classmethod
    def draw(cls, rng: np.random.Generator, size_px: int, light: Light) -> "Label":
        """Return a new label."""
        paper = pick(rng, PAPERS)
        width, height = uniform(rng, 0.74, 0.9), uniform(rng, 0.56, 0.84)
        sheet = Sheet.blank(size_px, paper, INKS[0])
        _compose(rng, sheet, width, height)
        half, corner = (width * size_px / 2, height * size_px / 2), uniform(rng, 0.01, 0.05)
        die = rounded_box(*grid(size_px), half, corner * size_px)
        return cls(
            light=light,
            belt=Belt.draw(rng, size_px),
            alpha=to_bytes(ramp(die, 1) * 255),
            paper=paper,
            printed=sheet.picture(),
            registration_px=0.0018 * size_px,
        )

    def scene(self, rng: np.random.Generator) -> Scene:
        """Return the next label of this design."""
        size_px = self.belt.size_px
        pose = Pose.draw(rng, size_px, 0.05)
        wander = self.registration_px
        print_pose = pose.nudged(uniform(rng, -wander, wander), uniform(rng, -wander, wander))
        shape = (size_px, size_px)
        tooth: Layer = 1 + 0.008 * grain(rng, shape) + 0.012 * smooth(rng, shape, size_px / 3)
        density = np.float32(uniform(rng, 0.9, 1.0))
        ink = print_pose.warp(self.printed) * density
        ink += np.asarray(self.paper, dtype=np.float32) * (1 - density)
        cover = pose.cover(self.alpha)
        scene = self.belt.lay(rng, shaded(ink, tooth), cover, self.light, 0.005 * size_px)

        def blank() -> Pixels:
            return tinted(tooth, self.paper)

        return replace(scene, grain_rad=pose.turn_rad, blank=blank)


def _compose(rng: np.random.Generator, sheet: Sheet, width: float, height: float) -> None:
    """Set header, text, codes and a frame on a sheet, in parts of the picture's side."""
    left, right = 0.5 - width / 2 + 0.03, 0.5 + width / 2 - 0.03
    top, bottom = 0.5 - height / 2 + 0.03, 0.5 + height / 2 - 0.03
    brand = pick(rng, INKS[1:])
    header = uniform(rng, 0.13, 0.2)
    is_band = chance(rng, 0.5)
    if is_band:
        sheet.fill((left, top, right, top + header), brand)
    logo_ink = sheet.paper if is_band else brand
    logo = header * 0.72
    at_right = chance(rng, 0.5)
    logo_x = right - logo * 0.75 if at_right else left + logo * 0.75
    sheet.logo(rng, (logo_x, top + header / 2), logo / 2, logo_ink)
    text_x = left + 0.015 if at_right else left + logo * 1.4
    word = sheet.words(rng, 1)
    sheet.text(
        word, (text_x, top + header * 0.7), header * 0.5, logo_ink, right - left - logo * 1.6
    )
    row = top + header + 0.055
    code_top = bottom - uniform(rng, 0.12, 0.17)
    line_height = uniform(rng, 0.034, 0.046)
    matrix = uniform(rng, 0.1, 0.15) if chance(rng, 0.5) else 0.0
    while row < code_top - 0.015:
        scale = 1.35 if chance(rng, 0.25) else 1.0
        room = (right - left - matrix - 0.05) * uniform(rng, 0.6, 1.0)
        sheet.text(
            sheet.words(rng, 5), (left + 0.01, row), line_height * 0.66 * scale, sheet.ink, room
        )
        row += line_height * (scale + 0.15)
    if matrix:
        sheet.matrix(rng, (right - matrix - 0.01, top + header + 0.03), matrix)
    span = uniform(rng, 0.5, 0.85) * (right - left)
    start = left + 0.01 if chance(rng, 0.5) else right - span - 0.01
    sheet.barcode(rng, (start, code_top, start + span, bottom - 0.035))
    digits = " ".join(str(int(rng.integers(1000, 9999))) for _ in range(3))
    sheet.text(digits, (start, bottom - 0.004), 0.022, sheet.ink, span)
    if chance(rng, 0.3):
        sheet.frame((left - 0.012, top - 0.012, right + 0.012, bottom + 0.012), brand)
