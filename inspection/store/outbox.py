"""Frames the alert worker has not looked at yet, and what the database knows about them."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, Select, delete, exists, select, tuple_

from inspection.domain.alert import AlertKind
from inspection.domain.inspection import Verdict
from inspection.domain.ledger import Outcome
from inspection.domain.notification import AlertFrame
from inspection.errors import NotFoundError
from inspection.store.alert_tables import alert_frames, alert_outbox
from inspection.store.tables import (
    cameras,
    inspections,
    is_of_ledger,
    ledger,
    lines,
    stations,
)


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """A frame in the outbox."""

    ledger_id: int
    line_id: int


@dataclass(frozen=True, kw_only=True)
class Taken:
    """A frame taken from the outbox, and what it may give reason for."""

    ledger_id: int
    kind: AlertKind
    line_id: int
    line: str
    frame: AlertFrame
    #: Why it could not be judged; None for an inspected frame.
    reason: str | None
    #: The same as a sentence; of drift, what has become of which threshold.
    detail: str | None


@dataclass(frozen=True, kw_only=True)
class Neighbourhood:
    """The inspections of a line around one of them, newest first by the time of exposure."""

    ledger_ids: Sequence[int]
    #: Whether each is NG.
    is_ng: Sequence[bool]
    #: Place of the one asked for.
    position: int


def waiting(connection: Connection, *, limit: int, without: Collection[int] = ()) -> list[Waiting]:
    """Return the oldest frames in the outbox, at most `limit`.

    Args:
        connection: an open transaction.
        limit: how many.
        without: ledger ids to pass over.
    """
    columns = (alert_outbox.c.ledger_id, alert_outbox.c.line_id)
    chosen = select(*columns).order_by(alert_outbox.c.ledger_id).limit(limit)
    if without:
        chosen = chosen.where(alert_outbox.c.ledger_id.not_in(list(without)))
    return [
        Waiting(ledger_id=row.ledger_id, line_id=row.line_id) for row in connection.execute(chosen)
    ]


def is_empty(connection: Connection) -> bool:
    """Say whether no frame waits for the alert worker."""
    return not connection.scalar(select(exists(select(alert_outbox.c.ledger_id))))


def take(connection: Connection, ledger_ids: Collection[int]) -> list[Taken]:
    """Remove frames from the outbox; those that another worker has taken are left out."""
    removed = connection.execute(
        delete(alert_outbox)
        .where(alert_outbox.c.ledger_id.in_(list(ledger_ids)))
        .returning(alert_outbox.c.ledger_id, alert_outbox.c.kind)
    ).all()
    return taken_of(connection, {row.ledger_id: AlertKind(row.kind) for row in removed})


def taken_of(connection: Connection, kinds: Mapping[int, AlertKind]) -> list[Taken]:
    """Return frames by their ledger ids, in that order, whatever the outbox holds."""
    if not kinds:
        return []
    rows = connection.execute(
        _shown()
        .add_columns(ledger.c.reason, ledger.c.detail, ledger.c.line_id, lines.c.name)
        .join(lines, lines.c.id == ledger.c.line_id)
        .where(ledger.c.id.in_(list(kinds)))
        .order_by(ledger.c.id)
    )
    return [_taken(row, kinds[row.id]) for row in rows]


def around(connection: Connection, taken: Taken, *, n: int) -> Neighbourhood:
    """Return the frame with up to n - 1 inspections of its line on either side of it.

    Frames of several cameras are not recorded in the order of their exposures, so there may be
    younger ones already.
    """
    if n == 1:
        is_ng = taken.frame.verdict is Verdict.NG
        return Neighbourhood(ledger_ids=[taken.ledger_id], is_ng=[is_ng], position=0)
    place = tuple_(inspections.c.captured_at, inspections.c.ledger_id)
    # Ids decide between cameras that expose at the same moment.
    own = (taken.frame.captured_at, taken.ledger_id)
    columns = _verdicts(taken.line_id)
    order = (inspections.c.captured_at, inspections.c.ledger_id)
    younger = connection.execute(columns.where(place > own).order_by(*order).limit(n - 1)).all()
    older = connection.execute(
        columns.where(place < own).order_by(*(column.desc() for column in order)).limit(n - 1)
    ).all()
    newest_first = [
        *((row.ledger_id, row.verdict) for row in reversed(younger)),
        (taken.ledger_id, taken.frame.verdict),
        *((row.ledger_id, row.verdict) for row in older),
    ]
    return _neighbourhood(newest_first, position=len(younger))


def newest(connection: Connection, line_id: int, *, n: int) -> Neighbourhood:
    """Return the newest inspections of a line by the time of exposure, at most n of them."""
    order = (inspections.c.captured_at.desc(), inspections.c.ledger_id.desc())
    rows = connection.execute(_verdicts(line_id).order_by(*order).limit(n))
    return _neighbourhood([(row.ledger_id, row.verdict) for row in rows], position=0)


def newest_unjudged(connection: Connection, line_id: int) -> list[Taken]:
    """Return the newest frames of the line's cameras where these could not be judged."""
    last = (
        select(ledger.c.id)
        .where(ledger.c.camera_id == cameras.c.id, ledger.c.outcome != Outcome.DROPPED)
        .order_by(ledger.c.sequence_number.desc())
        .limit(1)
        .scalar_subquery()
    )
    ids = connection.scalars(
        select(last)
        .join_from(cameras, stations, stations.c.id == cameras.c.station_id)
        .where(stations.c.line_id == line_id)
    ).all()
    kinds = {ledger_id: AlertKind.UNINSPECTED for ledger_id in ids if ledger_id is not None}
    return [each for each in taken_of(connection, kinds) if each.reason is not None]


