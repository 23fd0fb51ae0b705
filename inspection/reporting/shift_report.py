"""The report of a shift: figures of its lines, and pictures of the worst parts."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection

from inspection.domain.inspection import AnomalyMap
from inspection.domain.shift import ShiftCalendar, ShiftSpan, last_shift, shifts_of
from inspection.errors import ConfigurationError, InspectionError, NotFoundError
from inspection.model.picture import decode
from inspection.store import lines, maps, shifts
from inspection.store.database import Database
from inspection.store.inspections import HistoryRow
from inspection.store.pictures import PictureStore
from inspection.store.shift_figures import LineFigures, Wanted, line_figures

#: Longer side of a small picture, in pixels.
THUMBNAIL_PX: Final = 220
_FIRST_DAY: Final = date(1970, 1, 10)
_LAST_DAY: Final = date(2199, 12, 1)


@dataclass(frozen=True, kw_only=True)
class ReportWish:
    """Which shift, and what of it."""

    #: Name of the shift; None: the last that has ended, or the only one of the day.
    shift: str | None = None
    #: Day on which it began; None: the last one.
    day: date | None = None
    #: None: all lines.
    line: str | None = None
    product: str | None = None


@dataclass(frozen=True, kw_only=True)
class ShiftReport:
    """One shift as it is reported."""

    span: ShiftSpan
    calendar: ShiftCalendar
    made_at: datetime
    product: str | None
    lines: tuple[LineFigures, ...]
    #: Small pictures of the worst inspections as `data:` addresses, by inspection.
    pictures: dict[int, str] = field(default_factory=dict)

    @property
    def is_over(self) -> bool:
        """Whether the shift had ended when it was reported."""
        return self.span.end_at <= self.made_at


def shift_report(
    database: Database, pictures: PictureStore | None, wish: ReportWish, *, now: datetime
) -> ShiftReport:
    """Make the report of a shift.

    Args:
        database: what happened.
        pictures: where kept pictures are; None: without pictures.
        wish: which shift and what of it.
        now: the time.

    Raises:
        ConfigurationError: the day had no such shift, or had several and none is named.
        NotFoundError: there is no such line.
        UnavailableError: the database does not answer.
    """
    with database.read() as connection:
        calendar = shifts.shift_calendar(connection).calendar
        span = _span(calendar, wish, now)
        names = [wish.line] if wish.line else [one.name for one in lines.list_lines(connection)]
        figures = tuple(
            line_figures(
                connection,
                Wanted(
                    line=name,
                    product=wish.product,
                    from_at=span.start_at,
                    to_at=min(span.end_at, now),
                ),
            )
            for name in names
        )
        worst = [row for one in figures for row in one.worst]
        grids = {row.inspection_id: _map(connection, row) for row in worst}
    shown = {}
    if pictures is not None:
        drawn = {
            row.inspection_id: _drawn(row, grids[row.inspection_id], pictures) for row in worst
        }
        shown = {number: address for number, address in drawn.items() if address is not None}
    return ShiftReport(
        span=span,
        calendar=calendar,
        made_at=now,
        product=wish.product,
        lines=figures,
        pictures=shown,
    )


def _span(calendar: ShiftCalendar, wish: ReportWish, now: datetime) -> ShiftSpan:
    known = ", ".join(shift.name for shift in calendar.shifts)
    if wish.shift is not None and wish.shift not in {shift.name for shift in calendar.shifts}:
        raise ConfigurationError(f"there is no shift {wish.shift!r}; there are: {known}")
    if wish.day is None:
        last = last_shift(calendar, now, name=wish.shift)
        if last is None:
            raise ConfigurationError("no such shift has ended within the last month; name a day")
        return last
    if not _FIRST_DAY <= wish.day <= _LAST_DAY:
        raise ConfigurationError(f"there are no reports of {wish.day}")
    spans = [s for s in shifts_of(calendar, wish.day) if wish.shift in (None, s.name)]
    return _only(spans, wish.day, known)


def _only(spans: Sequence[ShiftSpan], day: date, known: str) -> ShiftSpan:
    if not spans:
        raise ConfigurationError(f"no such shift began on {day}; shifts are: {known}")
    if len(spans) > 1:
        names = ", ".join(span.name for span in spans)
        raise ConfigurationError(f"on {day} began several shifts; name one of: {names}")
    return spans[0]


def _map(connection: Connection, row: HistoryRow) -> AnomalyMap | None:
    try:
        return maps.get_map(connection, row.inspection_id)
    except NotFoundError:
        return None


def _drawn(row: HistoryRow, grid: AnomalyMap | None, pictures: PictureStore) -> str | None:
    """Return the small picture of an inspection; None where nothing of it is left."""
    if row.picture is None and grid is None:
        return None
    frame = np.full((THUMBNAIL_PX, THUMBNAIL_PX, 3), 128, np.uint8)
    try:
        if row.picture is not None:
            frame = _small(decode(pictures.get(row.picture)))
    except InspectionError:
        # A picture that is damaged or away does not stop a report; its map may still be shown.
        if grid is None:
            return None
    if grid is not None:
        frame = maps.heatmap(grid, frame, opacity=0.4)
    _, encoded = cv2.imencode(".jpg", cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
    return "data:image/jpeg;base64," + base64.b64encode(encoded.tobytes()).decode()


def _small(frame: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    height_px, width_px, _ = frame.shape
    factor = THUMBNAIL_PX / max(height_px, width_px)
    size = max(1, round(width_px * factor)), max(1, round(height_px * factor))
    return np.asarray(cv2.resize(frame, size, interpolation=cv2.INTER_AREA), np.uint8)


def duration(seconds: float) -> str:
    """Return a length of time for people: `1 h 05 min`, `4 min`, `0 min`."""
    minutes = round(timedelta(seconds=seconds) / timedelta(minutes=1))
    hours, rest = divmod(minutes, 60)
    return f"{hours} h {rest:02} min" if hours else f"{rest} min"
