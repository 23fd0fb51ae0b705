"""Seeded random numbers and fields, from which surfaces, variation and sensor noise are made."""

import functools
import zlib
from collections.abc import Sequence
from typing import TypeVar

import numpy as np

from inspection.capture.rendering.pixels import Layer, Shape, resized

#: Side of the shared white-noise tile, in px; windows of it are cut at random places.
_TILE_PX = 1024

_T = TypeVar("_T")


def generator(*entropy: int | str) -> np.random.Generator:
    """Return a generator whose stream depends on nothing but the given words and numbers."""
    words = [
        zlib.crc32(word.encode()) if isinstance(word, str) else word % (1 << 63) for word in entropy
    ]
    return np.random.default_rng(words)


def uniform(rng: np.random.Generator, low: float, high: float) -> float:
    """Draw one plain float from [low, high)."""
    return low + (high - low) * float(rng.random())


def pick_index(rng: np.random.Generator, count: int) -> int:
    """Draw one of `range(count)`."""
    return int(rng.integers(count))


def pick(rng: np.random.Generator, choices: Sequence[_T]) -> _T:
    """Draw one of `choices`."""
    return choices[pick_index(rng, len(choices))]


def chance(rng: np.random.Generator, share: float) -> bool:
    """Return true in that share of draws."""
    return bool(rng.random() < share)


@functools.lru_cache(maxsize=1)
def _tile() -> Layer:
    tile = generator("white noise tile").standard_normal((_TILE_PX, _TILE_PX), dtype=np.float32)
    tile.setflags(write=False)
    return tile


def grain(rng: np.random.Generator, shape: Shape) -> Layer:
    """Return (H, W) white noise of unit variance, to be read only: a part of a shared tile."""
    top, left = pick_index(rng, _TILE_PX), pick_index(rng, _TILE_PX)
    if max(shape) <= _TILE_PX // 2:
        top, left = top // 2, left // 2
        return _tile()[top : top + shape[0], left : left + shape[1]]
    rows = np.arange(top, top + shape[0]) % _TILE_PX
    columns = np.arange(left, left + shape[1]) % _TILE_PX
    return np.asarray(_tile()[np.ix_(rows, columns)], dtype=np.float32)


def smooth(rng: np.random.Generator, shape: Shape, cell_px: float, long_px: float = 0) -> Layer:
    """Return an (H, W) field of about unit variance that varies over `cell_px`.

    `long_px` is how far it keeps its value to the right, where that is another length.
    """
    rows = max(2, round(shape[0] / cell_px) + 2)
    columns = max(2, round(shape[1] / (long_px or cell_px)) + 2)
    knots = rng.standard_normal((rows, columns), dtype=np.float32) * np.float32(1.3)
    return resized(knots, shape)
