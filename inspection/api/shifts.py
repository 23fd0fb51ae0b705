"""Shifts: the calendar of the site, and when shifts begin and end by it."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Final, Literal, Self

from fastapi import APIRouter, Depends, Query, Response
from pydantic import Field

from inspection.api import etag
from inspection.api.etag import IfMatch
from inspection.api.gate import Permitted
from inspection.api.installation import Given
from inspection.api.moment import Moment
from inspection.api.shapes import Body, View
from inspection.api.text import Reason
from inspection.domain.access import Permission, Principal
from inspection.domain.shift import (
    HOLIDAYS_COUNT,
    SHIFTS_COUNT,
    Shift,
    ShiftCalendar,
    ShiftSpan,
    known_days,
    shifts_between,
)
from inspection.errors import ConfigurationError
from inspection.store import shifts
from inspection.store.shifts import CalendarChange, CalendarVersion

router = APIRouter(tags=["shifts"])

_Reader = Annotated[Principal, Depends(Permitted(Permission.READ))]
_Engineer = Annotated[Principal, Depends(Permitted(Permission.CONFIGURE))]

#: Days whose shifts one answer may list.
SPAN_DAYS: Final = 366
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_YEAR: Final = 2200
_NAME: Final = r"^[^\x00-\x1f\x7f]*[^\s\x00-\x1f\x7f][^\x00-\x1f\x7f]*$"

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
#: A time of day by the clock on the wall.
TimeOfDay = Annotated[str, Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$", examples=["22:00"])]
#: A day of the calendar.
CalendarDay = Annotated[
    str,
    Field(
        pattern=r"^(19[7-9]|20[0-9]|21[0-9])[0-9]-[0-9]{2}-[0-9]{2}$",
        json_schema_extra={"format": "date", "examples": ["2026-12-25"]},
    ),
]


class ShiftModel(Body):
    """One shift as it comes again and again."""

    name: Annotated[str, Field(min_length=1, max_length=64, pattern=_NAME, examples=["night"])]
    begins: TimeOfDay
    ends: TimeOfDay = Field(
        description="on the next day when it is not later; the same: 24 hours", examples=["06:00"]
    )
    days: list[Day] = Field(
        default=["mon", "tue", "wed", "thu", "fri", "sat", "sun"],
        min_length=1,
        max_length=7,
        description="on which it begins",
    )

    @property
    def shift(self) -> Shift:
        """What it says."""
        return Shift(
            name=self.name,
            begins=time.fromisoformat(self.begins),
            ends=time.fromisoformat(self.ends),
            days=known_days(self.days),
        )


class CalendarBody(Body):
    """The shifts of the site."""

    time_zone: str = Field(
        max_length=64,
        pattern=r"^[A-Za-z0-9_+/-]+$",
        description="IANA name",
        examples=["Europe/Berlin"],
    )
    shifts: list[ShiftModel] = Field(min_length=1, max_length=SHIFTS_COUNT)
    holidays: list[CalendarDay] = Field(
        default=[], max_length=HOLIDAYS_COUNT, description="days on which no shift begins"
    )
    reason: Reason

    @property
    def calendar(self) -> ShiftCalendar:
        """What it says.

        Raises:
            ConfigurationError: shifts overlap, or a zone or day is none.
        """
        try:
            holidays = frozenset(date.fromisoformat(day) for day in self.holidays)
        except ValueError as error:
            raise ConfigurationError(f"body.holidays: {error}") from error
        return ShiftCalendar(
            time_zone=self.time_zone,
            shifts=tuple(one.shift for one in self.shifts),
            holidays=holidays,
        )


class CalendarView(View):
    """The calendar in force; version 0: nobody has set one, the whole day in UTC is a shift."""

    version: int = Field(examples=[1])
    time_zone: str = Field(examples=["Europe/Berlin"])
    shifts: list[ShiftModel]
    holidays: list[str] = Field(examples=[["2026-12-25"]])
    set_at: Moment | None
    set_by: str = Field(examples=["anna"])
    reason: str = Field(examples=["three shifts from May on"])

    @classmethod
    def of(cls, found: CalendarVersion) -> Self:
        """Return the calendar as it is shown."""
        told = shifts.described(found.calendar)
        return cls(
            version=found.version,
            set_at=found.set_at,
            set_by=found.set_by,
            reason=found.reason,
            **told,
        )


class SpanView(View):
    """One shift of one day."""

    name: str = Field(examples=["night"])
    day: date = Field(description="on which it begins, on the site")
    start_at: Moment
    end_at: Moment

    @classmethod
    def of(cls, span: ShiftSpan) -> Self:
        """Return the shift as it is shown."""
        return cls(**vars(span))


class SpansView(View):
    """Shifts, the earliest first."""

    items: list[SpanView]


@router.get("/shifts", operation_id="get_shifts")
def get(given: Given, _caller: _Reader, response: Response) -> CalendarView:
    """Show the calendar of shifts."""
    with given.database.read() as connection:
        view = CalendarView.of(shifts.shift_calendar(connection))
    etag.tag(response, view)
    return view


@router.put("/shifts", operation_id="set_shifts", responses=etag.PRECONDITIONS)
def set_(
    given: Given,
    caller: _Engineer,
    body: CalendarBody,
    response: Response,
    if_match: IfMatch = None,
) -> CalendarView:
    """Set the calendar of shifts, which then holds for reports of all times."""
    calendar = body.calendar
    with given.database.write() as connection:
        before = shifts.shift_calendar(connection)
        etag.check(if_match, CalendarView.of(before))
        change = CalendarChange(
            calendar=calendar,
            at=given.clock(),
            by=caller.name,
            reason=body.reason,
            known_version=before.version,
        )
        view = CalendarView.of(shifts.set_shift_calendar(connection, change))
    etag.tag(response, view)
    return view


@router.get("/shifts/spans", operation_id="list_shift_spans")
def spans(
    given: Given,
    _caller: _Reader,
    from_at: Annotated[Moment | None, Query(description="now if none")] = None,
    to_at: Annotated[Moment | None, Query(description="the moment after `from_at` if none")] = None,
) -> SpansView:
    """List the shifts of a time, of a year at most; without one, the shift that is on now."""
    begin_at, end_at = _span(from_at or given.clock(), to_at)
    with given.database.read() as connection:
        calendar = shifts.shift_calendar(connection).calendar
    found = shifts_between(calendar, begin_at, end_at)
    return SpansView(items=[SpanView.of(span) for span in found])


def _span(begin_at: datetime, end_at: datetime | None) -> tuple[datetime, datetime]:
    last_at = datetime(_LAST_YEAR, 1, 1, tzinfo=UTC)
    if _EPOCH <= begin_at < last_at:
        end_at = end_at or begin_at + timedelta(microseconds=1)
        if begin_at < end_at <= begin_at + timedelta(days=SPAN_DAYS):
            return begin_at, end_at
    raise ConfigurationError(
        f"query: shifts are listed of {SPAN_DAYS} days at most, of the years 1970 to {_LAST_YEAR}"
    )
