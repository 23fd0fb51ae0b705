"""Bins of anomaly scores: fine enough to draw, coarse enough to keep for every hour.

A bin is a range of scores with both ends exact, so that frames above any threshold can be counted
from the bins above its own and the rows of its own, with the same answer as all rows.
"""

import math
from typing import Final

#: Bins between the scores 0 and 1.
BINS: Final = 1_000
#: Scores below 0 share one bin …
LOWEST: Final = -1
#: … and those from 1 on another.
HIGHEST: Final = BINS


def bin_of(score: float) -> int:
    """Return the bin of a finite score; a higher score is never in a lower bin."""
    # Cut first: the product of a very large score would be infinite.
    return max(LOWEST, math.floor(max(-1.0, min(1.0, score)) * BINS))


def first_of(bin_: int) -> float:
    """Return the lowest score of a bin; minus infinity for the lowest bin."""
    if bin_ <= LOWEST:
        return -math.inf
    score = bin_ / BINS
    # The quotient may be rounded to either side of where `bin_of` changes.
    while bin_of(score) >= bin_:
        score = math.nextafter(score, -math.inf)
    while bin_of(score) < bin_:
        score = math.nextafter(score, math.inf)
    return score
