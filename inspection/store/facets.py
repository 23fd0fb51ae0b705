"""How many inspections there are of what: by hour, and and by what they have in common.

Read from the score histograms where these know it; whatever asks for more is counted row by row,
up to `MOST`.
"""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    Integer,
    Numeric,
    Select,
    Table,
    cast,
    extract,
    func,
    literal_column,
    select,
    union_all,
)

from inspection.errors import ConfigurationError
from inspection.store import tables
from inspection.store.columns import among
from inspection.store.histograms import hour_of
from inspection.store.history_query import HistoryFilter, Sought
from inspection.store.score_tables import daily_scores, hourly_scores, score_sources

#: Rows that are counted one by one at most.
MOST: Final = 10_000
#: Longest time whose hours are counted.
LONGEST: Final = timedelta(days=31)
#: What histograms can tell apart.
_COUNTED: Final = frozenset(
    {"line", "station", "camera", "product", "verdict", "checkpoint", "from_at", "to_at"}
)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_HOUR: Final = timedelta(hours=1)

#: Hour since 1970, or row id of a source; verdict.
_Cell = tuple[int, str]
_Piece = Select[*tuple[Any, ...]]


@dataclass(frozen=True, kw_only=True)
class Count:
    """So many, or at least so many."""

    count: int
    #: Whether there are no more.
    is_exact: bool


@dataclass(frozen=True, kw_only=True)
class HourCount:
    """Inspections of one hour by verdict; verdicts without any are left out."""

    #: When the hour begins.
    at: datetime
    verdicts: dict[str, int]


@dataclass(frozen=True, kw_only=True)
class HourCounts:
    """Hours in order; those without inspections are left out."""

    total: Count
    hours: tuple[HourCount, ...]


@dataclass(frozen=True, kw_only=True)
class Facets:
    """How many inspections there are of each line, station, camera and so on."""

    total: Count
    #: By name of the filter, then by its value; the most frequent value first.
    values: dict[str, dict[str | None, int]]


def hour_counts(connection: Connection, asked: HistoryFilter) -> HourCounts:
    """Count what is meant by hour of exposure.

    Raises:
        NotFoundError: there is no such line or camera.
        ConfigurationError: no time is asked for, or a longer one than `LONGEST`.
    """
    if asked.from_at is None or asked.to_at is None or asked.to_at - asked.from_at > LONGEST:
        raise ConfigurationError(
            f"hours are counted over {LONGEST.days} days at most: say from when to when"
        )
    cells, total = _counted(connection, asked, is_hourly=True)
    hours: dict[int, Counter[str]] = {}
    for (hour, verdict), count in cells.items():
        hours.setdefault(hour, Counter())[verdict] += count
    return HourCounts(
        total=total,
        hours=tuple(
            HourCount(at=_EPOCH + hour * _HOUR, verdicts=dict(sorted(hours[hour].items())))
            for hour in sorted(hours)
        ),
    )


def facets(connection: Connection, asked: HistoryFilter) -> Facets:
    """Count what is meant by line, station, camera, product, verdict and checkpoint.

    Raises:
        NotFoundError: there is no such line or camera.
    """
    cells, total = _counted(connection, asked, is_hourly=False)
    values: dict[str, Counter[str | None]] = {}
    names = _names(connection, {source for source, _ in cells})
    for (source, verdict), count in cells.items():
        for name, value in {**names[source], "verdict": verdict}.items():
            values.setdefault(name, Counter())[value] += count
    return Facets(
        total=total,
        values={name: dict(counts.most_common()) for name, counts in values.items()},
    )


def _counted(
    connection: Connection, asked: HistoryFilter, *, is_hourly: bool
) -> tuple[Counter[_Cell], Count]:
    counting = _Counting(Sought(connection, asked), is_hourly=is_hourly)
    if asked.asked.keys() <= _COUNTED:
        cells = counting.cells(counting.pieces())
        return cells, Count(count=cells.total(), is_exact=True)
    cells = counting.cells([counting.of_first_rows(MOST + 1)])
    return cells, Count(count=min(cells.total(), MOST), is_exact=cells.total() <= MOST)


