"""Shifts by the clock on the wall, through both changes of the clocks."""

from datetime import UTC, date, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspection.domain.shift import (
    DEFAULT,
    Shift,
    ShiftCalendar,
    known_days,
    last_shift,
    shift_at,
    shifts_between,
    shifts_of,
)
from inspection.errors import ConfigurationError

HOUR = timedelta(hours=1)
EARLY = Shift(name="early", begins=time(6), ends=time(14))
LATE = Shift(name="late", begins=time(14), ends=time(22))
NIGHT = Shift(name="night", begins=time(22), ends=time(6))
BERLIN = ShiftCalendar(time_zone="Europe/Berlin", shifts=(EARLY, LATE, NIGHT))


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_night_in_which_clocks_go_forward_lasts_seven_hours() -> None:
    night = shifts_of(BERLIN, date(2026, 3, 28))[-1]

    assert (night.start_at, night.end_at) == (utc("2026-03-28T21:00"), utc("2026-03-29T04:00"))


def test_night_in_which_clocks_go_back_lasts_nine_hours() -> None:
    night = shifts_of(BERLIN, date(2026, 10, 24))[-1]

    assert (night.start_at, night.end_at) == (utc("2026-10-24T20:00"), utc("2026-10-25T05:00"))


@pytest.mark.parametrize(
    ("day", "hours"), [("2026-03-29", 23), ("2026-10-25", 25), ("2026-06-01", 24)]
)
def test_shift_of_a_whole_day_lasts_as_long_as_the_day(day: str, hours: int) -> None:
    whole = Shift(name="day", begins=time(0), ends=time(0))

    (span,) = shifts_of(
        ShiftCalendar(time_zone="Europe/Berlin", shifts=(whole,)), date.fromisoformat(day)
    )

    assert span.end_at - span.start_at == hours * HOUR


def test_times_that_are_left_out_are_the_moment_they_are_left_out() -> None:
    first = Shift(name="first", begins=time(1), ends=time(2, 30))
    within = Shift(name="within", begins=time(2, 30), ends=time(2, 45))
    last = Shift(name="last", begins=time(2, 45), ends=time(4))
    calendar = ShiftCalendar(time_zone="Europe/Berlin", shifts=(first, within, last))

    spans = shifts_of(calendar, date(2026, 3, 29))

    assert [(span.name, span.end_at) for span in spans] == [
        ("first", utc("2026-03-29T01:00")),
        ("last", utc("2026-03-29T02:00")),
    ]
    assert spans[1].start_at == utc("2026-03-29T01:00")


def test_of_times_that_come_twice_the_first_counts() -> None:
    one = Shift(name="one", begins=time(0), ends=time(2, 30))
    two = Shift(name="two", begins=time(2, 30), ends=time(6))
    calendar = ShiftCalendar(time_zone="Europe/Berlin", shifts=(one, two))

    first, second = shifts_of(calendar, date(2026, 10, 25))

    assert first.end_at == second.start_at == utc("2026-10-25T00:30")
    assert second.end_at == utc("2026-10-25T05:00")


@given(
    st.integers(0, 3 * 365 * 86400).map(lambda s: utc("2025-01-01") + timedelta(seconds=s)),
    st.sampled_from(["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "UTC"]),
)
def test_every_moment_belongs_to_exactly_one_of_three_shifts_round_the_clock(
    moment: datetime, zone: str
) -> None:
    calendar = ShiftCalendar(time_zone=zone, shifts=(EARLY, LATE, NIGHT))

    spans = shifts_between(calendar, moment, moment + timedelta(microseconds=1))

    assert len(spans) == 1
    assert spans[0].start_at <= moment < spans[0].end_at
    assert shift_at(calendar, moment) == spans[0]


def test_shift_past_midnight_is_of_the_day_on_which_it_begins() -> None:
    span = shift_at(BERLIN, utc("2026-06-02T02:00"))

    assert span is not None
    assert (span.name, span.day) == ("night", date(2026, 6, 1))


def test_no_shift_begins_on_a_holiday_or_on_a_day_it_does_not_name() -> None:
    weekdays = Shift(name="early", begins=time(6), ends=time(14), days=known_days(["mon-fri"]))
    calendar = ShiftCalendar(
        time_zone="UTC", shifts=(weekdays,), holidays=frozenset({date(2026, 5, 1)})
    )

    spans = shifts_between(calendar, utc("2026-04-30"), utc("2026-05-05"))

    assert [span.day.isoformat() for span in spans] == ["2026-04-30", "2026-05-04"]
    assert shift_at(calendar, utc("2026-05-01T07:00")) is None


def test_last_shift_is_the_last_that_has_ended() -> None:
    span = last_shift(BERLIN, utc("2026-06-02T12:00"))
    early = last_shift(BERLIN, utc("2026-06-02T11:00"), name="early")

    assert span is not None
    assert early is not None
    assert (span.name, span.day) == ("early", date(2026, 6, 2))
    assert early.day == date(2026, 6, 1)


def test_without_a_calendar_a_shift_is_the_whole_day_in_utc() -> None:
    span = shift_at(DEFAULT, utc("2026-06-02T12:00"))

    assert span is not None
    assert (span.start_at, span.end_at) == (utc("2026-06-02"), utc("2026-06-03"))


def test_days_wrap_round_the_week() -> None:
    assert known_days(["sat-mon", "wed"]) == ("mon", "wed", "sat", "sun")


@pytest.mark.parametrize(
    ("shifts", "sentence"),
    [
        ([EARLY, Shift(name="x", begins=time(13), ends=time(15))], "overlap"),
        ([NIGHT, Shift(name="x", begins=time(5), ends=time(6))], "overlap"),
        ([EARLY, Shift(name="early", begins=time(14), ends=time(15))], "twice"),
        ([], "1 to 50"),
    ],
)
def test_calendar_that_counts_a_part_twice_is_refused(shifts: list[Shift], sentence: str) -> None:
    with pytest.raises(ConfigurationError, match=sentence):
        ShiftCalendar(time_zone="UTC", shifts=tuple(shifts))


@pytest.mark.parametrize("zone", ["Mars/Olympus", "", "../etc/passwd", "a\0b"])
def test_zone_that_is_none_is_refused(zone: str) -> None:
    with pytest.raises(ConfigurationError, match="time zone"):
        ShiftCalendar(time_zone=zone, shifts=(EARLY,))


def test_sunday_night_may_be_followed_by_monday_morning() -> None:
    calendar = ShiftCalendar(time_zone="UTC", shifts=(NIGHT, EARLY))

    assert calendar.shifts == (NIGHT, EARLY)


def test_sunday_night_that_runs_into_monday_morning_is_refused() -> None:
    sunday = Shift(name="sunday", begins=time(22), ends=time(7), days=("sun",))
    monday = Shift(name="monday", begins=time(6), ends=time(14), days=("mon",))

    with pytest.raises(ConfigurationError, match="overlap"):
        ShiftCalendar(time_zone="UTC", shifts=(sunday, monday))
