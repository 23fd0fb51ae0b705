"""Circuit boards: traces, pads, chips and small components."""

import math
from dataclasses import dataclass, replace

import numpy as np

from inspection.capture.rendering.light import Light
from inspection.capture.rendering.noise import chance, grain, pick, pick_index, smooth, uniform
from inspection.capture.rendering.pixels import (
    Bytes,
    Colour,
    Layer,
    Pixels,
    Point,
    grid,
    mixed,
    ramp,
    rounded_box,
    shaded,
    to_bytes,
)
from inspection.capture.rendering.scene import Belt, Pose, Scene
from inspection.capture.rendering.sheet import Box, Sheet

#: Solder masks: board, trace below the mask.
_MASKS: tuple[tuple[Colour, Colour], ...] = (
    ((24, 92, 58), (44, 122, 80)),
    ((26, 58, 120), (50, 84, 150)),
    ((120, 30, 36), (150, 54, 56)),
    ((40, 42, 46), (66, 68, 72)),
)
_TIN: Colour = (196, 194, 186)
_SILK: Colour = (228, 228, 220)
_BODIES: tuple[Colour, ...] = ((42, 42, 44), (150, 112, 78), (60, 66, 88), (176, 164, 140))


@dataclass(frozen=True, kw_only=True)
class Circuit:
    """The design of one circuit board."""

    light: Light
    belt: Belt
    alpha: Bytes
    bare: Bytes
    """(H, W, 3): the board before components are placed."""
    placed: Bytes
    """(H, W, 3): the finished board."""
    components: tuple[tuple[Point, ...], ...]
    """Outlines of the components."""

    @classmethod
    def draw(cls, rng: np.random.Generator, size_px: int, light: Light) -> "Circuit":
        """Return a new board."""
        half = uniform(rng, 0.4, 0.45), uniform(rng, 0.34, 0.45)
        mask, trace = pick(rng, _MASKS)
        bare = Sheet.blank(size_px, mask, _SILK)
        boxes = _arrange(rng, half)
        _route(rng, bare, half, trace)
        for box in boxes:
            _pads(bare, box)
        corners = [
            (0.5 + sx * (half[0] - 0.04), 0.5 + sy * (half[1] - 0.04))
            for sx in (-1, 1)
            for sy in (-1, 1)
        ]
        for corner in corners:
            bare.dot(corner, 0.02, (206, 176, 96))
        placed = Sheet(canvas=bare.canvas.copy(), paper=mask, ink=_SILK)
        for box in boxes:
            _place(rng, placed, box, light)
        x, y = grid(size_px)
        inside = rounded_box(x, y, (half[0] * size_px, half[1] * size_px), 0.012 * size_px)
        alpha = ramp(inside, 1)
        for corner in corners:
            off_x, off_y = ((part - 0.5) * size_px for part in corner)
            alpha = alpha * ramp(np.hypot(x - off_x, y - off_y) - 0.011 * size_px, 1)
        return cls(
            light=light,
            belt=Belt.draw(rng, size_px),
            alpha=to_bytes(alpha * 255),
            bare=bare.picture(),
            placed=placed.picture(),
            components=tuple(_outline(box, size_px) for box in boxes),
        )

    def scene(self, rng: np.random.Generator) -> Scene:
        """Return the next board of this design."""
        size_px = self.belt.size_px
        shape = (size_px, size_px)
        pose = Pose.draw(rng, size_px, 0.03)
        level: Layer = 1 + 0.015 * smooth(rng, shape, size_px / 4) + 0.012 * grain(rng, shape)
        part = shaded(pose.warp(self.placed).astype(np.float32), level)
        cover = pose.cover(self.alpha)
        scene = self.belt.lay(rng, part, cover, self.light, 0.016 * size_px)

        def blank() -> Pixels:
            bare = shaded(pose.warp(self.bare).astype(np.float32), level)
            return mixed(scene.below, bare, cover)

        pieces = tuple(pose.outline(outline, size_px) for outline in self.components)
        return replace(scene, blank=blank, pieces=pieces, gloss=0.5)


def _arrange(rng: np.random.Generator, half: Point) -> list[Box]:
    """Return boxes of components that do not touch each other."""
    boxes: list[Box] = []
    for attempt in range(60):
        width, height = (0.038, 0.064) if chance(rng, 0.5) else (0.064, 0.038)
        if attempt < 8:  # noqa: PLR2004 chips first, while there is room
            width, height = uniform(rng, 0.1, 0.2), uniform(rng, 0.1, 0.18)
        x = uniform(rng, 0.5 - half[0] + 0.08, 0.5 + half[0] - 0.08 - width)
        y = uniform(rng, 0.5 - half[1] + 0.06, 0.5 + half[1] - 0.06 - height)
        box = (x, y, x + width, y + height)
        if all(_apart(box, other) for other in boxes):
            boxes.append(box)
    return boxes


