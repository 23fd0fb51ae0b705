"""Answers to what-if questions, from score histograms and few rows, as exact as from all rows.

1. Of whole hours and days the bins above and below the limit's are added up from the histograms.
2. Scores of the limit's own bin are counted from the rows.
3. So are frames of the hours in which the period begins and ends.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    Integer,
    Select,
    Table,
    case,
    false,
    func,
    literal,
    or_,
    select,
)

from inspection.domain.histogram import HIGHEST, LOWEST, bin_of, first_of
from inspection.domain.inspection import Verdict
from inspection.domain.what_if import Answer, Move, Question, Tally, spans_of
from inspection.store.engine import expect_short_answers
from inspection.store.score_queries import EPOCH, of_sources, period_of, sources_of, within
from inspection.store.score_tables import daily_scores, hourly_scores
from inspection.store.tables import inspections
from inspection.store.thresholds import newest_version

#: Periods up to this are answered hour by hour, longer ones day by day.
HOURLY_LIMIT: Final = timedelta(days=3)
_HOUR_S: Final = 3_600
_DAY_S: Final = 86_400

#: How scores lie: below the limit, above it, or in its bin.
_BELOW, _ABOVE, _BESIDE = range(3)


@dataclass(frozen=True, kw_only=True)
class _Cut:
    """A period in parts that are counted in different ways; hours and days since 1970."""

    hours: tuple[range, ...]
    days: range
    #: What is left, from and to.
    ends: tuple[tuple[datetime, datetime], ...]
    #: The hours and days together; None: there are none.
    whole: tuple[datetime, datetime] | None


#: Number of the hour or day, verdict, and how the score lies.
_Key = tuple[int, str, int]


def ask(connection: Connection, question: Question) -> Answer:
    """Say what would have become of the frames of a question's scope.

    Args:
        connection: of a `Database.read`, so that all counts are of one moment.
        question: what is asked.

    Raises:
        NotFoundError: there is no such line, station or camera.
        ConfigurationError: the product has no name.
    """
    expect_short_answers(connection)
    sources = sources_of(connection, question)
    is_long = question.to_at - question.from_at > HOURLY_LIMIT
    asked = _Asked(connection, question, sources.line_id, _DAY_S if is_long else _HOUR_S)
    moves: Counter[Move] = Counter()
    counts: list[tuple[int, Move, int]] = []
    untouched_count = 0
    for name, ids in (
        ("judged", sources.judged),
        ("pending", sources.pending),
        ("untouched", sources.untouched),
    ):
        for (place, verdict, side), count in asked.counted(ids, is_judged=name == "judged").items():
            before = Verdict(verdict)
            after = {
                "judged": Verdict.NG if side == _ABOVE else Verdict.OK,
                "pending": Verdict.PENDING,
                "untouched": before,
            }[name]
            moves[before, after] += count
            counts.append((place, (before, after), count))
            untouched_count += count * (name == "untouched")
    return Answer(
        question=question,
        tally=Tally(moves=moves),
        untouched_count=untouched_count,
        spans=spans_of(question, asked.width_s, counts),
        version=newest_version(connection, question.scope),
    )


class _Asked:
    """A question, its period cut up, and the connection that is asked."""

    def __init__(
        self, connection: Connection, question: Question, line_id: int, width_s: int
    ) -> None:
        self._connection = connection
        self._value = question.limit.value
        self._line_id = line_id
        self._cut = _cut(question.from_at, question.to_at, is_daily=width_s == _DAY_S)
        #: Of the spans the counts are for, in seconds.
        self.width_s = width_s

    def counted(self, ids: frozenset[int], *, is_judged: bool) -> Counter[_Key]:
        """Count the inspections of sources by span, verdict and, if judged, side of the limit."""
        found: Counter[_Key] = Counter()
        if ids:
            value = self._value if is_judged else None
            for statement in self._statements(ids, value):
                for row in self._connection.execute(statement):
                    found[int(row.place), row.verdict, int(row.side)] += int(row.total)
        return found

    def _statements(
        self, ids: frozenset[int], value: float | None
    ) -> Iterator[Select[*tuple[Any, ...]]]:
        cut = self._cut
        if cut.ends:
            in_ends = or_(*(within(*end) for end in cut.ends))
            of_line = inspections.c.line_id == self._line_id
            yield self._rows(value).where(of_line, in_ends, of_sources(ids))
        if cut.days:
            yield self._bins(daily_scores, "day", ids, [cut.days], value)
        if cut.hours:
            yield self._bins(hourly_scores, "hour", ids, list(cut.hours), value)
        if cut.whole and value is not None:
            beside: list[ColumnElement[bool]] = [
                inspections.c.verdict.in_([verdict.value for verdict in Verdict])
            ]
            bin_ = bin_of(value)
            if bin_ > LOWEST:
                beside.append(inspections.c.score >= first_of(bin_))
            if bin_ < HIGHEST:
                beside.append(inspections.c.score < first_of(bin_ + 1))
            yield self._rows(value).where(of_sources(ids), *beside, within(*cut.whole))

    def _rows(self, value: float | None) -> Select[*tuple[Any, ...]]:
        row = inspections.c
        is_above: ColumnElement[bool] = false() if value is None else row.score > value
        side = case((is_above, _ABOVE), else_=_BELOW) if value is not None else literal(_BELOW)
        place = period_of(self._connection, self.width_s)
        return _summed(place, row.verdict, side, func.count())

    def _bins(
        self,
        table: Table,
        period: str,
        ids: frozenset[int],
        spans: list[range],
        value: float | None,
    ) -> Select[*tuple[Any, ...]]:
        column = table.c[period]
        side: ColumnElement[int] = literal(_BELOW, Integer)
        statement_of = [column.between(span.start, span.stop - 1) for span in spans]
        wanted = [table.c.source_id.in_(sorted(ids)), or_(*statement_of)]
        if value is not None:
            bin_ = bin_of(value)
            wanted.append(table.c.bin != bin_)
            side = case((table.c.bin > bin_, _ABOVE), else_=_BELOW)
        hours = self.width_s // _HOUR_S if period == "hour" else 1
        place = column if hours == 1 else func.floor(column / hours)
        return _summed(place, table.c.verdict, side, func.sum(table.c.row_count)).where(*wanted)


def _summed(
    place: ColumnElement[Any],
    verdict: ColumnElement[Any],
    side: ColumnElement[Any],
    count: ColumnElement[Any],
) -> Select[*tuple[Any, ...]]:
    columns = (place.label("place"), verdict.label("verdict"), side.label("side"))
    return select(*columns, count.label("total")).group_by("place", "verdict", "side")


def _cut(from_at: datetime, to_at: datetime, *, is_daily: bool) -> _Cut:
    hour = timedelta(seconds=_HOUR_S)
    first, last = -((EPOCH - from_at) // hour), (to_at - EPOCH) // hour
    if first >= last:
        return _Cut(hours=(), days=range(0), ends=((from_at, to_at),), whole=None)
    whole = (EPOCH + first * hour, EPOCH + last * hour)
    ends = ((from_at, whole[0]), (whole[1], to_at))
    days = range(-(-first // 24), last // 24) if is_daily else range(0)
    around = [range(first, days.start * 24), range(days.stop * 24, last)]
    hours = around if days else [range(first, last)]
    return _Cut(
        hours=tuple(each for each in hours if each),
        days=days,
        ends=tuple(end for end in ends if end[0] < end[1]),
        whole=whole,
    )
