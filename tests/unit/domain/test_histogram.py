"""Bins of scores: exact ends, so that counting bins equals counting rows."""

import math

from hypothesis import given
from hypothesis import strategies as st

from inspection.domain.histogram import HIGHEST, LOWEST, bin_of, first_of


@given(st.integers(min_value=LOWEST, max_value=HIGHEST))
def test_first_score_of_a_bin_is_in_it_and_the_one_below_is_not(bin_: int) -> None:
    first = first_of(bin_)

    if bin_ == LOWEST:
        assert first == -math.inf
    else:
        assert bin_of(first) == bin_
        assert bin_of(math.nextafter(first, -math.inf)) == bin_ - 1


@given(st.floats(allow_nan=False, allow_infinity=False), st.floats(0, 1))
def test_score_in_a_higher_bin_than_the_threshold_is_above_it(score: float, value: float) -> None:
    if bin_of(score) > bin_of(value):
        assert score > value
    if bin_of(score) < bin_of(value):
        assert score < value