def _apart(box: Box, other: Box) -> bool:
    gap = 0.035
    return (
        box[2] + gap < other[0]
        or other[2] + gap < box[0]
        or box[3] + gap < other[1]
        or other[3] + gap < box[1]
    )


def _route(rng: np.random.Generator, sheet: Sheet, half: Point, ink: Colour) -> None:
    """Draw traces with bends of 45 degrees, and a via at each end."""
    for _ in range(26):
        x = uniform(rng, 0.5 - half[0] + 0.05, 0.5 + half[0] - 0.05)
        y = uniform(rng, 0.5 - half[1] + 0.05, 0.5 + half[1] - 0.05)
        heading = pick_index(rng, 8)
        points: list[Point] = [(x, y)]
        for _ in range(3 + pick_index(rng, 3)):
            step = uniform(rng, 0.04, 0.16)
            angle = heading * math.pi / 4
            last = points[-1]
            x = min(max(last[0] + step * math.cos(angle), 0.53 - half[0]), 0.47 + half[0])
            y = min(max(last[1] + step * math.sin(angle), 0.53 - half[1]), 0.47 + half[1])
            points.append((x, y))
            heading += pick(rng, (-1, 1))
        sheet.path(points, pick(rng, (0.006, 0.008, 0.012)), ink)
        for end in (points[0], points[-1]):
            sheet.dot(end, 0.009, _TIN)
            sheet.dot(end, 0.004, (40, 40, 40))


def _is_chip(box: Box) -> bool:
    return box[2] - box[0] > 0.08  # noqa: PLR2004 chips are at least 0.1 wide


def _pads(sheet: Sheet, box: Box) -> None:
    """Print the pads and the outline of a component."""
    left, top, right, bottom = box
    if _is_chip(box):
        count = max(3, int((bottom - top) / 0.026))
        for index in range(count):
            y = top + (index + 0.5) * (bottom - top) / count
            sheet.fill((left - 0.016, y - 0.006, left + 0.012, y + 0.006), _TIN)
            sheet.fill((right - 0.012, y - 0.006, right + 0.016, y + 0.006), _TIN)
        return
    if right - left > bottom - top:
        sheet.fill((left - 0.004, top, left + 0.016, bottom), _TIN)
        sheet.fill((right - 0.016, top, right + 0.004, bottom), _TIN)
    else:
        sheet.fill((left, top - 0.004, right, top + 0.016), _TIN)
        sheet.fill((left, bottom - 0.016, right, bottom + 0.004), _TIN)
    sheet.frame((left - 0.01, top - 0.01, right + 0.01, bottom + 0.01), _SILK)


def _place(rng: np.random.Generator, sheet: Sheet, box: Box, light: Light) -> None:
    """Draw a component: its shadow, its body, its lit edges and its marking."""
    left, top, right, bottom = box
    toward_x, toward_y = light.direction
    body = pick(rng, _BODIES)
    if _is_chip(box):
        shadow = (
            left - 0.008 * toward_x,
            top - 0.008 * toward_y,
            right - 0.008 * toward_x,
            bottom - 0.008 * toward_y,
        )
        sheet.fill(shadow, (14, 22, 20))
        body = (44, 44, 47)
    elif right - left > bottom - top:
        sheet.fill(box, _TIN)
        left, right = left + 0.011, right - 0.011
    else:
        sheet.fill(box, _TIN)
        top, bottom = top + 0.011, bottom - 0.011
    bright: Colour = (body[0] * 1.25 + 16, body[1] * 1.25 + 16, body[2] * 1.25 + 16)
    sheet.fill((left, top, right, bottom), bright)
    inset = 0.004
    sheet.fill(
        (
            left + inset * max(-toward_x, 0.1),
            top + inset * max(-toward_y, 0.1),
            right - inset * max(toward_x, 0.1),
            bottom - inset * max(toward_y, 0.1),
        ),
        body,
    )
    if _is_chip(box):
        sheet.dot((left + 0.016, top + 0.016), 0.006, (70, 70, 74))
        room = right - left - 0.03
        sheet.text(
            sheet.words(rng, 1),
            (left + 0.018, (top + bottom) / 2 + 0.01),
            0.02,
            (150, 150, 150),
            room,
        )


def _outline(box: Box, size_px: int) -> tuple[Point, ...]:
    grow = 0.003
    left, top, right, bottom = (
        side * size_px - 0.5
        for side in (box[0] - grow, box[1] - grow, box[2] + grow, box[3] + grow)
    )
    return ((left, top), (right, top), (right, bottom), (left, bottom))
