"""How many inspections there are of what: by hour, and and by what they have in common.

Read from the score histograms where these know it; whatever asks for more is counted row by row,
up to `MOST`.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Table, func, select

from inspection.errors import ConfigurationError
from inspection.store import tables
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

#: Row id of a source, hour since 1970, verdict.
_Cell = tuple[int, int, str]


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
    for (_, hour, verdict), count in cells.items():
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
    names = _names(connection, {source for source, _, _ in cells})
    for (source, _, verdict), count in cells.items():
        for name, value in {**names[source], "verdict": verdict}.items():
            values.setdefault(name, Counter())[value] += count
    return Facets(
        total=total,
        values={name: dict(counts.most_common()) for name, counts in values.items()},
    )


def _counted(
    connection: Connection, asked: HistoryFilter, *, is_hourly: bool
) -> tuple[Counter[_Cell], Count]:
    sought = Sought(connection, asked)
    if asked.asked.keys() <= _COUNTED:
        cells = _from_histograms(connection, sought, is_hourly=is_hourly)
        return cells, Count(count=sum(cells.values()), is_exact=True)
    cells = _from_rows(connection, sought, [*sought.time(tables.inspections.c)], most=MOST + 1)
    count = sum(cells.values())
    return cells, Count(count=min(count, MOST), is_exact=count <= MOST)


def _from_histograms(connection: Connection, sought: Sought, *, is_hourly: bool) -> Counter[_Cell]:
    asked, at = sought.asked, tables.inspections.c.captured_at
    first = None if asked.from_at is None else -(-(asked.from_at - _EPOCH) // _HOUR)
    last = None if asked.to_at is None else hour_of(asked.to_at)
    if first is not None and last is not None and first >= last:
        return _from_rows(connection, sought, sought.time(tables.inspections.c))
    cells: Counter[_Cell] = Counter()
    # What sticks out of the whole hours.
    if asked.from_at is not None and first is not None:
        begun = [at >= asked.from_at, at < _EPOCH + first * _HOUR]
        cells += _from_rows(connection, sought, begun)
    if asked.to_at is not None and last is not None:
        begun = [at >= _EPOCH + last * _HOUR, at < asked.to_at]
        cells += _from_rows(connection, sought, begun)
    if is_hourly:
        return cells + _cells(connection, sought, hourly_scores, _between("hour", first, last))
    # Days where there are whole ones, hours at both ends.
    first_day = None if first is None else -(-first // 24)
    last_day = None if last is None else last // 24
    if first_day is not None and last_day is not None and first_day >= last_day:
        return cells + _cells(connection, sought, hourly_scores, _between("hour", first, last))
    days = _between("day", first_day, last_day)
    cells += _cells(connection, sought, daily_scores, days)
    if first is not None and first_day is not None:
        hours = _between("hour", first, first_day * 24)
        cells += _cells(connection, sought, hourly_scores, hours)
    if last is not None and last_day is not None:
        hours = _between("hour", last_day * 24, last)
        cells += _cells(connection, sought, hourly_scores, hours)
    return cells


def _between(period: str, first: int | None, end: int | None) -> list[ColumnElement[bool]]:
    column = (hourly_scores if period == "hour" else daily_scores).c[period]
    conditions = [] if first is None else [column >= first]
    return conditions if end is None else [*conditions, column < end]


def _cells(
    connection: Connection, sought: Sought, table: Table, when: Iterable[ColumnElement[bool]]
) -> Counter[_Cell]:
    period: ColumnElement[int] = table.c["hour" if table is hourly_scores else "day"]
    by = (table.c.source_id, period, table.c.verdict)
    statement = (
        select(*by, func.sum(table.c.row_count))
        .where(table.c.source_id.in_(sought.sources), table.c.verdict.in_(sought.verdicts), *when)
        .group_by(*by)
    )
    return Counter({(row[0], row[1], row[2]): int(row[3]) for row in connection.execute(statement)})


def _from_rows(
    connection: Connection,
    sought: Sought,
    when: Iterable[ColumnElement[bool]],
    *,
    most: int | None = None,
) -> Counter[_Cell]:
    row = tables.inspections.c
    statement = select(row.source_id, row.captured_at, row.verdict).where(
        *when, *sought.others(row)
    )
    if most is not None and not sought.is_by_value:
        # An index begins with these.
        of_source = (row.source_id.in_(sought.sources), row.verdict.in_(sought.verdicts))
        statement = statement.where(*of_source)
    rows = connection.execute(statement if most is None else statement.limit(most))
    return Counter((row.source_id, hour_of(row.captured_at), row.verdict) for row in rows)


def _names(connection: Connection, sources: set[int]) -> dict[int, dict[str, Any]]:
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
        .where(source.id.in_(sources))
    )
    rows = connection.execute(statement).mappings()
    return {row["id"]: {name: row[name] for name in row if name != "id"} for row in rows}
