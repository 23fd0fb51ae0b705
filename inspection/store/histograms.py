"""Score histograms: kept with the rows, so that questions about many rows read few."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Table, and_, bindparam, delete, select

from inspection.domain.histogram import bin_of
from inspection.store.bulk import execute_many
from inspection.store.engine import insert_adding, insert_new
from inspection.store.score_tables import daily_scores, hourly_scores, score_sources
from inspection.store.tables import inspections

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
#: Each table with its column of time, and the hours this counts in.
_TABLES: Final = ((hourly_scores, "hour", 1), (daily_scores, "day", 24))


@dataclass(frozen=True, kw_only=True)
class ScoreSource:
    """What inspections have in common whose scores are counted together; rows' ids and names."""

    line_id: int
    station_id: int
    camera_id: int
    product: str | None
    checkpoint_hash: str
    reference_hash: str | None
    #: Version that decided, also where it left frames pending; None: none covered them.
    threshold_id: int | None = None

    @property
    def key(self) -> str:
        """All of it in one text; the product comes last because it alone may hold any sign."""
        place = f"{self.line_id}/{self.station_id}/{self.camera_id}/{self.threshold_id or ''}"
        return f"{place}/{self.checkpoint_hash}/{self.reference_hash or ''}/{self.product or ''}"


@dataclass(frozen=True, kw_only=True)
class Scored:
    """One inspection as far as it is counted."""

    source_id: int
    captured_at: datetime
    verdict: str
    score: float


def hour_of(moment: datetime) -> int:
    """Return the hours since 1970."""
    return int((moment - _EPOCH).total_seconds() // 3600)


def source_ids(connection: Connection, sources: Iterable[ScoreSource]) -> dict[ScoreSource, int]:
    """Return the row ids of sources, made where they are missing; their cameras are locked."""
    wanted = {source.key: source for source in sources}
    found = _ids(connection, wanted)
    missing = [wanted[key] for key in sorted(wanted.keys() - found.keys())]
    if missing:
        rows = [vars(source) | {"key": source.key} for source in missing]
        connection.execute(insert_new(connection, score_sources, "key"), rows)
        found = _ids(connection, wanted)
    return {source: found[key] for key, source in wanted.items()}


def add(connection: Connection, rows: Iterable[Scored], *, sign: int = 1) -> None:
    """Count inspections that the same transaction adds, or with `sign` -1 removes.

    Their cameras are locked.
    """
    hours = Counter(
        (row.source_id, hour_of(row.captured_at), row.verdict, bin_of(row.score)) for row in rows
    )
    for table, period, width in _TABLES:
        counts: Counter[tuple[int, int, str, int]] = Counter()
        for (source_id, hour, verdict, bin_), count in hours.items():
            counts[source_id, hour // width, verdict, bin_] += sign * count
        _add(connection, table, period, counts)


def remove(connection: Connection, is_chosen: ColumnElement[bool]) -> None:
    """Take inspections for which `is_chosen` holds out, before the same transaction removes them.

    Their cameras are locked.
    """
    row = inspections.c
    found = connection.execute(
        select(row.source_id, row.captured_at, row.verdict, row.score).where(is_chosen)
    )
    add(
        connection,
        [
            Scored(
                source_id=each.source_id,
                captured_at=each.captured_at,
                verdict=each.verdict,
                score=each.score,
            )
            for each in found
        ],
        sign=-1,
    )


def remove_days(connection: Connection, begins_at: datetime, ends_at: datetime) -> None:
    """Forget all that was exposed in some whole days, in UTC, before its rows are removed."""
    sources = list(connection.scalars(select(score_sources.c.id)))
    for table, period, width in _TABLES:
        time, source_id = table.c[period], table.c.source_id
        first, end = hour_of(begins_at) // width, hour_of(ends_at) // width
        # Source by source, as the primary key is ordered.
        is_past = and_(source_id.in_(sources), time >= first, time < end)
        connection.execute(delete(table).where(is_past))


def _add(
    connection: Connection, table: Table, period: str, counts: Counter[tuple[int, int, str, int]]
) -> None:
    if not counts:
        return
    key = ("source_id", period, "verdict", "bin")
    rows: list[dict[str, Any]] = [
        dict(zip(key, of, strict=True)) | {"row_count": count}
        for of, count in sorted(counts.items())
    ]
    execute_many(connection, insert_adding(connection, table, *key), rows)
    emptied = [
        {f"of_{name}": value for name, value in zip(key, of, strict=True)}
        for of, count in sorted(counts.items())
        if count < 0
    ]
    if emptied:
        is_it = (table.c[name] == bindparam(f"of_{name}") for name in key)
        connection.execute(delete(table).where(*is_it, table.c.row_count <= 0), emptied)


def _ids(connection: Connection, wanted: Iterable[str]) -> dict[str, int]:
    source = score_sources.c
    rows = connection.execute(select(source.key, source.id).where(source.key.in_(list(wanted))))
    return {row.key: row.id for row in rows}
