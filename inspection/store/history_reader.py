"""The ways to read rows of the history in an order, and what the histograms know beforehand."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Select, Table, func, select, tuple_, union_all

from inspection.domain.histogram import HIGHEST, LOWEST, bin_of
from inspection.store import tables
from inspection.store.columns import among
from inspection.store.histograms import hour_of
from inspection.store.history_cursor import Place, Sort
from inspection.store.history_query import Sought
from inspection.store.score_tables import daily_scores, hourly_scores, score_sources

#: Time around what is sought in which a source has rows of all its scores.
MARGIN: Final = timedelta(days=7)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_COLUMNS: Final = ("score", "distance", "captured_at", "ledger_id")

#: Scores from the first on and below the second; None: no limit.
Range = tuple[float | None, float | None]


@dataclass(frozen=True, kw_only=True)
class Span:
    """Exposures from one moment on and before another."""

    from_at: datetime
    to_at: datetime
    #: About how many rows there are in it, if it is known.
    row_count: int | None = None

    def of_hours(self, first: int, last: int) -> "Span":
        """Return what of it lies in hours, both included; they are counted since 1970."""
        return Span(
            from_at=max(self.from_at, _EPOCH + timedelta(hours=first)),
            to_at=min(self.to_at, _EPOCH + timedelta(hours=last + 1)),
        )


class Reader:
    """Reads places of what is sought, in one order."""

    def __init__(self, connection: Connection, sought: Sought, sort: Sort) -> None:
        self._connection = connection
        self.sought = sought
        self.sort = sort

    @property
    def is_rising(self) -> bool:
        """Whether times, scores or distances rise from row to row."""
        return self.sort in (Sort.OLDEST, Sort.LOWEST, Sort.CLOSEST)

    def plain(self, span: Span | None, after: Place | None, limit: int) -> list[Place]:
        """Read by whatever index the database finds: of few rows, or of many that are meant."""
        row = tables.inspections.c
        conditions = [*self.sought.time(row), *self.sought.others(row), *self._later(row, after)]
        if span is not None:
            conditions += [row.captured_at >= span.from_at, row.captured_at < span.to_at]
        if self.sort is Sort.CLOSEST:
            conditions.append(row.distance.is_not(None))
        statement = select(*(row[name] for name in _COLUMNS)).where(*conditions)
        return self._places(statement.order_by(*self._order(row)).limit(limit))

    def walked(
        self, after: Place | None, budget: int, limit: int
    ) -> tuple[list[Place], Place | None]:
        """Read what is meant of the next `budget` rows in order of time.

        Returns:
            Places, and where the walk has ended; None: there are no more rows.
        """
        row, order = tables.inspections.c, self._order(tables.inspections.c)
        conditions = [*self.sought.place(row), *self.sought.time(row), *self._later(row, after)]
        names = dict.fromkeys((*_COLUMNS, "review", *self.sought.equal))
        walk = select(*(row[name] for name in names)).where(*conditions).order_by(*order)
        rows = walk.limit(budget).subquery().c
        meant = select(*(rows[name] for name in _COLUMNS)).where(*self.sought.others(rows))
        found = self._places(meant.order_by(*self._order(rows)).limit(limit))
        if len(found) == limit:
            return found, found[-1]
        last = select(*(row[name] for name in _COLUMNS)).where(*conditions).order_by(*order)
        ends = self._places(last.offset(budget - 1).limit(1))
        return found, ends[0] if ends else None

    def of_sources(
        self,
        span: Span,
        ranges: Sequence[Range],
        after: Place | None,
        limit: int,
        conditions: Sequence[ColumnElement[bool]] = (),
    ) -> list[Place]:
        """Read by source, verdict and score, and sort: of scores that few rows have."""
        row, sources = tables.inspections.c, self.sought.sources
        if not sources or not ranges:
            return []
        of_source = select(*(row[name] for name in _COLUMNS)).where(
            among(self._connection, row.source_id, sources),
            among(self._connection, row.verdict, self.sought.verdicts),
            row.captured_at >= span.from_at,
            row.captured_at < span.to_at,
            *self.sought.others(row, is_of_sources=True),
            *self._later(row, after),
            *conditions,
        )
        parts = [of_source.where(*_within(row.score, one)) for one in ranges]
        # Read before it is sorted: a planner that takes rare rows for many would walk in order of
        # time until the page is full.
        rows = parts[0] if len(parts) == 1 else union_all(*parts)
        few = rows.cte("few").prefix_with("MATERIALIZED")
        return self._places(select(few).order_by(*self._order(few.c)).limit(limit))

    def span(self) -> Span | None:
        """Return the time in which there are rows; None: there are none."""
        ends = self._ends(self.sought.time(tables.inspections.c))
        if not ends:
            return None
        first, last = ends
        return Span(
            from_at=first.captured_at,
            to_at=last.captured_at + timedelta(microseconds=1),
            row_count=_distance(first, last),
        )

    def row_count(self, span: Span) -> int:
        """Return about how many rows there are in a time."""
        if span.row_count is not None:
            return span.row_count
        at = tables.inspections.c.captured_at
        ends = self._ends([at >= span.from_at, at < span.to_at])
        return _distance(*ends) if ends else 0

    def _ends(self, within: Sequence[ColumnElement[bool]]) -> Sequence[Any]:
        """Return the first and the last row of a time; none when it has none."""
        row = tables.inspections.c
        columns = (row.captured_at, row.ledger_id)
        ends = [
            select(*columns).where(*within).order_by(*order).limit(1).subquery()
            for order in (columns, [column.desc() for column in columns])
        ]
        return self._connection.execute(union_all(*(select(end) for end in ends))).all()

    def day_counts(self, span: Span) -> dict[int, int]:
        """Count what may be meant, at most, by day; days without any are left out."""
        return self._counts(daily_scores.c.day, *self._cells(span, is_hourly=False))

    def hour_counts(self, span: Span) -> dict[int, int]:
        """Count what may be meant, at most, by hour."""
        return self._counts(hourly_scores.c.hour, *self._cells(span, is_hourly=True))

    def first_score(
        self, span: Span, after: Place | None, *, beyond: float | None = None
    ) -> float | None:
        """Return the score that is first in order of what is sought, or of what may be sought.

        Args:
            span: time in which to look.
            after: a place that it comes after; its own score may be the first.
            beyond: a score that it comes after.
        """
        if after is not None and beyond is None:
            return after.key
        row, source = tables.inspections.c, score_sources.c
        extreme = func.min if self.is_rising else func.max
        conditions = _within(row.score, self.scores)
        if beyond is not None:
            conditions.append(row.score >= beyond if self.is_rising else row.score <= beyond)
        # One look at the index for each source and verdict.
        firsts = [
            select(row.score)
            .where(
                row.source_id == source.id,
                row.verdict == verdict,
                # Wide enough to find one at once, narrow enough to leave partitions out.
                row.captured_at >= span.from_at - MARGIN,
                row.captured_at < span.to_at + MARGIN,
                *conditions,
            )
            .order_by(row.score if self.is_rising else row.score.desc())
            .limit(1)
            .scalar_subquery()
            for verdict in self.sought.verdicts
        ]
        statement = select(*(extreme(first) for first in firsts))
        found = self._connection.execute(
            statement.where(among(self._connection, source.id, self.sought.sources))
        ).one()
        scores = [score for score in found if score is not None]
        return None if not scores else (min if self.is_rising else max)(scores)

    def threshold_values(self) -> list[float]:
        """Return the thresholds that decided about rows that may be meant."""
        threshold, source = tables.thresholds.c, score_sources.c
        deciding = select(source.threshold_id).where(
            among(self._connection, source.id, self.sought.sources)
        )
        statement = select(threshold.value).distinct()
        statement = statement.where(threshold.id.in_(deciding), threshold.value.is_not(None))
        return list(self._connection.scalars(statement))

    @property
    def scores(self) -> Range:
        """The scores that are meant."""
        highest = self.sought.asked.score_max
        # The next number is the first that is not meant any more.
        return self.sought.asked.score_min, None if highest is None else _next(highest)

    def _counts(self, by: ColumnElement[int], *conditions: ColumnElement[bool]) -> dict[int, int]:
        table: Any = by.table
        count = func.sum(table.c.row_count).label("row_count")
        statement = select(by.label("by"), count).where(*conditions).group_by(by)
        return {row.by: int(row.row_count) for row in self._connection.execute(statement)}

    def _cells(self, span: Span, *, is_hourly: bool) -> list[ColumnElement[bool]]:
        table: Table = hourly_scores if is_hourly else daily_scores
        hours = 1 if is_hourly else 24
        last_at = span.to_at - timedelta(microseconds=1)
        periods = range(hour_of(span.from_at) // hours, hour_of(last_at) // hours + 1)
        low, high = self.sought.asked.score_min, self.sought.asked.score_max
        return [
            # Listed, so that the index goes from one to the next and reads the bins that are meant.
            among(self._connection, table.c.source_id, self.sought.sources),
            among(self._connection, table.c["hour" if is_hourly else "day"], periods),
            among(self._connection, table.c.verdict, self.sought.verdicts),
            table.c.bin >= (LOWEST if low is None else bin_of(low)),
            table.c.bin <= (HIGHEST if high is None else bin_of(high)),
        ]

    def _later(self, columns: Any, after: Place | None) -> list[ColumnElement[bool]]:
        if after is None:
            return []
        key = self._key(columns)
        place: tuple[Any, ...] = (after.captured_at, after.ledger_id)
        of_row: tuple[Any, ...] = (columns.captured_at, columns.ledger_id)
        # Said twice, because an index that is read by its first column alone takes only this.
        bound = key if key is not None else columns.captured_at
        limit = after.captured_at if key is None else after.key
        if key is not None:
            of_row, place = (key, *of_row), (after.key, *place)
        if self.is_rising:
            return [tuple_(*of_row) > place, bound >= limit]
        return [tuple_(*of_row) < place, bound <= limit]

    def _order(self, columns: Any) -> list[ColumnElement[Any]]:
        key = self._key(columns)
        order = [columns.captured_at, columns.ledger_id]
        order = order if key is None else [key, *order]
        return order if self.is_rising else [column.desc() for column in order]

    def _key(self, columns: Any) -> ColumnElement[float] | None:
        if self.sort.is_by_time:
            return None
        column: ColumnElement[float] = (
            columns.distance if self.sort is Sort.CLOSEST else columns.score
        )
        return column

    def _places(self, statement: Select[*tuple[Any, ...]]) -> list[Place]:
        places = []
        for row in self._connection.execute(statement).all():
            key = row.distance if self.sort is Sort.CLOSEST else row.score
            places.append(Place(key=key, captured_at=row.captured_at, ledger_id=row.ledger_id))
        return places


def _distance(first: Any, last: Any) -> int:
    # Ids rise as rows are recorded.
    return abs(int(last.ledger_id) - int(first.ledger_id)) + 1


def _within(score: ColumnElement[float], one: Range) -> list[ColumnElement[bool]]:
    low, high = one
    conditions = [] if low is None else [score >= low]
    return conditions if high is None else [*conditions, score < high]


def _next(score: float) -> float:
    return math.nextafter(score, math.inf)


def both(left: Range, right: Range) -> Range | None:
    """Return the scores of both ranges; None: there are none."""
    lows = [low for low, _ in (left, right) if low is not None]
    highs = [high for _, high in (left, right) if high is not None]
    low, high = max(lows, default=None), min(highs, default=None)
    return None if low is not None and high is not None and low >= high else (low, high)
