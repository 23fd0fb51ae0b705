"""A threshold from the scores of good parts, with what it promises. Pure arithmetic."""

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from typing import Final

from inspection.errors import ConfigurationError

#: Rounded logarithms of probabilities of `n` trials are off by less than `n` times this.
ROUNDING: Final = 1e-14
#: Trials up to which probabilities too close for that are compared exactly.
EXACT_COUNT: Final = 2000
#: A term that adds a smaller share to a sum than this is the last one.
LAST_TERM: Final = 1e-18
#: Halvings of an interval of rates; more than floating point can tell apart.
HALVINGS: Final = 50
#: Rates and confidences closer to 0 or 1 than this are refused: nobody has so many good parts.
MARGIN: Final = 1e-9


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """A threshold and the bound on false rejects that `n` good scores support."""

    #: NG if and only if the score is greater; it is one of the good scores.
    threshold: float
    #: Good scores it was made from.
    good_count: int
    #: So many of them are not above it. Scores equal to it make them more than the bound needs.
    order: int
    #: The false-reject rate that was asked for, 0 to 1; it is at most this …
    false_reject_rate: float
    #: … because it is at most this, which the place of the threshold supports …
    bound: float
    #: … with this probability over the choice of the good parts, 0 to 1.
    confidence: float


@dataclass(frozen=True, kw_only=True)
class TooFew:
    """There are not enough good scores for the promise that was asked for."""

    good_count: int
    #: Good scores that are needed in all.
    needed_count: int

    @property
    def missing_count(self) -> int:
        """Good scores that are needed besides those there are."""
        return self.needed_count - self.good_count


@dataclass(frozen=True, kw_only=True)
class Promise:
    """What was promised with a threshold, and whether it still is."""

    #: The share of good parts that are NG is at most this, 0 to 1 …
    false_reject_rate: float
    #: … with this probability over the choice of the good parts, 0 to 1.
    confidence: float
    #: Good scores the threshold was made from.
    good_count: int
    #: The rate that these scores support, at most the one promised.
    bound: float
    made_at: datetime
    #: When scores stopped looking like those of calibration; None while the promise stands.
    withdrawn_at: datetime | None = None
    #: How they differ, for people; None while the promise stands.
    withdrawn_why: str | None = None


def calibrated(
    scores: Sequence[float], *, false_reject_rate: float, confidence: float
) -> Calibration | TooFew:
    """Set the lowest threshold whose false-reject rate is bounded as asked.

    The threshold is an order statistic of n good scores. With the k-th smallest as threshold,
    good parts to come are above it at a rate p that differs from one calibration to the next, and

        P(p > a) <= P(Binomial(n, a) <= n - k)

    with equality for scores without ties, whatever their distribution: p > a means that at least
    k of n independent scores fell below the quantile 1 - a. The smallest k for which the right
    side is at most 1 - confidence is taken. Equal scores only make p smaller. Defective parts
    among the good ones raise the threshold, so the bound holds, while more defects escape.

    Args:
        scores: of independent good parts, in any order.
        false_reject_rate: largest share of good parts that may be NG, between 0 and 1.
        confidence: probability that the bound holds, between 0 and 1.

    Returns:
        The calibration, or how many scores it needs.

    Raises:
        ConfigurationError: rate or confidence is not between 0 and 1, there are no scores, or one
            is not a finite number.
    """
    needed = needed_count(false_reject_rate=false_reject_rate, confidence=confidence)
    if not scores:
        raise ConfigurationError(
            f"a threshold needs the scores of good parts; there are none, and {needed} are needed"
        )
    if not all(map(math.isfinite, scores)):
        raise ConfigurationError("a score of a good part is not a finite number")
    count = len(scores)
    if count < needed:
        return TooFew(good_count=count, needed_count=needed)
    above_count = _most_above(count, false_reject_rate, confidence)
    ascending = sorted(scores)
    threshold = ascending[count - above_count - 1]
    bound = rate_bound(above_count, count, confidence=confidence)
    return Calibration(
        threshold=threshold,
        good_count=count,
        order=bisect_right(ascending, threshold),
        false_reject_rate=false_reject_rate,
        bound=min(bound, false_reject_rate),
        confidence=confidence,
    )