class _Counting:
    """Statements that count what is sought, each a piece of the time."""

    def __init__(self, sought: Sought, *, is_hourly: bool) -> None:
        self._sought = sought
        self._is_hourly = is_hourly

    def cells(self, pieces: Sequence[_Piece]) -> Counter[_Cell]:
        """Add pieces up, in one statement."""
        cells: Counter[_Cell] = Counter()
        for of, verdict, count in self._sought.connection.execute(union_all(*pieces)):
            cells[int(of), verdict] += int(count)
        return cells

    def pieces(self) -> list[_Piece]:
        """Divide the time into what the histograms know, and what sticks out of whole hours."""
        asked, at = self._sought.asked, tables.inspections.c.captured_at
        first = None if asked.from_at is None else -(-(asked.from_at - _EPOCH) // _HOUR)
        last = None if asked.to_at is None else hour_of(asked.to_at)
        if first is not None and last is not None and first > last:
            return [self._of_rows(*self._sought.time(tables.inspections.c))]
        pieces = self._of_hours(first, last) if self._is_hourly else self._of_days(first, last)
        if asked.from_at is not None and first is not None:
            pieces.append(self._of_rows(at >= asked.from_at, at < _EPOCH + first * _HOUR))
        if asked.to_at is not None and last is not None:
            pieces.append(self._of_rows(at >= _EPOCH + last * _HOUR, at < asked.to_at))
        return pieces

    def of_first_rows(self, most: int) -> _Piece:
        """Count so many rows at most, whichever."""
        row, conditions = tables.inspections.c, self._sought.time(tables.inspections.c)
        if not self._sought.is_by_value:
            # An index begins with these.
            conditions += [self._among_sources(row), self._among_verdicts(row)]
        conditions += self._sought.others(row)
        rows = select(row.source_id, row.captured_at, row.verdict).where(*conditions)
        return self._grouped(rows.limit(most).subquery().c)

    def _of_rows(self, *when: ColumnElement[bool]) -> _Piece:
        row = tables.inspections.c
        return self._grouped(row).where(*when, *self._sought.others(row))

    def _grouped(self, row: Any) -> _Piece:
        of = self._hour(row.captured_at) if self._is_hourly else row.source_id
        return select(of.label("of"), row.verdict, func.count()).group_by(of, row.verdict)

    def _hour(self, moment: ColumnElement[datetime]) -> ColumnElement[int]:
        seconds = extract("epoch", moment)
        if self._sought.connection.dialect.name == "sqlite":
            return seconds // literal_column("3600", Integer)
        # As literals, or PostgreSQL takes it for another expression than that which is grouped by.
        return cast(func.floor(seconds / literal_column("3600", Numeric)), Integer)

    def _of_days(self, first: int | None, last: int | None) -> list[_Piece]:
        """Count days where there are whole ones, and hours at both ends."""
        first_day = None if first is None else -(-first // 24)
        last_day = None if last is None else last // 24
        if first_day is not None and last_day is not None and first_day >= last_day:
            return self._of_hours(first, last)
        pieces = [self._of_histograms(daily_scores, first_day, last_day)]
        if first is not None and first_day is not None:
            pieces += self._of_hours(first, first_day * 24)
        if last is not None and last_day is not None:
            pieces += self._of_hours(last_day * 24, last)
        return pieces

    def _of_hours(self, first: int | None, end: int | None) -> list[_Piece]:
        is_empty = first is not None and first == end
        return [] if is_empty else [self._of_histograms(hourly_scores, first, end)]

    def _of_histograms(self, table: Table, first: int | None, end: int | None) -> _Piece:
        row: Any = table.c
        period = row["hour" if table is hourly_scores else "day"]
        of = period if self._is_hourly else row.source_id
        when = [] if first is None else [period >= first]
        when = when if end is None else [*when, period < end]
        return (
            select(of.label("of"), row.verdict, func.sum(row.row_count))
            .where(self._among_sources(row), self._among_verdicts(row), *when)
            .group_by(of, row.verdict)
        )

    def _among_sources(self, row: Any) -> ColumnElement[bool]:
        return among(self._sought.connection, row.source_id, self._sought.sources)

    def _among_verdicts(self, row: Any) -> ColumnElement[bool]:
        return among(self._sought.connection, row.verdict, self._sought.verdicts)


def _names(connection: Connection, sources: Collection[int]) -> dict[int, dict[str, Any]]:
    source = score_sources.c
    statement = (
        select(
            source.id,
            tables.lines.c.name.label("line"),
            tables.stations.c.name.label("station"),
            tables.cameras.c.name.label("camera"),
            source.product,
            source.checkpoint_hash.label("checkpoint"),
        )
        .join(tables.lines, tables.lines.c.id == source.line_id)
        .join(tables.stations, tables.stations.c.id == source.station_id)
        .join(tables.cameras, tables.cameras.c.id == source.camera_id)
        .where(among(connection, source.id, sources))
    )
    rows = connection.execute(statement).mappings()
    return {row["id"]: {name: row[name] for name in row if name != "id"} for row in rows}
