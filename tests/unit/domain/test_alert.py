"""When a rule holds."""

import pytest

from inspection.domain.alert import Rule
from inspection.errors import ConfigurationError


@pytest.mark.parametrize(
    ("k", "n", "newest_first", "holds"),
    [
        (1, 1, [True], True),
        (1, 1, [False, True], False),
        (2, 3, [True, False, True], True),
        (2, 3, [True, False, False, True], False),
        (2, 10, [True], False),
    ],
)
def test_rule_holds_when_k_of_the_newest_n_are_ng(
    k: int, n: int, newest_first: list[bool], holds: bool
) -> None:
    assert Rule(k=k, n=n).holds(newest_first) is holds


@pytest.mark.parametrize(("k", "n"), [(0, 1), (2, 1), (-1, 5)])
def test_a_rule_that_never_or_always_holds_is_refused(k: int, n: int) -> None:
    with pytest.raises(ConfigurationError, match="take 1 <= k <= n"):
        Rule(k=k, n=n)


def test_a_rule_without_calm_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="more than 0 seconds"):
        Rule(group_s=0)
