"""How many inspections had which score, of any range of time: exact, and read from histograms.

Whole days come from the daily counts, whole hours from the hourly ones, and the two broken hours
at the ends from the rows themselves.
"""

from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy import ColumnElement, Connection, Select, func, or_, select

from inspection.domain.histogram import BINS, HIGHEST, LOWEST
from inspection.store import tables
from inspection.store.score_tables import daily_scores, hourly_scores, score_sources

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_HOUR: Final = timedelta(hours=1)

#: Row id of a score source, a verdict, and a bin of `inspection.domain.histogram`.
Cell = tuple[int, str, int]


@dataclass(frozen=True, kw_only=True)
class Source:
    """What inspections have in common whose scores are counted together."""

    source_id: int
    camera_id: int
    product: str | None
    #: Version of a threshold that judged them; None: none did.
    threshold_id: int | None
    checkpoint_hash: str
    reference_hash: str | None


def sources(
    connection: Connection, line_id: int, *, product: str | None = None
) -> dict[int, Source]:
    """Return the score sources of a line, or of one product of it, by row id."""
    source = score_sources.c
    statement = select(
        source.id.label("source_id"),
        source.camera_id,
        source.product,
        source.threshold_id,
        source.checkpoint_hash,
        source.reference_hash,
    ).where(source.line_id == line_id)
    if product is not None:
        statement = statement.where(source.product == product)
    rows = connection.execute(statement).mappings()
    return {row["source_id"]: Source(**row) for row in rows}


def score_counts(
    connection: Connection,
    line_id: int,
    source_ids: Collection[int],
    *,
    from_at: datetime,
    to_at: datetime,
) -> Counter[Cell]:
    """Count the inspections of sources of a line, of exposures in [from_at, to_at).

    Args:
        connection: of a `Database.read`, so that all counts are of one moment.
        line_id: the line's row id.
        source_ids: of its score sources.
        from_at: the beginning.
        to_at: the end.
    """
    counts: Counter[Cell] = Counter()
    if source_ids and from_at < to_at:
        for statement in _statements(line_id, source_ids, from_at, to_at):
            for source_id, verdict, bin_, count in connection.execute(statement):
                counts[source_id, verdict, min(HIGHEST, max(LOWEST, int(bin_)))] += int(count)
    return counts


def bin_column() -> ColumnElement[float]:
    """Make the expression for the bin of an inspection's score, before its ends are cut."""
    return func.floor(tables.inspections.c.score * float(BINS))


def _statements(
    line_id: int, source_ids: Collection[int], from_at: datetime, to_at: datetime
) -> Iterator[Select[int, str, int, int]]:
    first, last = -((_EPOCH - from_at) // _HOUR), (to_at - _EPOCH) // _HOUR
    if first >= last:
        yield _of_rows(line_id, source_ids, (from_at, to_at))
        return
    whole_days = -(-first // 24), last // 24
    ids = sorted(source_ids)
    hours, days = hourly_scores.c, daily_scores.c
    if whole_days[0] < whole_days[1]:
        begin, end = whole_days[0] * 24, whole_days[1] * 24
        yield (
            select(days.source_id, days.verdict, days.bin, func.sum(days.row_count))
            .where(days.source_id.in_(ids), days.day >= whole_days[0], days.day < whole_days[1])
            .group_by(days.source_id, days.verdict, days.bin)
        )
        is_left = or_(hours.hour.between(first, begin - 1), hours.hour.between(end, last - 1))
    else:
        is_left = hours.hour.between(first, last - 1)
    yield (
        select(hours.source_id, hours.verdict, hours.bin, func.sum(hours.row_count))
        .where(hours.source_id.in_(ids), is_left)
        .group_by(hours.source_id, hours.verdict, hours.bin)
    )
    for begin_at, end_at in ((from_at, _EPOCH + first * _HOUR), (_EPOCH + last * _HOUR, to_at)):
        if begin_at < end_at:
            yield _of_rows(line_id, source_ids, (begin_at, end_at))


def _of_rows(
    line_id: int, source_ids: Collection[int], span: tuple[datetime, datetime]
) -> Select[int, str, int, int]:
    inspection = tables.inspections.c
    bin_ = bin_column()
    return (
        select(inspection.source_id, inspection.verdict, bin_, func.count())
        .where(
            inspection.line_id == line_id,
            inspection.captured_at >= span[0],
            inspection.captured_at < span[1],
            inspection.source_id.in_(sorted(source_ids)),
        )
        .group_by(inspection.source_id, inspection.verdict, bin_)
    )
