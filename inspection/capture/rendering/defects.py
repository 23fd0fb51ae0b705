"""Defects: which there are, where on a part they sit, and which pixels they change."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from inspection.capture.rendering import blemish, damage, misprint
from inspection.capture.rendering.noise import pick_index, uniform
from inspection.capture.rendering.patch import Patch
from inspection.capture.rendering.pixels import Pixels, shaded, strongest
from inspection.capture.rendering.scene import Scene
from inspection.errors import ConfigurationError

Mask = NDArray[np.bool_]

#: Smallest change of a channel, in grey levels, that counts as visible.
VISIBLE_LEVELS = 7.0

#: The clearest pixel of a defect differs by at least this many grey levels.
_PEAK_LEVELS = 26.0

#: Changes below this many grey levels are left out: the picture stays as it is there.
_IGNORED_LEVELS = 1.0

#: Least and greatest part of the picture that a defect covers, where its kind allows it.
_AREA = (0.002, 0.08)

#: After so many attempts any visible size will do; after the most, the defect is given up.
_ATTEMPTS, _MOST_ATTEMPTS = 7, 40

#: From this coverage on, a pixel counts as part and not as belt.
_PART_COVER = 0.1

#: Cells on a side of the map of places.
_PLACES = 64

#: Mean difference from the bare part, in grey levels, that counts as print.
_INK_LEVELS = 18.0


@dataclass(frozen=True, kw_only=True)
class Defect:
    """A kind of defect."""

    paint: Callable[[Patch, np.random.Generator], Pixels]
    """Returns the patch's colours with the defect."""
    reach: tuple[float, float]
    """Half the extent, least and greatest, as a part of the picture's side."""
    place: Literal["face", "edge", "print"] = "face"
    """Where on the part it sits."""
    clear: float = 0.45
    """The least strength it is drawn with; 1 is as clear as it gets."""


KINDS: Mapping[str, Defect] = {
    "scratch": Defect(paint=damage.scratch, reach=(0.1, 0.3)),
    "crack": Defect(paint=damage.crack, reach=(0.07, 0.2), clear=0.6),
    "dent": Defect(paint=damage.dent, reach=(0.035, 0.11)),
    "stain": Defect(paint=blemish.stain, reach=(0.04, 0.19)),
    "hole": Defect(paint=damage.hole, reach=(0.03, 0.09), clear=0.9),
    "missing piece": Defect(
        paint=damage.missing_piece, reach=(0.05, 0.13), place="edge", clear=1.0
    ),
    "misprint": Defect(paint=misprint.misprint, reach=(0.05, 0.19), place="print", clear=0.7),
    "contamination": Defect(paint=blemish.contamination, reach=(0.05, 0.14), clear=0.6),
    "broken thread": Defect(paint=blemish.broken_thread, reach=(0.06, 0.2), clear=0.6),
    "corrosion": Defect(paint=blemish.corrosion, reach=(0.04, 0.13)),
}

DEFECTS: tuple[str, ...] = tuple(KINDS)


def damaged(scene: Scene, name: str, rng: np.random.Generator, size_px: int) -> tuple[Scene, Mask]:
    """Return the scene with a defect, and the (size_px, size_px) mask of what it changes.

    1. A place and a size are drawn and the defect is painted there.
    2. What would be too faint to see is made clearer.
    3. The visible area is measured; too small or too large is tried again, elsewhere and at another
       size. The last attempt that can be seen stands.

    Raises:
        ConfigurationError: this kind of defect cannot be seen on this part.
    """
    kind = KINDS[name]
    allowed = np.flatnonzero(_places(scene, kind))
    scale = 1.0
    best: tuple[Scene, Mask] | None = None
    for attempt in range(_MOST_ATTEMPTS):
        patch = _draw_patch(scene, kind, allowed, scale, rng)
        change = _change(patch, kind, rng)
        mask = _visible(change, patch, size_px)
        area = float(mask.mean())
        if mask.any():
            best = (_changed(patch, change), mask)
        if best is not None and (attempt >= _ATTEMPTS or _AREA[0] <= area <= _AREA[1]):
            return best
        scale *= 1.3 if area < _AREA[0] else 0.75
        scale = min(scale, 3.0)
    message = f"A {name} cannot be seen on this part."
    raise ConfigurationError(message)


