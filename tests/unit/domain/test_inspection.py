"""Judging: a verdict is never invented."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspection.domain.inspection import AnomalyMap, Verdict, judge
from inspection.errors import InspectionError
from tests.factories import threshold

FINITE = st.floats(allow_nan=False, allow_infinity=False)


@given(FINITE, FINITE)
def test_ng_if_and_only_if_the_score_is_greater_than_the_threshold(
    score: float, value: float
) -> None:
    verdict = judge(score, threshold(value=value))

    assert verdict is (Verdict.NG if score > value else Verdict.OK)


def test_without_a_threshold_the_verdict_is_pending() -> None:
    assert judge(1.0, None) is Verdict.PENDING


@pytest.mark.parametrize("score", [math.nan, math.inf, -math.inf])
def test_a_score_that_is_no_number_is_not_judged(score: float) -> None:
    with pytest.raises(InspectionError, match="not a finite number"):
        judge(score, threshold())


def test_a_map_whose_bytes_do_not_fill_its_shape_is_refused() -> None:
    with pytest.raises(InspectionError, match="has 3 bytes"):
        AnomalyMap(shape=(1, 1, 1), data=b"abc")
