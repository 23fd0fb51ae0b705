"""The history of inspections: finding them, and counting them."""

import math
import operator
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Row, Select, func, literal, select, tuple_

from inspection.domain.evidence import Gone
from inspection.domain.frame import FrameIdentity
from inspection.domain.inspection import Verdict
from inspection.domain.ledger import Picture
from inspection.errors import ConfigurationError, NotFoundError
from inspection.store import tables
from inspection.store.cameras import camera_id
from inspection.store.lines import line_id

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class HistoryQuery:
    """Which inspections to show; None takes all."""

    line: str | None = None
    station: str | None = None
    camera: str | None = None
    product: str | None = None
    verdict: Verdict | None = None
    #: Anomaly scores from this one on …
    score_min: float | None = None
    #: … up to and including this one.
    score_max: float | None = None
    #: Exposures from this moment on …
    from_at: datetime | None = None
    #: … and before this one.
    to_at: datetime | None = None
    part_serial: str | None = None
    lot: str | None = None
    #: `cursor` of the last row already shown; the rows after it follow.
    before: str | None = None
    #: Rows returned at most.
    limit: int = 50


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

    @property
    def cursor(self) -> str:
        """Where this row stands: given as `before`, the rows after it follow."""
        captured_at_us = (self.identity.captured_at - _EPOCH) // timedelta(microseconds=1)
        return f"{captured_at_us}-{self.inspection_id}"


@dataclass(frozen=True, kw_only=True)
class LatencySummary:
    """How long frames took from exposure to their row, and how many passed."""

    count: int
    p50_ms: float
    p99_ms: float
    #: Rows a second, from the first to the last; 0 when there is but one moment.
    frames_per_second: float


def history(connection: Connection, query: HistoryQuery) -> list[HistoryRow]:
    """Return the inspections that `query` asks for, the newest exposure first.

    Raises:
        NotFoundError: there is no such line or camera.
        ConfigurationError: `before` is no cursor.
    """
    row = tables.inspections.c
    newest_first = (row.captured_at.desc(), row.ledger_id.desc())
    # First the ids, from the tables that filter and sort: with the names joined in as well, a
    # planner may begin with those and sort the whole history.
    ids = select(row.ledger_id).where(*_conditions(connection, query))
    if not (query.station is query.part_serial is query.lot is None):
        ids = ids.join(tables.ledger, tables.is_of_ledger(tables.inspections))
    shown = ids.order_by(*newest_first).limit(query.limit).subquery()
    statement = _selected().join(shown, shown.c.ledger_id == row.ledger_id).order_by(*newest_first)
    return [_history_row(row) for row in connection.execute(statement)]


def get(connection: Connection, inspection_id: int) -> HistoryRow:
    """Return one inspection.

    Raises:
        NotFoundError: there is none of this id.
    """
    statement = _selected().where(tables.inspections.c.ledger_id == inspection_id)
    row = connection.execute(statement).first()
    if row is None:
        raise NotFoundError(f"there is no inspection {inspection_id}")
    return _history_row(row)


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


def _conditions(connection: Connection, query: HistoryQuery) -> list[ColumnElement[bool]]:
    row, ledger = tables.inspections.c, tables.ledger.c
    conditions = _of(connection, line=query.line, from_at=query.from_at)
    if query.camera is not None:
        conditions.append(row.camera_id == camera_id(connection, query.camera))
    if query.station is not None:
        stations = select(tables.stations.c.id).where(tables.stations.c.name == query.station)
        conditions.append(ledger.station_id.in_(stations))
    if query.verdict is Verdict.NG:
        # Written out, because the index of NG rows serves only a condition known beforehand.
        conditions.append(row.verdict == literal("NG", literal_execute=True))
    elif query.verdict is not None:
        conditions.append(row.verdict == query.verdict.value)
    for column, compare, value in (
        (row.product, operator.eq, query.product),
        (row.score, operator.ge, query.score_min),
        (row.score, operator.le, query.score_max),
        (row.captured_at, operator.lt, query.to_at),
        (ledger.part_serial, operator.eq, query.part_serial),
        (ledger.lot, operator.eq, query.lot),
    ):
        if value is not None:
            conditions.append(compare(column, value))
    if query.before is not None:
        conditions.append(tuple_(row.captured_at, row.ledger_id) < _position(query.before))
    return conditions


def _position(cursor: str) -> tuple[datetime, int]:
    captured_at_us, _, inspection_id = cursor.rpartition("-")
    try:
        position = _EPOCH + timedelta(microseconds=int(captured_at_us)), int(inspection_id)
        position[1].to_bytes(8, signed=True)  # what databases take
    except (ValueError, OverflowError) as error:
        raise ConfigurationError(
            f"{cursor!r} is no cursor; take the `cursor` of the last row shown"
        ) from error
    return position


def _selected() -> Select[*tuple[Any, ...]]:
    row, ledger = tables.inspections.c, tables.ledger.c
    return (
        select(
            tables.inspections,
            ledger.sequence_number,
            ledger.part_serial,
            ledger.lot,
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
        .join(tables.ledger, tables.is_of_ledger(tables.inspections))
        .join(tables.cameras, tables.cameras.c.id == row.camera_id)
        .join(tables.stations, tables.stations.c.id == ledger.station_id)
        .join(tables.lines, tables.lines.c.id == row.line_id)
        .outerjoin(tables.thresholds, tables.thresholds.c.id == row.threshold_id)
    )


def _history_row(row: Row[*tuple[Any, ...]]) -> HistoryRow:
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
        checkpoint_hash=row.checkpoint_hash,
        reference_hash=row.reference_hash,
        waited_ms=row.waited_ms,
        inference_ms=row.inference_ms,
        latency_ms=row.latency_ms,
        picture=picture,
        picture_gone=row.picture_gone and Gone(row.picture_gone),
        map_gone=row.map_gone and Gone(row.map_gone),
        recorded_at=row.recorded_at,
    )