def evidence(connection: Connection, ledger_id: int) -> AlertFrame:
    """Return what an alert shows of a frame.

    Raises:
        NotFoundError: the ledger has no such row.
    """
    row = connection.execute(_shown().where(ledger.c.id == ledger_id)).one_or_none()
    if row is None:
        raise NotFoundError(f"the ledger has no row {ledger_id}")
    return _frame(row)


def evidence_of(connection: Connection, alert_id: int, frame_id: str | None) -> AlertFrame | None:
    """Return the frame of an alert that is called `frame_id`; None when there is none any more."""
    if frame_id is None:
        return None
    camera, _, sequence_number = frame_id.rpartition("/")
    members = select(alert_frames.c.ledger_id).where(alert_frames.c.alert_id == alert_id)
    row = connection.execute(
        _shown().where(
            cameras.c.name == camera,
            ledger.c.sequence_number == int(sequence_number),
            ledger.c.id.in_(members),
        )
    ).first()
    return None if row is None else _frame(row)


def _shown() -> Select[*tuple[Any, ...]]:
    return (
        select(
            ledger.c.id,
            cameras.c.name.label("camera"),
            ledger.c.sequence_number,
            ledger.c.captured_at,
            ledger.c.part_serial,
            ledger.c.product,
            inspections.c.score,
            inspections.c.threshold_value,
            inspections.c.verdict,
        )
        .join_from(ledger, cameras, cameras.c.id == ledger.c.camera_id)
        .outerjoin(inspections, is_of_ledger(inspections))
    )


def _verdicts(line_id: int) -> Select[*tuple[Any, ...]]:
    return select(inspections.c.ledger_id, inspections.c.verdict).where(
        inspections.c.line_id == line_id
    )


def _neighbourhood(newest_first: Sequence[tuple[int, Any]], *, position: int) -> Neighbourhood:
    return Neighbourhood(
        ledger_ids=[ledger_id for ledger_id, _ in newest_first],
        is_ng=[verdict == Verdict.NG for _, verdict in newest_first],
        position=position,
    )


def _taken(row: Row[*tuple[Any, ...]], kind: AlertKind) -> Taken:
    return Taken(
        ledger_id=row.id,
        kind=kind,
        line_id=row.line_id,
        line=row.name,
        frame=_frame(row),
        reason=row.reason,
        detail=row.detail,
    )


def _frame(row: Row[*tuple[Any, ...]]) -> AlertFrame:
    return AlertFrame(
        camera=row.camera,
        sequence_number=row.sequence_number,
        captured_at=row.captured_at,
        part_serial=row.part_serial,
        product=row.product,
        score=row.score,
        threshold=row.threshold_value,
        verdict=None if row.verdict is None else Verdict(row.verdict),
    )
