"""Genealogy: everything that is known of one part, by its serial number."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Row, select

from inspection.domain.alert import Alert
from inspection.domain.evidence import Gone
from inspection.domain.frame import FrameIdentity
from inspection.domain.ledger import Outcome, Picture
from inspection.domain.part import PartVerdict, part_verdict
from inspection.errors import NotFoundError
from inspection.store import tables
from inspection.store.alert_tables import alert_frames, alerts
from inspection.store.alerts import alert_of, alert_rows
from inspection.store.history_cursor import Place
from inspection.store.inspections import HistoryRow, rows_at

#: Frames of a part that are shown: a part has a few; a number that is on thousands is no serial.
MOST_FRAMES: Final = 1_000


@dataclass(frozen=True, kw_only=True)
class PartFrame:
    """One frame of a part, whatever became of it."""

    ledger_id: int
    identity: FrameIdentity
    outcome: Outcome
    #: Why it is uninspected, or the cause of its drop; None when inspected.
    reason: str | None
    detail: str | None
    line: str
    station: str
    product: str | None
    lot: str | None
    trigger_id: str | None
    picture: Picture | None
    picture_gone: Gone | None
    recorded_at: datetime
    #: None when it was not inspected.
    inspection: HistoryRow | None
    #: Ids of the alerts it belongs to.
    alert_ids: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Part:
    """One part with all its frames, the oldest exposure first."""

    serial: str
    verdict: PartVerdict
    frames: tuple[PartFrame, ...]
    alerts: tuple[Alert, ...]
    #: Whether there are no more frames than `MOST_FRAMES`.
    is_complete: bool


def get_part(connection: Connection, serial: str) -> Part:
    """Return what is known of a part.

    Raises:
        NotFoundError: no frame has this serial number.
    """
    rows = connection.execute(_frames(serial)).all()
    if not rows:
        raise NotFoundError(f"there is no frame of a part {serial!r}")
    shown = rows[:MOST_FRAMES]
    alert_ids = _alert_ids(connection, [row.id for row in shown])
    frames = _part_frames(connection, shown, alert_ids)
    known = {number for numbers in alert_ids.values() for number in numbers}
    told = alert_rows().where(alerts.c.id.in_(known)).order_by(alerts.c.id)
    return Part(
        serial=serial,
        verdict=part_verdict(
            None if frame.inspection is None else frame.inspection.verdict for frame in frames
        ),
        frames=frames,
        alerts=tuple(alert_of(row) for row in connection.execute(told)),
        is_complete=len(rows) <= MOST_FRAMES,
    )


def _frames(serial: str) -> Any:
    ledger = tables.ledger.c
    return (
        select(
            tables.ledger,
            tables.cameras.c.name.label("camera"),
            tables.stations.c.name.label("station"),
            tables.lines.c.name.label("line"),
        )
        .join(tables.cameras, tables.cameras.c.id == ledger.camera_id)
        .join(tables.stations, tables.stations.c.id == ledger.station_id)
        .join(tables.lines, tables.lines.c.id == ledger.line_id)
        .where(ledger.part_serial == serial)
        .order_by(ledger.captured_at, ledger.id)
        .limit(MOST_FRAMES + 1)
    )


def _part_frames(
    connection: Connection, rows: Sequence[Row[Any]], alert_ids: dict[int, tuple[int, ...]]
) -> tuple[PartFrame, ...]:
    places = [
        Place(key=None, captured_at=row.captured_at, ledger_id=row.id)
        for row in rows
        if row.outcome == Outcome.INSPECTED
    ]
    inspected = {row.inspection_id: row for row in rows_at(connection, places)}
    return tuple(
        PartFrame(
            ledger_id=row.id,
            identity=FrameIdentity(
                camera=row.camera, sequence_number=row.sequence_number, captured_at=row.captured_at
            ),
            outcome=Outcome(row.outcome),
            reason=row.reason,
            detail=row.detail,
            line=row.line,
            station=row.station,
            product=row.product,
            lot=row.lot,
            trigger_id=row.trigger_id,
            picture=_picture(row),
            picture_gone=row.picture_gone and Gone(row.picture_gone),
            recorded_at=row.recorded_at,
            inspection=inspected.get(row.id),
            alert_ids=alert_ids.get(row.id, ()),
        )
        for row in rows
    )


def _picture(row: Row[Any]) -> Picture | None:
    if row.picture_sha256 is None:
        return None
    return Picture(
        sha256=row.picture_sha256,
        media_type=row.picture_media_type,
        size_bytes=row.picture_size_bytes,
    )


def _alert_ids(connection: Connection, ledger_ids: list[int]) -> dict[int, tuple[int, ...]]:
    of = alert_frames.c
    statement = select(of.ledger_id, of.alert_id).where(of.ledger_id.in_(ledger_ids))
    found: defaultdict[int, list[int]] = defaultdict(list)
    for row in connection.execute(statement.order_by(of.alert_id)):
        found[row.ledger_id].append(row.alert_id)
    return {ledger_id: tuple(numbers) for ledger_id, numbers in found.items()}
