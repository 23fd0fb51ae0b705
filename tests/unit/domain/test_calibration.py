"""The threshold from good scores keeps what it promises: shown with exact arithmetic."""

import math
import random
import time
from collections.abc import Sequence
from fractions import Fraction
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inspection.domain.calibration import (
    Calibration,
    TooFew,
    calibrated,
    needed_count,
    rate_bound,
)
from inspection.errors import ConfigurationError

#: Rates and confidences, some of which meet bounds exactly.
SHARES = st.one_of(
    st.sampled_from([0.5, 0.25, 0.75, 0.125, 0.05, 0.95, 0.9, 0.1]),
    st.floats(0.001, 0.999, exclude_min=True, exclude_max=True),
)


def cdf(above_count: int, count: int, rate: Fraction) -> Fraction:
    """Return P(Binomial(count, rate) <= above_count), exactly."""
    part, whole = rate.as_integer_ratio()
    ways = sum(
        math.comb(count, above) * part**above * (whole - part) ** (count - above)
        for above in range(above_count + 1)
    )
    return Fraction(ways, whole**count)


def made(scores: Sequence[float], *, rate: float, confidence: float = 0.95) -> Calibration:
    calibration = calibrated(scores, false_reject_rate=rate, confidence=confidence)
    assert isinstance(calibration, Calibration)
    return calibration


@given(count=st.integers(1, 40), rate=SHARES, confidence=SHARES)
def test_threshold_is_the_smallest_score_that_keeps_the_promise(
    count: int, rate: float, confidence: float
) -> None:
    kept = [
        above
        for above in range(count)
        if cdf(above, count, Fraction(rate)) <= 1 - Fraction(confidence)
    ]

    calibration = calibrated(
        [float(score) for score in range(count)], false_reject_rate=rate, confidence=confidence
    )

    if kept:
        assert isinstance(calibration, Calibration)
        assert calibration.threshold == count - 1 - max(kept)
        assert calibration.order == count - max(kept)
    else:
        assert isinstance(calibration, TooFew)


@given(rate=SHARES, confidence=st.sampled_from([0.5, 0.75, 0.9, 0.95, 0.999]))
def test_needed_count_is_the_smallest_that_can_carry_the_promise(
    rate: float, confidence: float
) -> None:
    needed = needed_count(false_reject_rate=rate, confidence=confidence)

    below, error = 1 - Fraction(rate), 1 - Fraction(confidence)
    assert below**needed <= error
    assert below ** (needed - 1) > error


@given(st.data())
def test_bound_is_met_by_the_place_of_the_threshold_and_hardly_above_it(
    data: st.DataObject,
) -> None:
    count = data.draw(st.integers(1, 60))
    above_count = data.draw(st.integers(0, count - 1))
    confidence = data.draw(SHARES)

    bound = rate_bound(above_count, count, confidence=confidence)

    error = 1 - Fraction(confidence)
    assert cdf(above_count, count, Fraction(bound)) <= error
    assert cdf(above_count, count, Fraction(bound) * Fraction(99999, 100000)) > error


@settings(max_examples=25)
@given(
    shares=st.lists(st.integers(1, 5), min_size=1, max_size=3),
    count=st.integers(1, 5),
    rate=st.sampled_from([0.2, 0.35, 0.5, 0.7]),
    confidence=st.sampled_from([0.3, 0.5, 0.8]),
)
def test_promise_holds_over_all_calibrations_when_scores_are_tied(
    shares: list[int], count: int, rate: float, confidence: float
) -> None:
    chance = {float(score): Fraction(share, sum(shares)) for score, share in enumerate(shares)}

    broken = Fraction(0)
    for scores in product(chance, repeat=count):
        calibration = calibrated(scores, false_reject_rate=rate, confidence=confidence)
        if isinstance(calibration, TooFew):
            continue
        truth = sum(share for score, share in chance.items() if score > calibration.threshold)
        if truth > Fraction(calibration.bound):
            broken += math.prod(chance[score] for score in scores)

    assert broken <= 1 - Fraction(confidence)


