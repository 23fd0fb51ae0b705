"""What has happened since a moment: frames recorded, thresholds set, alerts and cameras changed.

A position says how far somebody has been told. Rows may be committed in another order than their
numbers, and clocks of processes differ a little: what is near the position is given once more, and
whoever asks passes over what he has had, by `News.key`.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final, Self

from sqlalchemy import Connection, Row, Select, and_, func, or_, select

from inspection.errors import CursorError
from inspection.store.alert_tables import alerts
from inspection.store.health_tables import camera_health
from inspection.store.tables import cameras, inspections, ledger, lines, stations, thresholds

#: How far rows and times may be out of order.
_OVERLAP_ROWS: Final = 200
_OVERLAP: Final = timedelta(seconds=5)
#: When an alert was changed last in a way that people want to see at once.
_ALERT_TIMES: Final = ("opened_at", "retold_at", "escalated_at", "acknowledged_at", "resolved_at")


@dataclass(frozen=True, kw_only=True)
class Position:
    """How far somebody has been told."""

    ledger_id: int
    threshold_id: int
    #: When the database was asked.
    at: datetime

    def __str__(self) -> str:
        """Return it as it travels."""
        return f"{self.ledger_id}-{self.threshold_id}-{int(self.at.timestamp() * 1000)}"

    @classmethod
    def read(cls, text: str, epoch: datetime) -> Self:
        """Return what `str` wrote, with times counted from `epoch` (1970, aware).

        Raises:
            CursorError: it did not.
        """
        parts = text.split("-")
        are_numbers = all(part.isascii() and part.isdigit() and len(part) < 17 for part in parts)  # noqa: PLR2004 - fits 63 bits
        if len(parts) != 3 or not are_numbers:  # noqa: PLR2004 - its three fields
            raise CursorError(f"{text[:100]!r} is no id of an event")
        try:
            at = epoch + timedelta(milliseconds=int(parts[2]))
        except OverflowError as error:
            raise CursorError(f"{text[:100]!r} is no id of an event") from error
        return cls(ledger_id=int(parts[0]), threshold_id=int(parts[1]), at=at)


@dataclass(frozen=True, kw_only=True)
class News:
    """One thing that happened."""

    #: inspection, threshold, alert or health.
    kind: str
    #: The same for the same happening, however often it is read.
    key: tuple[str, int, str]
    line: str
    #: None: it is about the whole line.
    camera: str | None
    values: dict[str, Any]
    #: Whoever was told this has been told everything up to here.
    position: Position


def newest(connection: Connection, at: datetime) -> Position:
    """Return the position of whoever is told from now on."""
    ledger_id = connection.scalar(select(func.max(ledger.c.id))) or 0
    threshold_id = connection.scalar(select(func.max(thresholds.c.id))) or 0
    return Position(ledger_id=ledger_id, threshold_id=threshold_id, at=at)


def news_since(
    connection: Connection, position: Position, *, at: datetime, limit: int
) -> list[News]:
    """Return what happened since `position`, at most `limit` frames and as many of each other kind.

    Args:
        connection: of a `Database.read`.
        position: where to begin.
        at: now.
        limit: rows of each kind.
    """
    found: list[News] = []
    for rows in (_frames, _thresholds, _alerts, _health):
        for one in rows(connection, position, limit):
            position = one.position
            found.append(one)
    if found:
        found[-1] = replace(found[-1], position=replace(position, at=at))
    return found


def _frames(connection: Connection, position: Position, limit: int) -> Iterator[News]:
    near = and_(
        ledger.c.id > position.ledger_id - _OVERLAP_ROWS,
        ledger.c.recorded_at > position.at - _OVERLAP,
    )
    statement = (
        _placed(
            ledger.c.id,
            ledger.c.captured_at,
            ledger.c.recorded_at,
            ledger.c.sequence_number,
            ledger.c.product,
            ledger.c.part_serial,
            ledger.c.outcome,
            ledger.c.reason,
            inspections.c.verdict,
            inspections.c.score,
            inspections.c.threshold_value,
        )
        .select_from(ledger)
        .join(inspections, inspections.c.ledger_id == ledger.c.id, isouter=True)
        .join(cameras, cameras.c.id == ledger.c.camera_id)
        .join(lines, lines.c.id == ledger.c.line_id)
        .join(stations, stations.c.id == ledger.c.station_id)
        .where(or_(ledger.c.id > position.ledger_id, near))
        .order_by(ledger.c.id)
        .limit(limit)
    )
    for row in connection.execute(statement):
        position = replace(position, ledger_id=max(position.ledger_id, row.id))
        values = _values(row, inspection=row.id)
        yield _news("inspection", row, values, position, stamp="")


def _thresholds(connection: Connection, position: Position, limit: int) -> Iterator[News]:
    columns = [c for c in thresholds.c if c.name not in {"line_id", "station_id", "camera_id"}]
    statement = (
        _placed(*columns)
        .select_from(thresholds)
        .join(lines, lines.c.id == thresholds.c.line_id)
        .join(cameras, cameras.c.id == thresholds.c.camera_id, isouter=True)
        .join(stations, stations.c.id == thresholds.c.station_id, isouter=True)
        .where(thresholds.c.id > position.threshold_id)
        .order_by(thresholds.c.id)
        .limit(limit)
    )
    for row in connection.execute(statement):
        position = replace(position, threshold_id=row.id)
        values = _values(row, threshold=row.id)
        del values["scope"]
        yield _news("threshold", row, values, position, stamp="")


def _alerts(connection: Connection, position: Position, limit: int) -> Iterator[News]:
    since = position.at - _OVERLAP
    columns = [alerts.c[name] for name in ("id", "kind", "subject", "summary", "frame_count")]
    times = [alerts.c[name] for name in _ALERT_TIMES]
    people = [alerts.c[name] for name in ("acknowledged_by", "resolved_by", "is_dismissed")]
    statement = (
        select(*columns, *times, *people, lines.c.name.label("line"))
        .join(lines, lines.c.id == alerts.c.line_id)
        .where(or_(*(column > since for column in times)))
        .order_by(alerts.c.id)
        .limit(limit)
    )
    for row in connection.execute(statement):
        stamp = "/".join(str(row._mapping[name]) for name in _ALERT_TIMES)  # noqa: SLF001 - public
        values = _values(row, alert=row.id) | {"camera": row.subject or None}
        del values["subject"]
        yield _news("alert", row, values, position, stamp=stamp)


def _health(connection: Connection, position: Position, limit: int) -> Iterator[News]:
    statement = (
        _placed(
            cameras.c.id, camera_health.c.state, camera_health.c.detail, camera_health.c.since_at
        )
        .select_from(camera_health)
        .join(cameras, cameras.c.id == camera_health.c.camera_id)
        .join(stations, stations.c.id == cameras.c.station_id)
        .join(lines, lines.c.id == stations.c.line_id)
        .where(camera_health.c.since_at > position.at - _OVERLAP)
        .order_by(cameras.c.name)
        .limit(limit)
    )
    for row in connection.execute(statement):
        yield _news("health", row, _values(row), position, stamp=f"{row.state}/{row.since_at}")


def _placed(*columns: Any) -> Select[*tuple[Any, ...]]:
    return select(
        *columns,
        lines.c.name.label("line"),
        stations.c.name.label("station"),
        cameras.c.name.label("camera"),
    )


def _values(row: Row[*tuple[Any, ...]], **ids: int) -> dict[str, Any]:
    return ids | {key: value for key, value in row._mapping.items() if key != "id"}  # noqa: SLF001 - public


def _news(
    kind: str,
    row: Row[*tuple[Any, ...]],
    values: dict[str, Any],
    position: Position,
    *,
    stamp: str,
) -> News:
    return News(
        kind=kind,
        key=(kind, row.id, stamp),
        line=row.line,
        camera=values.get("camera"),
        values=values,
        position=position,
    )
