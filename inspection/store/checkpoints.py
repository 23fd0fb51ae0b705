"""Which checkpoints inspections were made with, from the histograms of their scores."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from sqlalchemy import Connection, func, select

from inspection.store.score_tables import daily_scores, score_sources
from inspection.store.tables import lines

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class UsedCheckpoint:
    """A checkpoint on a line, with one reference or with none."""

    #: SHA-256, hexadecimal.
    checkpoint_hash: str
    #: None: without a reference.
    reference_hash: str | None
    line: str
    inspection_count: int
    #: Days of its first and last exposure, in UTC.
    first_on: date
    last_on: date


def used_checkpoints(connection: Connection) -> list[UsedCheckpoint]:
    """Return what inspections that are still there were made with, the last used first."""
    source = score_sources.c
    last_day = func.max(daily_scores.c.day)
    columns = (source.checkpoint_hash, source.reference_hash, lines.c.name)
    statement = (
        select(
            *columns,
            func.sum(daily_scores.c.row_count).label("row_count"),
            func.min(daily_scores.c.day).label("first_day"),
            last_day.label("last_day"),
        )
        .join(score_sources, source.id == daily_scores.c.source_id)
        .join(lines, lines.c.id == source.line_id)
        .group_by(*columns)
        .order_by(last_day.desc(), *columns)
    )
    return [
        UsedCheckpoint(
            checkpoint_hash=row.checkpoint_hash,
            reference_hash=row.reference_hash,
            line=row.name,
            inspection_count=int(row.row_count),
            first_on=_date(row.first_day),
            last_on=_date(row.last_day),
        )
        for row in connection.execute(statement)
    ]


def _date(day: int) -> date:
    return (_EPOCH + timedelta(days=day)).date()
