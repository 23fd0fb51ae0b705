"""`inspection shift`: when shifts begin and end, by the clock on the wall of the site."""

import re
from datetime import date, timedelta
from typing import Annotated, Any, Final

import typer

from inspection.cli import context, output
from inspection.domain.shift import (
    Shift,
    ShiftCalendar,
    ShiftSpan,
    known_days,
    shift_at,
    shifts_between,
    time_of_day,
)
from inspection.errors import ConfigurationError
from inspection.store import shifts
from inspection.store.shifts import CalendarChange

app = typer.Typer(help="The shifts of the site.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="print JSON")]

_SHIFT: Final = re.compile(r"(?P<name>.+?)=(?P<begins>[^-=@]+)-(?P<ends>[^-=@]+)(?:@(?P<days>.+))?")


@app.command("set")
def set_(
    named: Annotated[
        list[str],
        typer.Argument(metavar="SHIFT...", help="NAME=HH:MM-HH:MM, then @DAYS if not all"),
    ],
    *,
    time_zone: Annotated[str, typer.Option(help="IANA name, such as Europe/Berlin")],
    holiday: Annotated[
        list[str] | None, typer.Option(help="a day on which no shift begins; one for each")
    ] = None,
    reason: Annotated[str, typer.Option(help="why, for the history")] = "",
) -> None:
    """Set all shifts of the site; reports of all times follow them from now on.

    A shift may pass midnight; it is of the day on which it begins. Shifts may not overlap.

    Example: inspection shift set early=06:00-14:00@mon-fri night=22:00-06:00 --time-zone Asia/Tokyo
    """
    settings = context.begin("shift")
    calendar = ShiftCalendar(
        time_zone=time_zone,
        shifts=tuple(_shift(text) for text in named),
        holidays=frozenset(_day(text, "--holiday") for text in holiday or ()),
    )
    change = CalendarChange(
        calendar=calendar, at=context.clock(), by=output.person(), reason=reason
    )
    with context.opened_database(settings) as database, database.write() as connection:
        found = shifts.set_shift_calendar(connection, change)
    output.say(f"shifts: version {found.version}")


@app.command("list")
def list_(
    *,
    days: Annotated[int, typer.Option(min=1, max=366, help="those of the next so many days")] = 7,
    as_json: AsJson = False,
) -> None:
    """List the shifts of the next days; while none are set, the whole day in UTC is one.

    Example: inspection shift list --days 2
    """
    settings = context.begin("shift")
    now = context.clock()
    with context.opened_database(settings) as database, database.read() as connection:
        calendar = shifts.shift_calendar(connection).calendar
    spans = shifts_between(calendar, now, now + timedelta(days=days))
    output.show_rows([_row(span, calendar) for span in spans], as_json=as_json)


@app.command()
def now(*, as_json: AsJson = False) -> None:
    """Show the shift that is on.

    Example: inspection shift now --json
    """
    settings = context.begin("shift")
    with context.opened_database(settings) as database, database.read() as connection:
        calendar = shifts.shift_calendar(connection).calendar
    span = shift_at(calendar, context.clock())
    if span is None:
        output.say("no shift is on")
    shown: dict[str, Any] = {"shift": None} if span is None else _row(span, calendar)
    output.show_object(shown, as_json=as_json)


def _shift(text: str) -> Shift:
    found = _SHIFT.fullmatch(text)
    if found is None:
        raise ConfigurationError(f"{text!r}: write NAME=HH:MM-HH:MM, or NAME=HH:MM-HH:MM@mon-fri")
    days = known_days((found["days"] or "mon-sun").split(","))
    return Shift(
        name=found["name"],
        begins=time_of_day(found["begins"]),
        ends=time_of_day(found["ends"]),
        days=days,
    )


def _day(text: str, option: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise ConfigurationError(f"{option}: {text!r} is no day; write 2026-12-25") from error


def _row(span: ShiftSpan, calendar: ShiftCalendar) -> dict[str, Any]:
    begin, end = (moment.astimezone(calendar.zone) for moment in (span.start_at, span.end_at))
    return {
        "shift": span.name,
        "day": span.day.isoformat(),
        "start_at": begin.isoformat(timespec="minutes"),
        "end_at": end.isoformat(timespec="minutes"),
        "hours": (span.end_at - span.start_at) / timedelta(hours=1),
        "time_zone": calendar.time_zone,
    }
