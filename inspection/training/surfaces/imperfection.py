"""Imperfections: the kinds of damage, the words that name them, and where they can be seen."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from inspection.training.surfaces import paint
from inspection.training.surfaces.field import Field
from inspection.training.surfaces.layout import Colours, Surface, greyed

#: Change of a channel, as a share of full scale, from which on a pixel is defective.
_VISIBLE = 0.03
#: What the clearest pixel of an imperfection changes at least.
_PEAK = 0.11
#: The same as shares of how much the surface itself varies thereabouts.
_FAINT, _CLEAR = 0.3, 1.5
#: Edge of the square over which that is measured.
_CLUTTER_PX = 17


@dataclass(frozen=True, kw_only=True)
class Imperfection:
    """A kind of damage."""

    paint: Callable[[Surface, np.random.Generator], Colours]
    #: What people call it; each phrase may follow a product's name.
    phrases: tuple[str, ...]
    needs_print: bool = False


IMPERFECTIONS: Mapping[str, Imperfection] = {
    "scratch": Imperfection(
        paint=paint.scratch,
        phrases=("a scratch", "scratches", "a deep scratch", "scuff marks", "a scrape", "a groove"),
    ),
    "crack": Imperfection(
        paint=paint.crack,
        phrases=(
            "a crack",
            "cracks",
            "a fine crack",
            "a fracture",
            "a fissure",
            "a cracked surface",
        ),
    ),
    "stain": Imperfection(
        paint=paint.stain,
        phrases=(
            "a stain",
            "stains",
            "a spot",
            "an oil stain",
            "a water mark",
            "a dirty spot",
            "discolouration",
            "discoloration",
        ),
    ),
    "hole": Imperfection(
        paint=paint.hole,
        phrases=("a hole", "holes", "a pinhole", "a blowhole", "a pit", "pits", "pores"),
    ),
    "dent": Imperfection(
        paint=paint.dent,
        phrases=("a dent", "dents", "a bump", "a bulge", "an impression", "a deformation"),
    ),
    "contamination": Imperfection(
        paint=paint.contamination,
        phrases=(
            "contamination",
            "a particle",
            "foreign matter",
            "dust",
            "a fibre",
            "a hair",
            "debris",
            "dirt",
        ),
    ),
    "missing piece": Imperfection(
        paint=paint.missing,
        phrases=(
            "a missing piece",
            "a broken edge",
            "a chip",
            "a chipped edge",
            "a broken corner",
            "a break",
            "missing material",
        ),
    ),
    "misplaced piece": Imperfection(
        paint=paint.misplaced,
        phrases=(
            "a misplaced piece",
            "a misaligned part",
            "a wrong part",
            "a rotated piece",
            "a shifted pattern",
        ),
    ),
    "unevenness": Imperfection(
        paint=paint.uneven,
        phrases=(
            "unevenness",
            "an uneven surface",
            "a dull area",
            "a bright area",
            "a dark area",
            "blur",
            "fading",
        ),
    ),
    "wrong texture": Imperfection(
        paint=paint.wrong_texture,
        phrases=(
            "a wrong texture",
            "a rough area",
            "fraying",
            "a weaving fault",
            "an irregular pattern",
            "a damaged coating",
        ),
    ),
    "corrosion": Imperfection(
        paint=paint.corrosion,
        phrases=("corrosion", "rust", "tarnish", "oxidation", "mould", "a burn mark"),
    ),
    "break in a line": Imperfection(
        paint=paint.break_in_line,
        phrases=(
            "an open circuit",
            "a broken line",
            "a mouse bite",
            "missing print",
            "a broken thread",
            "missing ink",
        ),
        needs_print=True,
    ),
    "extra ink": Imperfection(
        paint=paint.extra_ink,
        phrases=(
            "a short circuit",
            "a spur",
            "a misprint",
            "smeared print",
            "an ink splash",
            "spurious copper",
            "a solder bridge",
        ),
        needs_print=True,
    ),
}


def damaged(
    surface: Surface, kind: str, rng: np.random.Generator, *, is_grey: bool
) -> tuple[Colours, NDArray[np.bool_]]:
    """Return the surface's colours with one imperfection, and ``(H, W)`` where it can be seen.

    With `is_grey` the surface has no colours and gets none. A change too faint to see is made
    clearer; one that nothing can make visible gives no pixel.
    """
    imperfection = IMPERFECTIONS[kind]
    after = np.clip(imperfection.paint(surface, rng), 0, 1)
    after = greyed(after) if is_grey else after
    change = (after - surface.colours) * surface.cover[..., None]
    if kind == "missing piece":
        change = after - surface.colours
    change = change * np.float32(rng.uniform(0.5, 1))
    strength = np.abs(change).max(axis=2)
    clutter = _clutter(surface.colours)
    share = strength / np.maximum(_PEAK, _CLEAR * clutter)
    peak = float(share.max())
    if 0 < peak < 1:
        change, strength = change / peak, strength / peak
    visible = strength > np.maximum(_VISIBLE, _FAINT * clutter)
    seen = cv2.morphologyEx(visible.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((3, 3)))
    return np.clip(surface.colours + change, 0, 1).astype(np.float32), np.asarray(seen > 0)


def _clutter(colours: Colours) -> Field:
    """Return ``(H, W)`` how much the brightness varies around each pixel, a standard deviation."""
    grey = colours.mean(axis=2)
    square = (_CLUTTER_PX, _CLUTTER_PX)
    mean, power = cv2.blur(grey, square), cv2.blur(grey * grey, square)
    return np.asarray(np.sqrt(np.maximum(power - mean * mean, 0)), dtype=np.float32)
