"""Lengths of time as people write them."""

from datetime import timedelta

import pytest

from inspection.cli.duration import end_of
from inspection.errors import ConfigurationError
from tests.factories import NOON


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("30min", 1800), ("1.5h", 5400), (" 2 d ", 172_800)],
)
def test_end_is_so_much_later_than_the_beginning(text: str, seconds: float) -> None:
    assert end_of(text, NOON) == NOON + timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "soon", "5", "0h", "-1h", "2w", "1h 30min", "9" * 20 + "d"])
def test_what_is_no_length_of_time_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="write for example 30min, 8h or 2d"):
        end_of(text, NOON)
