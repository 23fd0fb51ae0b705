"""Shifts: when they begin and end, by the clock on the wall of the site.

A shift lasts from one time of day to the next occurrence of another, so it may pass midnight; it
is of the day on which it begins. When clocks are set forward in it, it lasts an hour less, when
they are set back an hour more. A time of day that is left out on that night is the moment at which
it is left out; of one that comes twice the first counts. So no moment belongs to two shifts.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from itertools import combinations
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from inspection.errors import ConfigurationError

#: Days of the week as calendars name them; Monday first.
DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
#: Shifts and holidays that a calendar may have.
SHIFTS_COUNT: Final = 50
HOLIDAYS_COUNT: Final = 1_000
_NAME_LENGTH: Final = 64
_DAY: Final = timedelta(days=1)
_WEEK: Final = 7 * _DAY


@dataclass(frozen=True, kw_only=True)
class Shift:
    """One shift as it comes again and again."""

    name: str
    #: Time of day at which it begins.
    begins: time
    #: Time of day at which it ends, on the next day when it is not later; the same: 24 hours.
    ends: time
    #: Days on which it begins, of `DAYS`.
    days: tuple[str, ...] = DAYS

    def __post_init__(self) -> None:
        """Refuse what cannot be a shift."""
        if not self.name.strip() or len(self.name) > _NAME_LENGTH or not self.name.isprintable():
            raise ConfigurationError(
                f"shift name {self.name!r} cannot be used: take 1 to {_NAME_LENGTH} printable signs"
            )
        if not self.days:
            raise ConfigurationError(f"shift {self.name!r} needs a day on which it begins")
        for day in self.days:
            if day not in DAYS:
                raise ConfigurationError(
                    f"shift {self.name!r}: {day!r} is no day; take some of {', '.join(DAYS)}"
                )

    @property
    def length(self) -> timedelta:
        """How long it lasts by the clock on the wall."""
        length = _of_day(self.ends) - _of_day(self.begins)
        return length if length > timedelta(0) else length + _DAY


@dataclass(frozen=True, kw_only=True)
class ShiftSpan:
    """One shift of one day."""

    name: str
    #: Day on which it begins, on the site.
    day: date
    start_at: datetime
    end_at: datetime


@dataclass(frozen=True, kw_only=True)
class ShiftCalendar:
    """The shifts of the site."""

    #: IANA name of the zone whose clocks count.
    time_zone: str
    shifts: tuple[Shift, ...]
    #: Days on which no shift begins.
    holidays: frozenset[date] = frozenset()

    def __post_init__(self) -> None:
        """Refuse a calendar that cannot be kept."""
        _zone(self.time_zone)
        if not 1 <= len(self.shifts) <= SHIFTS_COUNT:
            raise ConfigurationError(f"a calendar has 1 to {SHIFTS_COUNT} shifts")
        if len(self.holidays) > HOLIDAYS_COUNT:
            raise ConfigurationError(f"a calendar has at most {HOLIDAYS_COUNT} holidays")
        for one, other in combinations(self.shifts, 2):
            if one.name == other.name:
                raise ConfigurationError(f"shift {one.name!r} is there twice; rename one")
            if _overlap(one, other):
                raise ConfigurationError(
                    f"shifts {one.name!r} and {other.name!r} overlap: a part would count twice"
                )

    @property
    def zone(self) -> ZoneInfo:
        """The zone whose clocks count."""
        return _zone(self.time_zone)


def shifts_between(calendar: ShiftCalendar, from_at: datetime, to_at: datetime) -> list[ShiftSpan]:
    """Return the shifts any part of which lies in a range, the earliest first."""
    # A shift lasts at most 25 hours, and zones are at most 26 hours apart.
    day, last = _day_of(from_at) - 3 * _DAY, _day_of(to_at) + 2 * _DAY
    spans = []
    while day <= last:
        spans += shifts_of(calendar, day)
        day += _DAY
    inside = (span for span in spans if span.start_at < to_at and span.end_at > from_at)
    return sorted(inside, key=lambda span: span.start_at)


def shifts_of(calendar: ShiftCalendar, day: date) -> list[ShiftSpan]:
    """Return the shifts that begin on a day, the earliest first."""
    if day in calendar.holidays:
        return []
    spans = []
    for shift in calendar.shifts:
        if DAYS[day.weekday()] in shift.days:
            begins = datetime.combine(day, shift.begins)
            start_at = _moment(begins, calendar.zone)
            end_at = _moment(begins + shift.length, calendar.zone)
            # One that lies in an hour that is left out is left out as well.
            if start_at < end_at:
                spans.append(ShiftSpan(name=shift.name, day=day, start_at=start_at, end_at=end_at))
    return sorted(spans, key=lambda span: span.start_at)


def shift_at(calendar: ShiftCalendar, moment: datetime) -> ShiftSpan | None:
    """Return the shift that a moment belongs to; None between shifts."""
    spans = shifts_between(calendar, moment, moment + timedelta(microseconds=1))
    return spans[0] if spans else None


def last_shift(
    calendar: ShiftCalendar, moment: datetime, *, name: str | None = None
) -> ShiftSpan | None:
    """Return the last shift that has ended, of any name or of one; None: none in a month."""
    spans = shifts_between(calendar, moment - 31 * _DAY, moment)
    ended = [s for s in spans if s.end_at <= moment and name in (None, s.name)]
    return max(ended, key=lambda span: span.end_at, default=None)


def time_of_day(text: str) -> time:
    """Read `06:00`.

    Raises:
        ConfigurationError: it is no time of day in hours and minutes.
    """
    try:
        return datetime.strptime(text.strip(), "%H:%M").time()  # noqa: DTZ007 - of any day
    except ValueError as error:
        raise ConfigurationError(f"{text!r} is no time of day; write 06:00") from error


def known_days(days: Iterable[str]) -> tuple[str, ...]:
    """Return days once each, Monday first; `mon-fri` stands for all five.

    Raises:
        ConfigurationError: one is no day.
    """
    found: set[str] = set()
    for text in days:
        first, sign, last = text.strip().lower().partition("-")
        for day in (first, last) if sign else (first,):
            if day not in DAYS:
                raise ConfigurationError(f"{text!r} is no day; write mon, or mon-fri")
        begin, end = DAYS.index(first), DAYS.index(last if sign else first)
        found |= {DAYS[n % 7] for n in range(begin, end + 1 + (7 if end < begin else 0))}
    return tuple(day for day in DAYS if day in found)


def _moment(local: datetime, zone: ZoneInfo) -> datetime:
    """Return when clocks on the wall show a time; see the module for times left out or doubled."""
    before, after = (local.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    if before <= after:
        return before
    # Left out: with the offset from before the change it is too late, with that from after it too
    # early. The change is between them, at a whole second.
    low, high = after, before
    offset = low.astimezone(zone).utcoffset()
    while high - low > timedelta(seconds=1):
        middle = low + timedelta(seconds=(high - low) // timedelta(seconds=2))
        if middle.astimezone(zone).utcoffset() == offset:
            low = middle
        else:
            high = middle
    return high


def _overlap(one: Shift, other: Shift) -> bool:
    """Say whether two shifts share a time of the week."""
    starts = [_start(day, one) for day in one.days]
    others = [_start(day, other) + week for day in other.days for week in (-_WEEK, 0 * _DAY, _WEEK)]
    return any(
        start < begin + other.length and begin < start + one.length
        for start in starts
        for begin in others
    )


def _start(day: str, shift: Shift) -> timedelta:
    return DAYS.index(day) * _DAY + _of_day(shift.begins)


def _of_day(moment: time) -> timedelta:
    return timedelta(hours=moment.hour, minutes=moment.minute, seconds=moment.second)


def _day_of(moment: datetime) -> date:
    return moment.astimezone(UTC).date()


@cache
def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ConfigurationError(
            f"{name!r} is no time zone; take one such as Europe/Berlin"
        ) from error


#: While nobody has set a calendar: the whole day, in UTC.
DEFAULT: Final = ShiftCalendar(
    time_zone="UTC", shifts=(Shift(name="day", begins=time(0), ends=time(0)),)
)
