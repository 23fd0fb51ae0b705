"""The history of inspections: finding them, and counting them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, func, select

from inspection.domain.evidence import Gone
from inspection.domain.frame import FrameIdentity
from inspection.domain.inspection import Verdict
from inspection.domain.ledger import Picture
from inspection.errors import NotFoundError
from inspection.store import tables
from inspection.store.columns import among
from inspection.store.engine import expect_short_answers
from inspection.store.history_cursor import Place, Sort
from inspection.store.history_query import HistoryQuery, Sought
from inspection.store.history_search import Search
from inspection.store.lines import line_id


@dataclass(frozen=True, kw_only=True)
class HistoryRow:
    """One inspection with everything that explains it."""

    inspection_id: int
    identity: FrameIdentity
    line: str
    station: str
    product: str | None
    part_serial: str | None
    lot: str | None
    trigger_id: str | None
    #: Exactly what the model said.
    score: float
    verdict: Verdict
    #: Threshold that was in force, and its version; None when pending.
    threshold_value: float | None
    threshold_version: int | None
    #: Row id of that version.
    threshold_id: int | None
    #: Between score and threshold, never negative; None when pending.
    distance: float | None
    #: Decision of the newest review; None: nobody has looked at it.
    review: str | None
    checkpoint_hash: str
    #: Reference it was scored with; None: zero-shot.
    reference_hash: str | None
    #: From exposure to being taken from the stream.
    waited_ms: float
    #: From handing it to the replica to having its score.
    inference_ms: float
    #: From exposure to the row.
    latency_ms: float
    #: The kept picture; None when none is kept.
    picture: Picture | None
    #: Why the picture, and the map, are not there; None: they are, or were not to be kept.
    picture_gone: Gone | None
    map_gone: Gone | None
    recorded_at: datetime

    #: Where this row stands: given as `before`, the rows after it follow, in the order asked for.
    cursor: str = field(compare=False)


@dataclass(frozen=True, kw_only=True)
class LatencySummary:
    """How long frames took from exposure to their row, and how many passed."""

    count: int
    p50_ms: float
    p99_ms: float
    #: Rows a second, from the first to the last; 0 when there is but one moment.
    frames_per_second: float


def history(connection: Connection, query: HistoryQuery) -> list[HistoryRow]:
    """Return the inspections that `query` asks for, in its order.

    Raises:
        NotFoundError: there is no such line or camera.
        CursorError: `before` is no cursor of this order.
    """
    sort = query.sort
    after = None if query.before is None else Place.parse(query.before, sort)
    expect_short_answers(connection)
    sought = Sought(connection, query)
    places = Search(connection, sought, sort, query.limit).places(after)
    return rows_at(connection, places, sort)


def rows_at(
    connection: Connection, places: Sequence[Place], sort: Sort = Sort.NEWEST
) -> list[HistoryRow]:
    """Return the inspections at some places, in the order of these; cursors are those of `sort`."""
    if not places:
        return []
    row = tables.inspections.c
    statement = _selected().where(
        among(connection, row.ledger_id, [place.ledger_id for place in places]),
        # Says which partitions need not be looked at.
        among(connection, row.captured_at, sorted({place.captured_at for place in places})),
    )
    rows = {row.ledger_id: row for row in connection.execute(statement).all()}
    return [_history_row(rows[place.ledger_id], place.cursor(sort)) for place in places]


def get(connection: Connection, inspection_id: int) -> HistoryRow:
    """Return one inspection.

    Raises:
        NotFoundError: there is none of this id.
    """
    statement = _selected().where(tables.inspections.c.ledger_id == inspection_id)
    row = connection.execute(statement).first()
    if row is None:
        raise NotFoundError(f"there is no inspection {inspection_id}")
    place = Place(key=None, captured_at=row.captured_at, ledger_id=row.ledger_id)
    return _history_row(row, place.cursor(Sort.NEWEST))


def first_scores(
    connection: Connection, line: str, count: int, *, product: str | None = None
) -> list[float]:
    """Return the anomaly scores of the line's first `count` inspections, the oldest first.

    Raises:
        NotFoundError: there is no such line.
    """
    return _scores(connection, line, count, product=product, is_newest=False)


def last_scores(
    connection: Connection, line: str, count: int, *, product: str | None = None
) -> list[float]:
    """Return the anomaly scores of the line's last `count` inspections, the newest first.

    Raises:
        NotFoundError: there is no such line.
    """
    return _scores(connection, line, count, product=product, is_newest=True)


def verdict_counts(
    connection: Connection, *, line: str | None = None, from_at: datetime | None = None
) -> dict[Verdict, int]:
    """Count inspections by verdict, of one line or all, of exposures from a moment on or all.

    Raises:
        NotFoundError: there is no such line.
    """
    verdict = tables.inspections.c.verdict
    statement = select(verdict, func.count().label("row_count")).group_by(verdict)
    statement = statement.where(*_of(connection, line=line, from_at=from_at))
    counts = {row.verdict: row.row_count for row in connection.execute(statement)}
    return {verdict: counts.get(verdict.value, 0) for verdict in Verdict}


def latency_summary(
    connection: Connection, *, line: str | None = None, from_at: datetime | None = None
) -> LatencySummary | None:
    """Summarise the latencies of a line or all, from a moment on or all; None without any.

    Raises:
        NotFoundError: there is no such line.
    """
    latency_ms = tables.inspections.c.latency_ms
    statement = select(latency_ms).where(*_of(connection, line=line, from_at=from_at))
    latencies_ms = connection.scalars(statement.order_by(latency_ms)).all()
    if not latencies_ms:
        return None
    recorded_at = tables.ledger.c.recorded_at
    span = (
        select(func.min(recorded_at).label("first_at"), func.max(recorded_at).label("last_at"))
        .join(tables.inspections, tables.is_of_ledger(tables.inspections))
        .where(*_of(connection, line=line, from_at=from_at))
    )
    first_at, last_at = connection.execute(span).one()
    span_s = (last_at - first_at).total_seconds()
    return LatencySummary(
        count=len(latencies_ms),
        p50_ms=_quantile(latencies_ms, 0.50),
        p99_ms=_quantile(latencies_ms, 0.99),
        frames_per_second=(len(latencies_ms) - 1) / span_s if span_s > 0 else 0.0,
    )


def _quantile(ascending: Sequence[float], share: float) -> float:
    # The smallest value that at least this share of all values does not exceed.
    return ascending[math.ceil(share * len(ascending)) - 1]


def _scores(
    connection: Connection, line: str, count: int, *, product: str | None, is_newest: bool
) -> list[float]:
    columns = (tables.inspections.c.captured_at, tables.inspections.c.ledger_id)
    statement = select(tables.inspections.c.score).where(*_of(connection, line=line))
    if product is not None:
        statement = statement.where(tables.inspections.c.product == product)
    order = [column.desc() if is_newest else column.asc() for column in columns]
    return list(connection.scalars(statement.order_by(*order).limit(count)))


def _of(
    connection: Connection, *, line: str | None, from_at: datetime | None = None
) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if line is not None:
        conditions.append(tables.inspections.c.line_id == line_id(connection, line))
    if from_at is not None:
        conditions.append(tables.inspections.c.captured_at >= from_at)
    return conditions


@cache
def _selected() -> Select[*tuple[Any, ...]]:
    row, ledger = tables.inspections.c, tables.ledger.c
    return (
        select(
            tables.inspections,
            ledger.sequence_number,
            ledger.trigger_id,
            ledger.picture_sha256,
            ledger.picture_media_type,
            ledger.picture_size_bytes,
            ledger.picture_gone,
            ledger.map_gone,
            ledger.recorded_at,
            tables.cameras.c.name.label("camera"),
            tables.stations.c.name.label("station"),
            tables.lines.c.name.label("line"),
            tables.thresholds.c.version.label("threshold_version"),
        )
        .join(
            tables.ledger,
            # The time says in which partition it is.
            and_(ledger.id == row.ledger_id, ledger.captured_at == row.captured_at),
        )
        .join(tables.cameras, tables.cameras.c.id == row.camera_id)
        .join(tables.stations, tables.stations.c.id == ledger.station_id)
        .join(tables.lines, tables.lines.c.id == row.line_id)
        .outerjoin(tables.thresholds, tables.thresholds.c.id == row.threshold_id)
    )


def _history_row(row: Row[*tuple[Any, ...]], cursor: str) -> HistoryRow:
    picture = None
    if row.picture_sha256 is not None:
        picture = Picture(
            sha256=row.picture_sha256,
            media_type=row.picture_media_type,
            size_bytes=row.picture_size_bytes,
        )
    identity = FrameIdentity(
        camera=row.camera, sequence_number=row.sequence_number, captured_at=row.captured_at
    )
    return HistoryRow(
        inspection_id=row.ledger_id,
        identity=identity,
        line=row.line,
        station=row.station,
        product=row.product,
        part_serial=row.part_serial,
        lot=row.lot,
        trigger_id=row.trigger_id,
        score=row.score,
        verdict=Verdict(row.verdict),
        threshold_value=row.threshold_value,
        threshold_version=row.threshold_version,
        threshold_id=row.threshold_id,
        distance=row.distance,
        review=row.review,
        checkpoint_hash=row.checkpoint_hash,
        reference_hash=row.reference_hash,
        waited_ms=row.waited_ms,
        inference_ms=row.inference_ms,
        latency_ms=row.latency_ms,
        picture=picture,
        picture_gone=row.picture_gone and Gone(row.picture_gone),
        map_gone=row.map_gone and Gone(row.map_gone),
        recorded_at=row.recorded_at,
        cursor=cursor,
    )
