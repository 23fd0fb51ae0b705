"""The calendar of shifts: every version of it, the newest in force for all times."""

from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any

from sqlalchemy import Connection, select

from inspection.domain.review import NOTE_LENGTH, checked_text
from inspection.domain.shift import DEFAULT, Shift, ShiftCalendar
from inspection.errors import PreconditionError
from inspection.store.audit import Change, add_change
from inspection.store.engine import insert_new
from inspection.store.review_tables import shift_calendars


@dataclass(frozen=True, kw_only=True)
class CalendarVersion:
    """A calendar as somebody set it."""

    #: 0 while nobody has set one: `inspection.domain.shift.DEFAULT`.
    version: int
    calendar: ShiftCalendar
    set_at: datetime | None = None
    set_by: str = ""
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class CalendarChange:
    """A calendar that is to be set."""

    calendar: ShiftCalendar
    at: datetime
    by: str
    reason: str = ""
    #: Newest version that whoever sets it knows; None: whatever it is.
    known_version: int | None = None


def shift_calendar(connection: Connection) -> CalendarVersion:
    """Return the calendar in force."""
    newest = select(shift_calendars).order_by(shift_calendars.c.version.desc()).limit(1)
    row = connection.execute(newest).first()
    if row is None:
        return CalendarVersion(version=0, calendar=DEFAULT)
    shifts = tuple(
        Shift(
            name=one["name"],
            begins=time.fromisoformat(one["begins"]),
            ends=time.fromisoformat(one["ends"]),
            days=tuple(one["days"]),
        )
        for one in row.shifts
    )
    holidays = frozenset(date.fromisoformat(day) for day in row.holidays)
    return CalendarVersion(
        version=row.version,
        calendar=ShiftCalendar(time_zone=row.time_zone, shifts=shifts, holidays=holidays),
        set_at=row.set_at,
        set_by=row.set_by,
        reason=row.reason,
    )


def set_shift_calendar(connection: Connection, change: CalendarChange) -> CalendarVersion:
    """Add the next version of the calendar; the same as the newest adds nothing.

    Args:
        connection: inside a transaction of `Database.write`.
        change: what, who and why.

    Raises:
        ConfigurationError: the reason is too long.
        PreconditionError: the newest version is not the one that was known, or somebody else sets
            one at this moment.
    """
    checked_text(change.reason, "reason", longest=NOTE_LENGTH)
    before = shift_calendar(connection)
    if change.known_version not in (None, before.version):
        raise PreconditionError(
            f"the calendar of shifts has version {before.version} by now; look at it again"
        )
    if before.version and before.calendar == change.calendar:
        return before
    values = described(change.calendar)
    row = values | {
        "version": before.version + 1,
        "set_at": change.at,
        "set_by": change.by,
        "reason": change.reason,
    }
    # Of two who set the same version one adds nothing.
    added = insert_new(connection, shift_calendars, "version").values(row)
    if connection.scalar(added.returning(shift_calendars.c.version)) is None:
        raise PreconditionError("somebody else has just set the calendar of shifts")
    add_change(
        connection,
        Change(
            at=change.at,
            who=change.by,
            action="set",
            thing="shifts",
            name="calendar",
            before=described(before.calendar) if before.version else None,
            after=values | {"reason": change.reason},
        ),
    )
    return shift_calendar(connection)


def described(calendar: ShiftCalendar) -> dict[str, Any]:
    """Return a calendar as it is kept, and as programs are told."""
    return {
        "time_zone": calendar.time_zone,
        "shifts": [
            {
                "name": shift.name,
                "begins": shift.begins.isoformat("minutes"),
                "ends": shift.ends.isoformat("minutes"),
                "days": list(shift.days),
            }
            for shift in calendar.shifts
        ],
        "holidays": sorted(day.isoformat() for day in calendar.holidays),
    }
