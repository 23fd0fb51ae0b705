"""Shares known from samples: exact where theory is exact, and kept where it is not."""

import math
import random

import pytest

from inspection.domain.interval import (
    Stratum,
    beta_cdf,
    beta_quantile,
    binomial_limits,
    share_of,
)


def stratum(total: int, decided: int, hits: int) -> Stratum:
    return Stratum(total_count=total, decided_count=decided, hit_count=hits)


@pytest.mark.parametrize(
    ("value", "a", "b", "expected"),
    [(0.3, 1, 3, 0.657), (0.01, 20, 3000, 0.980232105952062), (0.9, 500.5, 2, 6.4028263e-22)],
)
def test_incomplete_beta_function_is_that_of_the_tables(
    value: float, a: float, b: float, expected: float
) -> None:
    assert beta_cdf(value, a, b) == pytest.approx(expected, rel=1e-7)


@pytest.mark.parametrize(("a", "b"), [(1, 30), (0.4, 3), (250, 7), (9, 9)])
def test_quantile_is_where_the_probability_is_reached(a: float, b: float) -> None:
    for probability in (0.025, 0.5, 0.975):
        assert beta_cdf(beta_quantile(probability, a, b), a, b) == pytest.approx(probability)


def test_limits_are_those_of_clopper_and_pearson() -> None:
    assert binomial_limits(0, 30) == pytest.approx((0, 1 - 0.025 ** (1 / 30)))
    assert binomial_limits(3, 10) == pytest.approx((0.0667395, 0.6524529), abs=1e-7)
    assert binomial_limits(0, 0) == (0, 1)


def test_one_stratum_of_very_many_has_the_limits_of_clopper_and_pearson() -> None:
    found = share_of([stratum(10**12, 10, 3)])

    assert found is not None
    assert (found.low, found.high) == pytest.approx(binomial_limits(3, 10), abs=1e-5)


def test_share_is_known_exactly_when_everything_was_looked_at() -> None:
    found = share_of([stratum(40, 40, 10), stratum(60, 60, 5)])

    assert found is not None
    assert (found.share, found.low, found.high) == pytest.approx((0.15, 0.15, 0.15))


def test_share_is_unknown_while_a_stratum_was_not_looked_at() -> None:
    assert share_of([stratum(40, 40, 1), stratum(1_000, 0, 0)]) is None
    assert share_of([]) is None
    assert share_of([stratum(0, 0, 0)]) is None


def test_few_looks_at_much_leave_much_open() -> None:
    found = share_of([stratum(100, 100, 0), stratum(9_900, 2, 0)])

    assert found is not None
    assert found.share == 0
    assert found.high > 0.7


@pytest.mark.parametrize(
    ("totals", "rates", "looked"),
    [
        ((10_000,), (0.01,), (100,)),
        ((100,), (0.1,), (50,)),
        ((120, 500, 1900, 3700, 6200), (0.1, 0.02, 0.005, 0.001, 0.0005), (60, 30, 30, 30, 30)),
        ((120, 500, 1900, 3700, 6200), (0.5, 0.2, 0.05, 0.01, 0.005), (20, 20, 20, 20, 20)),
        ((40, 60, 100), (0.9, 0.8, 0.7), (10, 20, 10)),
    ],
    ids=["one", "half of it", "rare", "frequent", "most"],
)
def test_interval_holds_the_share_as_often_as_it_says(
    totals: tuple[int, ...], rates: tuple[float, ...], looked: tuple[int, ...]
) -> None:
    draw = random.Random(7)
    repeats, below, above = 300, 0, 0

    for _ in range(repeats):
        strata, true = [], 0
        for total, rate, decided in zip(totals, rates, looked, strict=True):
            bad = total * rate
            bad = math.floor(bad) + (draw.random() < bad % 1)
            seen = draw.sample(range(total), decided)
            true += bad
            strata.append(stratum(total, decided, sum(one < bad for one in seen)))
        found = share_of(strata)
        assert found is not None
        assert found.low <= found.share <= found.high
        below += true / sum(totals) > found.high + 1e-12
        above += true / sum(totals) < found.low - 1e-12

    # 2.5 % each are allowed; of 300 so many more are met once in thousands of runs.
    assert below <= 18
    assert above <= 18
