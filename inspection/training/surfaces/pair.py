"""Pairs of a random surface as it should be and the same one damaged."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from inspection.capture.rendering.noise import chance
from inspection.training.surfaces.imperfection import IMPERFECTIONS, damaged
from inspection.training.surfaces.layout import (
    Colours,
    Surface,
    assembled,
    greyed,
    lit,
    photographed,
    printed,
    roughened,
    textured,
)

#: Kinds of damage; a mask holds 1 + the place of the kind in here, 0 where nothing is wrong.
KINDS: tuple[str, ...] = tuple(IMPERFECTIONS)
#: Imperfections of one picture at most.
_MOST = 5
#: Share of surfaces that are a piece of a photograph, where there are any.
_PHOTOGRAPH_SHARE = 0.15
#: Share of pictures of a camera that sees no colours.
_GREY_SHARE = 0.45


@dataclass(frozen=True, kw_only=True)
class Pair:
    """One surface twice."""

    #: ``(H, W, 3)`` uint8 RGB.
    good: NDArray[np.uint8]
    defective: NDArray[np.uint8]
    #: ``(H, W)`` uint8: 0, or 1 + the place in `KINDS` of what is wrong there.
    mask: NDArray[np.uint8]


def draw_pair(
    rng: np.random.Generator, size_px: int, photographs: Sequence[NDArray[np.uint8]] = ()
) -> Pair:
    """Return a surface drawn at random, good and with one to five imperfections.

    ``photographs`` are ``(H, W, 3)`` uint8 RGB pictures of good parts to take pieces from.
    """
    surface = _surface(rng, size_px, photographs)
    if is_grey := chance(rng, _GREY_SHARE):
        surface = replace(surface, colours=greyed(surface.colours))
    light = lit(rng, size_px)[..., None]
    mask = np.zeros((size_px, size_px), dtype=np.uint8)
    colours = surface.colours
    for _ in range(1 + int(rng.integers(_MOST))):
        kind = _kind(surface, rng)
        current = replace(surface, colours=colours)
        colours, seen = damaged(current, kind, rng, is_grey=is_grey)
        mask[seen] = 1 + KINDS.index(kind)
    return Pair(
        good=_exposed(surface.colours * light, rng),
        defective=_exposed(colours * light, rng),
        mask=mask,
    )


def _surface(
    rng: np.random.Generator, size_px: int, photographs: Sequence[NDArray[np.uint8]]
) -> Surface:
    if photographs and chance(rng, _PHOTOGRAPH_SHARE):
        return photographed(photographs[int(rng.integers(len(photographs)))], rng, size_px)
    draw = (textured, assembled, printed)[rng.choice(3, p=(0.5, 0.3, 0.2))]
    return draw(rng, size_px)


def _kind(surface: Surface, rng: np.random.Generator) -> str:
    printed_only = chance(rng, 0.6)  # on print, mostly what print suffers from
    kinds = [
        kind
        for kind, imperfection in IMPERFECTIONS.items()
        if (surface.print is not None and (imperfection.needs_print or not printed_only))
        or (surface.print is None and not imperfection.needs_print)
    ]
    return kinds[rng.integers(len(kinds))]


def _exposed(colours: Colours, rng: np.random.Generator) -> NDArray[np.uint8]:
    return (np.clip(roughened(colours, rng), 0, 1) * 255).astype(np.uint8)
