"""Whether scores rise: the test of Mann and Kendall over medians of equal blocks.

Of m medians every pair is looked at: S is the number of pairs in which the later one is higher,
less the number in which it is lower. If nothing has changed, every order of the medians is equally
probable, and the probability of an S as high is that of so few inversions in a random permutation,
which is counted exactly. Equal medians count for neither side, which only makes S smaller than an
order decided by lot would: the test then errs on the side of silence.

Medians of blocks, because single scores are neither free of outliers nor, on a running line,
independent of their neighbours.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from statistics import median

#: Most blocks; the counts of permutations are kept as integers.
MOST_BLOCKS = 100


@dataclass(frozen=True, kw_only=True)
class Trend:
    """What the scores of one camera have done."""

    #: Medians of the first and the last block.
    first: float
    last: float
    #: Probability of so clear a rise if nothing had changed, 0 to 1.
    probability: float


def trend(scores: Sequence[float], *, blocks: int) -> Trend:
    """Test whether scores rise.

    Args:
        scores: the oldest first; as many as the blocks or a multiple of that.
        blocks: how many blocks of equal length they are cut into.
    """
    size = len(scores) // blocks
    medians = [median(scores[start * size : (start + 1) * size]) for start in range(blocks)]
    return Trend(first=medians[0], last=medians[-1], probability=rise_probability(medians))


def rise_probability(values: Sequence[float]) -> float:
    """Return the probability of at least this S (see above) if every order is as probable."""
    rises = sum(
        (later > earlier) - (later < earlier)
        for place, later in enumerate(values)
        for earlier in values[:place]
    )
    pairs = math.comb(len(values), 2)
    # S is pairs less twice the inversions.
    inversions = (pairs - rises) // 2
    counts = _permutation_counts(len(values))
    return sum(counts[: inversions + 1]) / math.factorial(len(values))


@cache
def _permutation_counts(length: int) -> tuple[int, ...]:
    """Return how many permutations have 0, 1, 2 … inversions."""
    counts = [1]
    for size in range(2, length + 1):
        longer = len(counts) + size - 1
        counts = [sum(counts[max(0, n - size + 1) : n + 1]) for n in range(longer)]
    return tuple(counts)
