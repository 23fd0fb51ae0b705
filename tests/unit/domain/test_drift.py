"""Drift is noticed soon, defects and chance are not taken for it, and the state can be kept."""

import json
import random
from collections.abc import Iterator
from dataclasses import asdict
from itertools import islice

import pytest

from inspection.domain.drift import DriftState, Mark, described, marks_of, watch

FRESH = DriftState()


def stream(
    seed: int, *, mean: float = 0.0, deviation: float = 1.0, defects: float = 0.0
) -> Iterator[float]:
    """Yield normal scores; defective parts score about four deviations higher."""
    rng = random.Random(seed)
    while True:
        yield rng.gauss(4, 1) if rng.random() < defects else rng.gauss(mean, deviation)


def calibration_marks(
    seed: int = 1, count: int = 1000, *, defects: float = 0.0
) -> tuple[Mark, ...]:
    return marks_of(list(islice(stream(seed, defects=defects), count)))


@pytest.mark.parametrize(
    ("mean", "deviation", "within"),
    [
        (1.0, 1.0, 300),
        (2.0, 1.0, 60),
        (4.0, 1.0, 30),
        (-1.0, 1.0, 300),
        (-2.0, 1.0, 60),
        (0.0, 2.0, 600),
        (0.0, 0.5, 600),
    ],
)
def test_drift_is_noticed_within_so_many_parts(mean: float, deviation: float, within: int) -> None:
    marks = calibration_marks()
    before = watch(FRESH, marks, islice(stream(2, defects=0.06), 1000))

    after = watch(before, marks, islice(stream(3, mean=mean, deviation=deviation), within))

    assert not before.is_alarmed
    assert after.is_alarmed


@pytest.mark.parametrize(
    ("then", "now"), [(0.0, 0.0), (0.0, 0.06), (0.06, 0.06), (0.06, 0.0), (0.09, 0.0)]
)
def test_tolerated_defects_and_chance_are_no_drift(then: float, now: float) -> None:
    marks = calibration_marks(defects=then)

    state = watch(FRESH, marks, islice(stream(5, defects=now), 20_000))

    assert not state.is_alarmed
    assert state.seen_count == 20_000


def test_small_calibration_set_is_allowed_its_own_error() -> None:
    states = [
        watch(FRESH, calibration_marks(seed, 100), islice(stream(seed + 100), 2000))
        for seed in range(20)
    ]

    assert not any(state.is_alarmed for state in states)


def test_more_defects_than_tolerated_are_drift() -> None:
    state = watch(FRESH, calibration_marks(), islice(stream(7, defects=0.4), 1000))

    assert state.is_alarmed


def test_average_of_all_bets_grows_no_faster_than_one_a_part_when_nothing_has_changed() -> None:
    # The null at its limit: scores lie above and below the mark at just the rates allowed.
    marks = (Mark(score=0.0, rate_above=0.3, rate_below=0.7),)

    rng = random.Random(11)
    averages = []
    for _ in range(400):
        scores = [1.0 if rng.random() < 0.3 else -1.0 for _ in range(20)]
        evidence = watch(FRESH, marks, scores).evidence
        averages.append(sum(evidence) / len(evidence))

    # 20 parts; the mean of 400 runs is off by less than this unless the test overstates.
    assert sum(averages) / len(averages) < 40


def test_mean_time_to_a_false_alarm_is_at_least_the_one_asked_for() -> None:
    marks = (Mark(score=0.0, rate_above=0.3, rate_below=0.7),)

    rng = random.Random(13)
    times = []
    for _ in range(100):
        scores = (1.0 if rng.random() < 0.3 else -1.0 for _ in range(2000))
        times.append(watch(FRESH, marks, scores, parts_per_false_alarm=100).seen_count)

    assert sum(times) / len(times) >= 100


def test_state_that_was_kept_as_json_goes_on_where_it_was() -> None:
    marks, scores = calibration_marks(), list(islice(stream(17, mean=0.5), 400))
    half = watch(FRESH, marks, scores[:200])

    kept = json.loads(json.dumps(asdict(half)))
    resumed = DriftState(**{**kept, "evidence": tuple(kept["evidence"])})

    assert watch(resumed, marks, scores[200:]) == watch(FRESH, marks, scores)


def test_test_stops_at_the_alarm() -> None:
    marks = calibration_marks()

    alarmed = watch(FRESH, marks, islice(stream(19, mean=6), 1000))

    assert alarmed.is_alarmed
    assert alarmed.seen_count < 40
    assert watch(alarmed, marks, [0.0] * 10) == alarmed


def test_scores_that_were_all_equal_are_left_by_any_other() -> None:
    marks = marks_of([0.5] * 1000)

    same = watch(FRESH, marks, [0.5] * 10_000)
    lower = watch(same, marks, [0.4] * 50)

    assert not same.is_alarmed
    assert lower.is_alarmed
    assert described(lower, marks).endswith("too many of the last ones lie below 0.5")


def test_one_score_says_too_little_to_be_left() -> None:
    marks = marks_of([0.5])

    state = watch(FRESH, marks, [0.9] * 1000)

    assert not state.is_alarmed


@pytest.mark.parametrize(
    ("mean", "words"), [(3.0, "have gone higher: by part"), (-3.0, "have gone lower: by part")]
)
def test_alarm_says_where_scores_have_gone(mean: float, words: str) -> None:
    marks = calibration_marks()

    state = watch(FRESH, marks, islice(stream(23, mean=mean), 100))

    assert words in described(state, marks)
