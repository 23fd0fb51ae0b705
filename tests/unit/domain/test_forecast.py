"""When what is kept will fill its room: figures worked out by hand."""

import pytest

from inspection.domain.forecast import Forecast, Growth, Outlook, forecast

#: 10 bytes a day, gone after 30 days; 100 are held: ten days' worth.
YOUNG = Growth(held_bytes=100, bytes_per_day=10, kept_days=30)


def test_less_than_a_day_of_history_says_nothing() -> None:
    found = forecast([YOUNG], room_bytes=101, history_days=0.9)

    assert found == Forecast(outlook=Outlook.UNKNOWN)


def test_age_limits_hold_it_below_the_room() -> None:
    found = forecast([YOUNG], room_bytes=301, history_days=7)

    assert found == Forecast(outlook=Outlook.STEADY, steady_bytes=300)


def test_room_smaller_than_the_steady_size_will_be_full() -> None:
    found = forecast([YOUNG], room_bytes=250, history_days=7)

    assert (found.outlook, found.steady_bytes) == (Outlook.FULL, 300)
    assert found.full_in_days == pytest.approx(15)


def test_kinds_that_level_off_at_different_times_are_added() -> None:
    # The first has its steady 300 bytes after 20 days, with 200 of the second; then 5 a day.
    slow = Growth(held_bytes=100, bytes_per_day=5, kept_days=365)

    found = forecast([YOUNG, slow], room_bytes=600, history_days=7)

    assert found.full_in_days == pytest.approx(20 + 100 / 5)


def test_surplus_of_busier_times_goes_while_less_comes() -> None:
    # 600 bytes are held; at 10 a day they become 300 within 30 days. 20 a day come beside.
    shrinking = Growth(held_bytes=600, bytes_per_day=10, kept_days=30)
    growing = Growth(held_bytes=0, bytes_per_day=20, kept_days=365)

    found = forecast([shrinking, growing], room_bytes=800, history_days=7)

    # 600 - 10 t + 20 t reaches 800 after 20 days.
    assert found.full_in_days == pytest.approx(20)


def test_what_is_full_already_is_full_in_no_days() -> None:
    assert forecast([YOUNG], room_bytes=90, history_days=7).full_in_days == 0


def test_nothing_that_comes_never_fills_anything() -> None:
    idle = Growth(held_bytes=0, bytes_per_day=0, kept_days=30)

    assert forecast([idle], room_bytes=1, history_days=7).outlook is Outlook.STEADY
