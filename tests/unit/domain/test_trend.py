"""Whether scores rise, held against every order there is."""

import math
import random
from itertools import permutations

import pytest

from inspection.domain.trend import rise_probability, trend


def s_of(values: tuple[float, ...]) -> int:
    return sum(
        (values[later] > values[earlier]) - (values[later] < values[earlier])
        for later in range(len(values))
        for earlier in range(later)
    )


@pytest.mark.parametrize("length", [2, 3, 4, 5, 6])
def test_probability_is_the_share_of_orders_that_rise_at_least_as_clearly(length: int) -> None:
    every = [s_of(order) for order in permutations(range(length))]

    for order in list(permutations(range(length)))[:: 1 + math.factorial(length) // 20]:
        share = sum(s >= s_of(order) for s in every) / len(every)
        assert rise_probability(order) == pytest.approx(share)


def test_probability_is_that_of_the_tables_of_kendall() -> None:
    # Kendall, Rank Correlation Methods: of ten values S = 25 or more has probability 0.014.
    values = (4, 1, 3, 2, 7, 5, 10, 6, 9, 8)

    assert s_of(values) == 25
    assert rise_probability(values) == pytest.approx(0.014, abs=5e-4)


@pytest.mark.parametrize("values", [(0, 0, 1, 1, 2), (0, 0, 0, 1, 2, 2), (1, 1, 2, 2, 3, 3, 3)])
def test_equal_values_never_make_a_false_alarm_more_probable(values: tuple[int, ...]) -> None:
    orders = list(permutations(values))

    for confidence in (0.9, 0.95, 0.99):
        alarms = sum(rise_probability(order) <= 1 - confidence for order in orders)
        assert alarms / len(orders) <= 1 - confidence


def test_steady_rise_is_as_improbable_as_one_order_of_all() -> None:
    seen = trend([float(n) for n in range(100)], blocks=10)

    assert seen.probability == pytest.approx(1 / math.factorial(10))
    assert (seen.first, seen.last) == (4.5, 94.5)


def test_fall_is_no_rise() -> None:
    assert trend([-float(n) for n in range(100)], blocks=10).probability == 1


def test_scores_that_stay_as_they_are_raise_a_false_alarm_as_rarely_as_promised() -> None:
    rng = random.Random(5)
    runs = 2_000

    alarms = sum(
        trend([rng.lognormvariate(0, 1) for _ in range(100)], blocks=10).probability <= 0.05
        for _ in range(runs)
    )

    assert alarms / runs < 0.05 + 3 * math.sqrt(0.05 * 0.95 / runs)


def test_outliers_are_no_trend() -> None:
    scores = [0.5 + 0.001 * (place % 7) for place in range(140)]
    for place in (70, 90, 110, 130, 139):
        scores[place] = 50.0

    assert trend(scores, blocks=10).probability > 0.05


def test_slow_rise_below_the_noise_is_found() -> None:
    rng = random.Random(3)
    scores = [rng.gauss(0.5 + 0.1 * place / 1000, 0.1) for place in range(1000)]

    assert trend(scores, blocks=20).probability < 0.001
