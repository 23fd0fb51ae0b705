"""Frames the alert worker has not looked at yet, and what the database knows about them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, Select, delete, exists, select, tuple_

from inspection.domain.alert import AlertKind, Rule
from inspection.domain.inspection import Verdict
from inspection.domain.notification import AlertFrame
from inspection.errors import NotFoundError
from inspection.store.alert_tables import alert_frames, alert_outbox
from inspection.store.tables import cameras, inspections, ledger, lines


@dataclass(frozen=True, kw_only=True)
class Taken:
    """A frame taken from the outbox, and the line that decides what follows from it."""

    ledger_id: int
    kind: AlertKind
    line_id: int
    line: str
    rule: Rule
    #: The line opens no alerts at present.
    is_paused: bool
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


def waiting(connection: Connection, *, limit: int, without: Collection[int] = ()) -> list[int]:
    """Return the ledger ids of the oldest frames in the outbox, at most `limit`.

    Args:
        connection: an open transaction.
        limit: how many.
        without: ledger ids to pass over.
    """
    chosen = select(alert_outbox.c.ledger_id).order_by(alert_outbox.c.ledger_id).limit(limit)
    if without:
        chosen = chosen.where(alert_outbox.c.ledger_id.not_in(list(without)))
    return list(connection.scalars(chosen))


def is_empty(connection: Connection) -> bool:
    """Say whether no frame waits for the alert worker."""
    return not connection.scalar(select(exists(select(alert_outbox.c.ledger_id))))


def take(connection: Connection, ledger_id: int) -> Taken | None:
    """Remove a frame from the outbox; None when another worker has taken it."""
    removed = connection.execute(
        delete(alert_outbox)
        .where(alert_outbox.c.ledger_id == ledger_id)
        .returning(alert_outbox.c.line_id, alert_outbox.c.kind)
    ).one_or_none()
    if removed is None:
        return None
    return taken_of(connection, ledger_id, line_id=removed.line_id, kind=AlertKind(removed.kind))


def taken_of(connection: Connection, ledger_id: int, *, line_id: int, kind: AlertKind) -> Taken:
    """Return a frame and the line that decides what follows from it, whatever the outbox holds."""
    row = connection.execute(
        _shown()
        .add_columns(
            ledger.c.reason,
            ledger.c.detail,
            lines.c.name.label("line"),
            lines.c.rule_k,
            lines.c.rule_n,
            lines.c.rule_group_s,
            lines.c.is_paused,
        )
        .join(lines, lines.c.id == line_id)
        .where(ledger.c.id == ledger_id)
    ).one()
    return Taken(
        ledger_id=ledger_id,
        kind=kind,
        line_id=line_id,
        line=row.line,
        rule=Rule(k=row.rule_k, n=row.rule_n, group_s=row.rule_group_s),
        is_paused=row.is_paused,
        frame=_frame(row),
        reason=row.reason,
        detail=row.detail,
    )


def around(connection: Connection, taken: Taken) -> Neighbourhood:
    """Return the frame with up to n - 1 inspections of its line on either side of it.

    Frames of several cameras are not recorded in the order of their exposures, so there may be
    younger ones already.
    """
    place = tuple_(inspections.c.captured_at, inspections.c.ledger_id)
    # Ids decide between cameras that expose at the same moment.
    own = (taken.frame.captured_at, taken.ledger_id)
    columns = select(inspections.c.ledger_id, inspections.c.verdict).where(
        inspections.c.line_id == taken.line_id
    )
    order = (inspections.c.captured_at, inspections.c.ledger_id)
    reach = taken.rule.n - 1
    younger = connection.execute(columns.where(place > own).order_by(*order).limit(reach)).all()
    older = connection.execute(
        columns.where(place < own).order_by(*(column.desc() for column in order)).limit(reach)
    ).all()
    newest_first = [
        *((row.ledger_id, row.verdict) for row in reversed(younger)),
        (taken.ledger_id, taken.frame.verdict),
        *((row.ledger_id, row.verdict) for row in older),
    ]
    return Neighbourhood(
        ledger_ids=[ledger_id for ledger_id, _ in newest_first],
        is_ng=[verdict == Verdict.NG for _, verdict in newest_first],
        position=len(younger),
    )


def evidence(connection: Connection, ledger_id: int) -> AlertFrame:
    """Return what an alert shows of a frame.

    Raises:
        NotFoundError: the ledger has no such row.
    """
    row = connection.execute(_shown().where(ledger.c.id == ledger_id)).one_or_none()
    if row is None:
        raise NotFoundError(f"the ledger has no row {ledger_id}")
    return _frame(row)


def evidence_of(connection: Connection, alert_id: int, frame_id: str) -> AlertFrame | None:
    """Return the frame of an alert that is called `frame_id`; None when it is gone."""
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
        .outerjoin(inspections, inspections.c.ledger_id == ledger.c.id)
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