def _draw_patch(
    scene: Scene, kind: Defect, allowed: NDArray[np.intp], scale: float, rng: np.random.Generator
) -> Patch:
    """Return the patch of the next attempt."""
    size = scene.cover.shape[0]
    if kind.place == "edge" and scene.pieces:
        piece = np.asarray(scene.pieces[pick_index(rng, len(scene.pieces))])
        centre = piece.mean(axis=0)
        reach = float(np.hypot(*(piece - centre).T).max())
        return Patch.around(scene, (float(centre[0]), float(centre[1])), reach)
    reach = uniform(rng, *kind.reach) * scale * size
    row, column = divmod(int(allowed[pick_index(rng, len(allowed))]), _PLACES)
    cell = size / _PLACES
    at = ((column + uniform(rng, 0, 1)) * cell, (row + uniform(rng, 0, 1)) * cell)
    return Patch.around(scene, at, min(reach, size * 0.45))


def _change(patch: Patch, kind: Defect, rng: np.random.Generator) -> Pixels:
    """Return by how much the defect changes each pixel of the patch."""
    before, after = np.clip(patch.colour, 0, 255), np.clip(kind.paint(patch, rng), 0, 255)
    strength = np.float32(uniform(rng, kind.clear, 1.0))
    change = (after - before) * strength
    if kind.place != "edge":  # where a piece is gone its shadow goes too, from the belt
        change = shaded(change, patch.cover)
    change[strongest(change) < _IGNORED_LEVELS] = 0
    peak = float(strongest(change).max())
    if 0 < peak < _PEAK_LEVELS:
        change *= np.float32(_PEAK_LEVELS / peak)
    return change


def _visible(change: Pixels, patch: Patch, size_px: int) -> Mask:
    """Return which pixels of the camera picture change visibly, small gaps closed."""
    side = patch.scene.cover.shape[0]
    factor = side // size_px
    rows, columns = _aligned(patch.rows, factor), _aligned(patch.columns, factor)
    levels = np.zeros((rows.stop - rows.start, columns.stop - columns.start, 3), dtype=np.float32)
    inner = (
        slice(patch.rows.start - rows.start, patch.rows.stop - rows.start),
        slice(patch.columns.start - columns.start, patch.columns.stop - columns.start),
    )
    light = patch.scene.light
    gain = light.field(side)[patch.rows, patch.columns] * np.float32(light.gain)
    before, after = patch.colour * gain, (patch.colour + change) * gain
    levels[inner] = np.clip(after, 0, 255) - np.clip(before, 0, 255)
    levels[inner][patch.cover < _PART_COVER] = 0
    shape = (levels.shape[1] // factor, levels.shape[0] // factor)
    small = np.asarray(cv2.resize(levels, shape, interpolation=cv2.INTER_AREA), dtype=np.float32)
    seen = np.zeros((size_px, size_px), dtype=np.uint8)
    seen[
        rows.start // factor : rows.stop // factor, columns.start // factor : columns.stop // factor
    ] = strongest(small) >= VISIBLE_LEVELS
    closed = cv2.morphologyEx(seen, cv2.MORPH_CLOSE, np.ones((3, 3), dtype=np.uint8))
    return np.asarray(closed > 0)


def _aligned(span: slice, factor: int) -> slice:
    """Return a span of drawn px widened to whole px of the final picture."""
    return slice(span.start // factor * factor, -(-span.stop // factor) * factor)


def _changed(patch: Patch, change: Pixels) -> Scene:
    """Return the scene with the patch's change."""
    colour = patch.scene.colour.copy()
    colour[patch.rows, patch.columns] += change
    return replace(patch.scene, colour=colour)


def _places(scene: Scene, kind: Defect) -> NDArray[np.bool_]:
    """Return a coarse square map of where the defect's centre may lie."""
    coarse = (_PLACES, _PLACES)
    cross = np.ones((3, 3), dtype=np.uint8)
    cover = cv2.resize(scene.cover, coarse, interpolation=cv2.INTER_AREA)
    allowed = np.asarray(cv2.erode(cover, cross) > 0.95)  # noqa: PLR2004 nothing but part
    if kind.place == "edge":
        inner, outer = cv2.erode(cover, cross), cv2.dilate(cover, cross)
        edge = np.asarray((inner < 0.4) & (outer > 0.9) & (cover > 0.3))  # noqa: PLR2004
        allowed = edge if edge.any() else allowed
    if kind.place == "print" and scene.blank is not None:
        ink = strongest(scene.colour - scene.blank()) * scene.cover
        inked = np.asarray(cv2.resize(ink, coarse, interpolation=cv2.INTER_AREA) > _INK_LEVELS)
        allowed = allowed & inked if (allowed & inked).any() else allowed
    inside = np.zeros_like(allowed)
    inside[4:-4, 4:-4] = True
    return allowed & inside if (allowed & inside).any() else inside
