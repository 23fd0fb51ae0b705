"""What the rows of inspections add up to, counted one by one."""

from collections import Counter
from typing import Any

from sqlalchemy import Connection, select

from inspection.domain.histogram import bin_of
from inspection.store import score_tables, tables
from inspection.store.histograms import hour_of

#: Source, hour or day, verdict and bin.
Key = tuple[int, int, str, int]


def recounted(connection: Connection, *, hours: int) -> Counter[Key]:
    """Count the inspections by source, period of so many hours, verdict and bin."""
    return Counter(
        (row.source_id, hour_of(row.captured_at) // hours, row.verdict, bin_of(row.score))
        for row in connection.execute(select(tables.inspections))
    )


def assert_scores_agree(connection: Connection) -> None:
    """See that the histograms are what their rows add up to, without any bin that is empty."""
    for table, period, hours in (
        (score_tables.hourly_scores, "hour", 1),
        (score_tables.daily_scores, "day", 24),
    ):
        kept: dict[Any, int] = {
            (row.source_id, getattr(row, period), row.verdict, row.bin): row.row_count
            for row in connection.execute(select(table))
        }
        assert kept == recounted(connection, hours=hours)
