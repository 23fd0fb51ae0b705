"""A batch of a training from nothing: pairs of the same part, once good and once defective."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inspection.training.augmentation import augment, draw_view
from inspection.training.schedule import Schedule
from inspection.training.surfaces.pair import KINDS
from inspection.training.synthesis import Examples, words_for

#: Share of pairs whose two windows show different places.
_APART_SHARE = 0.4
#: Share of pictures whose words name a defect that is there, where there is one.
_RIGHT_SHARE = 0.75


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Pictures in pairs: even rows good, odd rows defective."""

    #: ``(B, H, W, 3)`` uint8 RGB.
    pictures: NDArray[np.uint8]
    #: ``(B, H, W)`` uint8: 0, or 1 + the place in `KINDS` of the defect.
    masks: NDArray[np.uint8]
    #: What each picture's product is called.
    names: tuple[str, ...]


def draw_batch(
    examples: Examples, schedule: Schedule, step: int, rng: np.random.Generator
) -> Batch:
    """Return the pictures of a step, changed at random; those of a pair alike but for noise."""
    shows_windows = schedule.shows_windows(step)
    count = schedule.windows_count if shows_windows else schedule.wholes_count
    size_px = examples.pictures.shape[1]
    edge_px = schedule.window_px if shows_windows else size_px
    pictures: list[NDArray[np.uint8]] = []
    masks: list[NDArray[np.uint8]] = []
    names: list[str] = []
    for pair in rng.choice(len(examples.pictures) // 2, count // 2, replace=False):
        view = draw_view(rng)
        place = _place(examples.masks[2 * pair + 1], edge_px, rng)
        other = place
        if rng.random() < _APART_SHARE:
            other = rng.integers(size_px - edge_px + 1, size=2)
        name = words_for(examples.products[2 * pair], rng, stand_in_share=schedule.stand_in_share)
        for row, (top, left) in ((2 * pair, other), (2 * pair + 1, place)):
            shown = (slice(top, top + edge_px), slice(left, left + edge_px))
            picture, mask = augment(
                examples.pictures[row][shown], examples.masks[row][shown], view, rng
            )
            pictures.append(picture)
            masks.append(mask)
            names.append(name)
    return Batch(pictures=np.stack(pictures), masks=np.stack(masks), names=tuple(names))


def named_kinds(masks: NDArray[np.uint8], rng: np.random.Generator) -> Sequence[int]:
    """Return for each picture a kind of defect to name, mostly one that it shows."""
    kinds = []
    for mask in masks:
        there = np.unique(mask[mask > 0]) - 1
        is_right = len(there) > 0 and rng.random() < _RIGHT_SHARE
        kinds.append(int(rng.choice(there)) if is_right else int(rng.integers(len(KINDS))))
    return kinds


def _place(mask: NDArray[np.uint8], edge_px: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return the upper left corner of a window that shows some of the defect."""
    size_px = mask.shape[0]
    places = np.argwhere(mask)
    place = places[rng.integers(len(places))] if len(places) else rng.integers(size_px, size=2)
    return np.asarray(np.clip(place - rng.integers(edge_px, size=2), 0, size_px - edge_px))
