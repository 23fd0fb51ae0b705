"""The field's figures from counts of good and defective examples per distinct score.

Counts run from the highest score to the lowest along the last axis; axes before it are rounds of
a bootstrap, so that counts may be weights. Examples that share a score cannot be told apart, as
everywhere in the field. Where a figure is undefined, because one of the two kinds is missing, it
is NaN.
"""

import numpy as np
from numpy.typing import NDArray

#: `(…, K)` counts or weights, highest score first.
Counts = NDArray[np.float64]


def auroc(good: Counts, defective: Counts) -> NDArray[np.float64]:
    """Return the area under the receiver operating characteristic, ties counted half."""
    good_below = good.sum(axis=-1, keepdims=True) - np.cumsum(good, axis=-1)
    wins = (defective * (good_below + good / 2)).sum(axis=-1)
    return _ratio(wins, good.sum(axis=-1) * defective.sum(axis=-1))


def average_precision(good: Counts, defective: Counts) -> NDArray[np.float64]:
    """Return the mean over the defective of the precision at their score."""
    found = np.cumsum(defective, axis=-1)
    precision = _ratio(found, found + np.cumsum(good, axis=-1), empty=0.0)
    return _defined(_ratio((defective * precision).sum(axis=-1), found[..., -1]), good)


def f1_max(good: Counts, defective: Counts) -> NDArray[np.float64]:
    """Return the best F1 over all thresholds."""
    found = np.cumsum(defective, axis=-1)
    total = found[..., -1:]
    f1 = _ratio(2 * found, total + found + np.cumsum(good, axis=-1), empty=0.0)
    return _defined(np.where(total[..., 0] > 0, f1.max(axis=-1), np.nan), good)


def aupro(
    good: Counts, overlap: Counts, regions: NDArray[np.float64], limit: float
) -> NDArray[np.float64]:
    """Return the area under the per-region overlap up to a false positive rate, over that rate.

    ``overlap`` holds, per score, the sum over defective pixels of 1 / size of their region, and
    ``regions`` ``(…)`` how many regions there are. The curve is straight between scores, begins
    at (0, 0) and ends at (1, 1); where the limit lies between two scores it is interpolated.
    """
    rates = _framed(_ratio(np.cumsum(good, axis=-1), good.sum(axis=-1, keepdims=True)))
    overlaps = _framed(_ratio(np.cumsum(overlap, axis=-1), np.asarray(regions)[..., None]))
    steps = np.diff(rates, axis=-1)
    kept = np.diff(np.minimum(rates, limit), axis=-1)
    rises = np.diff(overlaps, axis=-1) * _ratio(kept, steps, empty=0.0)
    return np.asarray((kept * (overlaps[..., :-1] + rises / 2)).sum(axis=-1) / limit)


def _framed(values: Counts) -> Counts:
    ends = np.ones_like(values[..., :1])
    return np.concatenate([0 * ends, np.minimum(values, 1.0), ends], axis=-1)


def _ratio(numerator: Counts, denominator: Counts, *, empty: float = np.nan) -> Counts:
    shape = np.broadcast_shapes(numerator.shape, denominator.shape)
    filled = np.full(shape, empty)
    return np.asarray(np.divide(numerator, denominator, out=filled, where=denominator > 0))


def _defined(figure: Counts, good: Counts) -> NDArray[np.float64]:
    """Take a figure for undefined where nothing is good: every threshold would do."""
    return np.where(good.sum(axis=-1) > 0, figure, np.nan)