def test_promise_is_broken_as_rarely_as_it_says_and_no_more_rarely() -> None:
    count, rate, confidence = 200, 0.05, 0.9
    rng = random.Random(5)

    above_counts = [
        # Uniform scores: the true false-reject rate is 1 - threshold.
        1 - made(random_scores(rng, count), rate=rate, confidence=confidence).threshold > rate
        for _ in range(2000)
    ]

    # The order statistic below breaks it in more than a tenth of all calibrations.
    above = 5
    assert made(range_of(count), rate=rate, confidence=confidence).order == count - above
    expected = float(cdf(above, count, Fraction(rate)))
    assert sum(above_counts) / 2000 == pytest.approx(expected, abs=0.02)


def test_defective_parts_among_the_good_ones_only_raise_the_threshold() -> None:
    good = range_of(1000)

    contaminated = made([*good, *[5000.0] * 50], rate=0.1)

    assert contaminated.threshold > made(good, rate=0.1).threshold


def test_equal_scores_count_as_not_above_the_threshold() -> None:
    calibration = made([0.5] * 1000, rate=0.005)

    assert (calibration.threshold, calibration.order) == (0.5, 1000)
    # What two places below the largest supports, not what the tie suggests.
    assert calibration.bound == pytest.approx(0.004735, abs=1e-6)


def test_too_few_scores_say_how_many_more_are_needed() -> None:
    outcome = calibrated([0.5] * 98, false_reject_rate=0.03, confidence=0.95)

    assert outcome == TooFew(good_count=98, needed_count=99)
    assert isinstance(outcome, TooFew)
    assert outcome.missing_count == 1
    assert made([0.5] * 99, rate=0.03).good_count == 99


def test_one_score_carries_the_promise_that_one_score_can_carry() -> None:
    assert made([0.3], rate=0.5, confidence=0.5).threshold == 0.3


@pytest.mark.parametrize("rate", [0.0, 1.0, -0.1, 2.0, math.nan, math.inf, 5e-324])
def test_rate_that_cannot_be_promised_is_refused(rate: float) -> None:
    with pytest.raises(ConfigurationError, match=r"false-reject rate of .* cannot be promised"):
        calibrated([0.5], false_reject_rate=rate, confidence=0.95)


@pytest.mark.parametrize("confidence", [0.0, 1.0, -1.0, math.nan])
def test_confidence_outside_of_zero_and_one_is_refused(confidence: float) -> None:
    with pytest.raises(ConfigurationError, match=r"confidence of .* cannot be promised"):
        calibrated([0.5], false_reject_rate=0.1, confidence=confidence)


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf])
def test_score_that_is_no_number_is_refused(wrong: float) -> None:
    with pytest.raises(ConfigurationError, match="not a finite number"):
        calibrated([0.1, wrong], false_reject_rate=0.1, confidence=0.95)


def test_no_scores_are_refused_with_the_number_that_is_needed() -> None:
    with pytest.raises(ConfigurationError, match="there are none, and 598 are needed"):
        calibrated([], false_reject_rate=0.005, confidence=0.95)


@pytest.mark.parametrize("rate", [1e-5, 0.005, 0.5, 0.99])
def test_a_million_scores_are_calibrated_within_a_second(rate: float) -> None:
    scores = random_scores(random.Random(3), 1_000_000)

    begun_s = time.thread_time()
    calibration = made(scores, rate=rate)
    took_s = time.thread_time() - begun_s

    # Five standard deviations of the true rate about what was aimed at.
    deviation = math.sqrt(rate * (1 - rate) / 1_000_000)
    assert 1 - calibration.threshold == pytest.approx(rate, abs=7 * deviation)
    assert calibration.bound <= rate
    assert took_s < 1


def random_scores(rng: random.Random, count: int) -> list[float]:
    return [rng.random() for _ in range(count)]


def range_of(count: int) -> list[float]:
    return [float(score) for score in range(count)]