def needed_count(*, false_reject_rate: float, confidence: float) -> int:
    """Return the smallest number of good scores that can carry such a promise.

    With the largest of n scores as threshold the bound fails with probability (1 - rate)^n.

    Raises:
        ConfigurationError: rate or confidence is not between 0 and 1.
    """
    for name, value in (("false-reject rate", false_reject_rate), ("confidence", confidence)):
        if not MARGIN <= value <= 1 - MARGIN:
            raise ConfigurationError(
                f"a {name} of {value} cannot be promised; take one greater than 0 and less than 1"
            )
    exact = math.log1p(-confidence) / math.log1p(-false_reject_rate)
    nearest = round(exact)
    if abs(exact - nearest) > ROUNDING * nearest or nearest > EXACT_COUNT:
        return math.ceil(exact * (1 + ROUNDING))
    return nearest if _is_exactly_kept(0, nearest, false_reject_rate, confidence) else nearest + 1


def rate_bound(above_count: int, of_count: int, *, confidence: float) -> float:
    """Bound the rate at which scores exceed the one that `above_count` of `of_count` exceeded.

    The upper limit of Clopper and Pearson: the rate a for which so few or fewer are met with
    probability 1 - confidence. It is 1 when all exceed it.
    """
    if above_count >= of_count:
        return 1.0
    share, shortest = above_count / of_count, 0.5 / of_count
    # Hoeffding's inequality says where it lies.
    low = max(0.0, share - math.sqrt(-math.log(confidence) * shortest))
    high = min(1.0, share + math.sqrt(-math.log1p(-confidence) * shortest))
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        # Rounded upwards: a limit that is too high by a hair still is one.
        if _log_excess(above_count, of_count, middle, confidence) < -ROUNDING * of_count:
            high = middle
        else:
            low = middle
    return high


def is_exceeded(above_count: int, of_count: int, *, rate: float, confidence: float) -> bool:
    """Say whether so many of so many are more than a rate explains: the exact binomial test.

    Args:
        above_count: how many were met.
        of_count: of how many.
        rate: at which they are expected, between 0 and 1.
        confidence: so many or more would be met with a probability of at most 1 less this; more
            than 0.5.
    """
    # No more than expected is as probable as not. It also keeps the sum of terms short.
    if above_count <= of_count * rate:
        return False
    return _is_kept(of_count - above_count, of_count, 1 - rate, confidence)


def _most_above(count: int, rate: float, confidence: float) -> int:
    """Return how many of `count` good scores may be above the threshold; none always may."""
    # More than this are not so improbable (Hoeffding's inequality).
    limit = count * rate + math.sqrt(count * -math.log(confidence) / 2)
    low, high = 0, min(count, math.ceil(limit) + 1)
    while high - low > 1:
        middle = (low + high) // 2
        if _is_kept(middle, count, rate, confidence):
            low = middle
        else:
            high = middle
    return low


def _is_kept(above_count: int, count: int, rate: float, confidence: float) -> bool:
    """Say whether P(Binomial(count, rate) <= above_count) <= 1 - confidence."""
    excess = _log_excess(above_count, count, rate, confidence)
    if abs(excess) > ROUNDING * count:
        return excess < 0
    return count <= EXACT_COUNT and _is_exactly_kept(above_count, count, rate, confidence)


def _log_excess(above_count: int, count: int, rate: float, confidence: float) -> float:
    """Return log P(Binomial(count, rate) <= above_count) - log(1 - confidence).

    The probability is its last term times the sum of the others' ratios to it.
    """
    last = (
        math.lgamma(count + 1)
        - math.lgamma(above_count + 1)
        - math.lgamma(count - above_count + 1)
        + above_count * math.log(rate)
        + (count - above_count) * math.log1p(-rate)
    )
    odds = (1 - rate) / rate
    total = term = 1.0
    for below in range(above_count, 0, -1):
        term *= below * odds / (count - below + 1)
        total += term
        if term < LAST_TERM * total:
            break
    return last + math.log(total) - math.log1p(-confidence)


def _is_exactly_kept(above_count: int, count: int, rate: float, confidence: float) -> bool:
    """Decide the same with integers: floating-point numbers are fractions."""
    part, whole = Fraction(rate).as_integer_ratio()
    ways = (
        math.comb(count, above) * part**above * (whole - part) ** (count - above)
        for above in range(above_count + 1)
    )
    return Fraction(sum(ways), whole**count) <= 1 - Fraction(confidence)
