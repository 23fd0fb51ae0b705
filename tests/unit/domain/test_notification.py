"""Attempts are spread over about an hour."""

from itertools import pairwise

import pytest

from inspection.domain.notification import ATTEMPT_LIMIT, JITTER, LONGEST_DELAY_S, delay_s


@pytest.mark.parametrize("jitter", [0.0, 0.5, 1.0])
def test_attempts_spread_over_about_an_hour(jitter: float) -> None:
    total = sum(delay_s(count, jitter=jitter) for count in range(1, ATTEMPT_LIMIT))

    assert 45 * 60 <= total <= 75 * 60


def test_delay_grows_with_every_attempt_up_to_its_bound() -> None:
    delays = [delay_s(count, jitter=0.5) for count in range(1, 30)]

    assert all(earlier <= later for earlier, later in pairwise(delays))
    assert delays[0] == 5.0
    assert delays[-1] == LONGEST_DELAY_S


def test_delay_varies_by_the_jitter_on_both_sides() -> None:
    shortest, longest = delay_s(1, jitter=0.0), delay_s(1, jitter=1.0)

    assert shortest == pytest.approx(5.0 * (1 - JITTER))
    assert longest == pytest.approx(5.0 * (1 + JITTER))
