"""The threshold from good scores keeps what it promises."""

import random

import pytest

from inspection.domain.calibration import calibrated
from inspection.errors import ConfigurationError


def test_the_threshold_is_the_largest_good_score() -> None:
    assert calibrated([0.1, 0.7, 0.3]).threshold == 0.7


def test_a_hundred_good_parts_bound_false_rejects_at_three_percent() -> None:
    promise = calibrated([0.5] * 100, confidence=0.95)

    assert promise.false_reject_rate == pytest.approx(1 - 0.05 ** (1 / 100))
    assert 0.029 < promise.false_reject_rate < 0.030


def test_the_promise_holds_in_at_least_the_promised_share_of_repetitions() -> None:
    rng = random.Random(5)
    kept = 0
    for _ in range(2000):
        # Uniform scores: the true false-reject rate is 1 - threshold.
        promise = calibrated([rng.random() for _ in range(60)], confidence=0.9)
        kept += 1 - promise.threshold <= promise.false_reject_rate

    assert kept / 2000 == pytest.approx(0.9, abs=0.02)


@pytest.mark.parametrize("scores", [[], [0.1, float("nan")], [float("inf")]])
def test_scores_that_cannot_carry_a_promise_are_refused(scores: list[float]) -> None:
    with pytest.raises(ConfigurationError):
        calibrated(scores)


@pytest.mark.parametrize("confidence", [0.0, 1.0, -1.0])
def test_a_confidence_outside_of_zero_and_one_is_refused(confidence: float) -> None:
    with pytest.raises(ConfigurationError, match="confidence"):
        calibrated([0.5], confidence=confidence)
