"""What became of single frames, asked for by their identities."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, and_, or_, select

from inspection.domain.frame import FrameIdentity
from inspection.domain.ledger import Outcome
from inspection.store import inspections
from inspection.store.cameras import camera_id
from inspection.store.inspections import HistoryRow
from inspection.store.tables import ledger

#: Row id of its camera, and its identity.
FrameKey = tuple[int, FrameIdentity]


@dataclass(frozen=True, kw_only=True)
class FrameOutcome:
    """The row of one frame."""

    identity: FrameIdentity
    outcome: Outcome
    #: Why it is uninspected, or the cause of its drop; None when it is inspected.
    reason: str | None
    #: The same for people; may be None.
    detail: str | None
    product: str | None
    part_serial: str | None
    lot: str | None
    trigger_id: str | None
    #: None when it is not inspected.
    inspection: HistoryRow | None


def settled(connection: Connection, asked: Sequence[FrameKey]) -> set[FrameKey]:
    """Return those frames that have a row; one statement however many are asked for."""
    row = ledger.c
    each = [
        and_(
            row.camera_id == camera,
            row.captured_at == identity.captured_at,
            row.sequence_number == identity.sequence_number,
        )
        for camera, identity in asked
    ]
    statement = select(row.camera_id, row.captured_at, row.sequence_number).where(or_(*each))
    there = {tuple(found) for found in connection.execute(statement)}
    return {
        (camera, identity)
        for camera, identity in asked
        if (camera, identity.captured_at, identity.sequence_number) in there
    }


def outcome(connection: Connection, camera: str, sequence_number: int) -> FrameOutcome | None:
    """Return what became of a frame, None while it has no row.

    Of two exposures with one number the first is meant.

    Raises:
        NotFoundError: there is no such camera.
    """
    statement = (
        select(ledger)
        .where(
            ledger.c.camera_id == camera_id(connection, camera),
            ledger.c.sequence_number == sequence_number,
        )
        .order_by(ledger.c.id)
        .limit(1)
    )
    row = connection.execute(statement).first()
    return None if row is None else _outcome(connection, camera, row)


def _outcome(connection: Connection, camera: str, row: Row[*tuple[Any, ...]]) -> FrameOutcome:
    found = Outcome(row.outcome)
    return FrameOutcome(
        identity=FrameIdentity(
            camera=camera, sequence_number=row.sequence_number, captured_at=row.captured_at
        ),
        outcome=found,
        reason=row.reason,
        detail=row.detail,
        product=row.product,
        part_serial=row.part_serial,
        lot=row.lot,
        trigger_id=row.trigger_id,
        inspection=inspections.get(connection, row.id) if found is Outcome.INSPECTED else None,
    )
