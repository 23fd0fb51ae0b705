"""Surveys of made-up pictures: patches of good parts keep to a few directions."""

import numpy as np
from numpy.typing import NDArray

from inspection.model.reference import Survey

CHECKPOINT = "c" * 64
TAPS, WIDTH, PATCHES = 2, 24, 64
_DIRECTIONS = 4
#: Patches of a picture that a defect changes, and by how much in every channel.
_DEFECTIVE, _STRENGTH = slice(20, 24), 1.5


def survey(
    number: int,
    *,
    is_defective: bool = False,
    product: int = 0,
    checkpoint_hash: str = CHECKPOINT,
    has_text: bool = True,
) -> Survey:
    """Return the survey of a picture; equal numbers of a product are equal pictures."""
    rng = np.random.default_rng([product, number])
    patches = _patches(rng, product)
    if is_defective:
        # The same each time, as a worn tool leaves it.
        patches[:, _DEFECTIVE] += _STRENGTH * np.random.default_rng(5).standard_normal(WIDTH)
    return Survey(
        checkpoint_hash=checkpoint_hash,
        key=f"{product}-{number}-{is_defective}",
        patches=patches.astype(np.float16),
        text=rng.normal(-3, 1, PATCHES).astype(np.float16) if has_text else None,
    )


def surveys(count: int, *, first: int = 0, product: int = 0) -> list[Survey]:
    return [survey(number, product=product) for number in range(first, first + count)]


def _patches(rng: np.random.Generator, product: int) -> NDArray[np.float64]:
    spanned = np.random.default_rng([99, product]).standard_normal((TAPS, _DIRECTIONS, WIDTH))
    within = rng.standard_normal((TAPS, PATCHES, _DIRECTIONS)) @ spanned
    return within + 0.3 * rng.standard_normal((TAPS, PATCHES, WIDTH))
