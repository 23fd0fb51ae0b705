"""Shares known from a sample of strata: estimates with intervals that keep what they say.

Inspections of like scores form a stratum; people have looked at some of each. The share of all is
estimated by y = sum W x / n, where W is a stratum's part of the whole, n were looked at and x of
these are hits. Its interval is that of Clopper and Pearson with n_eff looks of which n_eff y are
hits, where n_eff is what the strata's weights leave of the looks: n_eff = y / v for the lower
limit, and (y + w) / (v + w^2) with one more hit of the greatest weight w for the upper one, as Fay
and Feuer (1997) have it for rates that are weighted sums. In v = sum W^2 (1 - n/N) x / n^2 and
w = max W sqrt(1 - n/N) / n the strata's own numbers N say how little is left to be known.

With one large stratum it is exactly Clopper's and Pearson's; for rare hits it is exactly Fay's and
Feuer's; when everything was looked at it is a point. The lower limit is never below the hits
themselves, the upper one never above what is not known to be none.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

#: Probability that an interval holds the share.
CONFIDENCE: Final = 0.95
#: Halvings until a quantile is exact to double precision.
_HALVINGS: Final = 60
#: Steps of the continued fraction at most; it needs about the square root of its arguments.
_STEPS: Final = 10_000
_SMALLEST: Final = 1e-300
_EXACT: Final = 1e-14


@dataclass(frozen=True, kw_only=True)
class Stratum:
    """Inspections of like scores, and what people said of some of them."""

    total_count: int
    #: Looked at, with a decision.
    decided_count: int
    #: … that were found to be what is counted.
    hit_count: int


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A share, and between which limits it lies; 0 to 1."""

    share: float
    low: float
    high: float


def share_of(strata: Sequence[Stratum], *, confidence: float = CONFIDENCE) -> Interval | None:
    """Estimate the share of hits; None when a stratum is without a decision, or all are empty."""
    filled = [stratum for stratum in strata if stratum.total_count]
    if not filled or any(stratum.decided_count == 0 for stratum in filled):
        return None
    total = sum(stratum.total_count for stratum in filled)
    share = variance = weight = 0.0
    for stratum in filled:
        part, looked = stratum.total_count / total, stratum.decided_count
        unseen = max(0.0, 1 - looked / stratum.total_count)
        share += part * stratum.hit_count / looked
        variance += part**2 * unseen * stratum.hit_count / looked**2
        weight = max(weight, part * math.sqrt(unseen) / looked)
    share = min(1.0, share)
    low, high = _limits(share, variance, weight, confidence)
    hits = sum(stratum.hit_count for stratum in filled)
    misses = sum(stratum.decided_count for stratum in filled) - hits
    return Interval(
        share=share,
        low=min(share, max(low, hits / total)),
        high=max(share, min(high, 1 - misses / total)),
    )


def binomial_limits(
    hit_count: int, of_count: int, *, confidence: float = CONFIDENCE
) -> tuple[float, float]:
    """Return the limits of Clopper and Pearson for a share; 0 and 1 when nothing was looked at."""
    tail = (1 - confidence) / 2
    low = beta_quantile(tail, hit_count, of_count - hit_count + 1) if hit_count else 0.0
    missed = of_count - hit_count
    high = beta_quantile(1 - tail, hit_count + 1, missed) if missed else 1.0
    return low, high


def beta_quantile(probability: float, a: float, b: float) -> float:
    """Return the value that a Beta(a, b) variable is below with this probability."""
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if beta_cdf(middle, a, b) < probability:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def beta_cdf(value: float, a: float, b: float) -> float:
    """Return the probability that a Beta(a, b) variable is at most `value`."""
    if value <= 0 or value >= 1:
        return float(value >= 1)
    # The fraction converges fast on one side of the mean only.
    if value > (a + 1) / (a + b + 2):
        return 1 - beta_cdf(1 - value, b, a)
    logarithm = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
    logarithm += a * math.log(value) + b * math.log1p(-value)
    return math.exp(logarithm) * _fraction(value, a, b) / a


def _limits(share: float, variance: float, weight: float, confidence: float) -> tuple[float, float]:
    if weight == 0:
        return share, share
    tail = (1 - confidence) / 2
    low, high = 0.0, 1.0
    if share > 0 and variance > 0:
        count = share / variance
        low = beta_quantile(tail, count * share, count * (1 - share) + 1)
    count = (share + weight) / (variance + weight**2)
    if share < 1:
        high = beta_quantile(1 - tail, count * (share + weight), count * (1 - share))
    return low, high


def _fraction(value: float, a: float, b: float) -> float:
    """Return the continued fraction of the incomplete beta function, by Lentz's method."""
    upper, lower = 1.0, 1 - (a + b) * value / (a + 1)
    lower = 1 / (lower if abs(lower) > _SMALLEST else _SMALLEST)
    product = lower
    for step in range(1, _STEPS):
        even = step * (b - step) * value / ((a + 2 * step - 1) * (a + 2 * step))
        odd = -(a + step) * (a + b + step) * value / ((a + 2 * step) * (a + 2 * step + 1))
        for term in (even, odd):
            lower = 1 + term * lower
            upper = 1 + term / upper
            lower = 1 / (lower if abs(lower) > _SMALLEST else _SMALLEST)
            upper = upper if abs(upper) > _SMALLEST else _SMALLEST
            product *= lower * upper
        if abs(lower * upper - 1) < _EXACT:
            break
    return product
