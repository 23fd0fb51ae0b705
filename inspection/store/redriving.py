"""Re-driving: dead letters that are to be inspected again, claimed for a while, settled once.

Inspectors agree by conditional updates: a letter is claimed when it is requested and nobody else's
lease on it lasts, and settled while it is still requested.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Row, and_, delete, exists, or_, select, update

from inspection.domain.dead_letter import DeadLetterState
from inspection.domain.evidence import KeepClass
from inspection.domain.frame import FrameIdentity
from inspection.domain.ledger import Inspected, Outcome, Uninspected, dated
from inspection.store import accounts, departures, evidence, ledger, tables
from inspection.store.alert_tables import alert_outbox
from inspection.store.evidence import Held
from inspection.store.kinds import kind_of
from inspection.store.ledger_tables import dead_letters
from inspection.store.tables import cameras

#: How long a claimed letter is left to an inspector that does not renew its lease, in seconds.
LEASE_S: Final = 30.0
#: Columns of the ledger that an inspection does not change.
_LASTING: Final = {
    "camera_id",
    "captured_at",
    "sequence_number",
    "line_id",
    "station_id",
    "recorded_at",
}


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A dead letter in an inspector's hands."""

    letter_id: int
    identity: FrameIdentity
    #: How often somebody took it since it was requested, this time included.
    claim_count: int


def is_wanted(connection: Connection) -> bool:
    """Say whether any letter is requested."""
    wanted = exists().where(dead_letters.c.state == DeadLetterState.REQUESTED.value)
    return bool(connection.scalar(select(wanted)))


def claim(
    connection: Connection, *, by: str, at: datetime, limit: int, without: Collection[int] = ()
) -> list[Claim]:
    """Take letters that are requested and that nobody else has, the oldest first.

    Args:
        connection: of a `Database.write`.
        by: name of the inspector, the same after a restart: what it had it may take again.
        at: now.
        limit: letters at most.
        without: row ids of what the inspector holds already.
    """
    letter = dead_letters.c
    free = and_(
        letter.state == DeadLetterState.REQUESTED.value,
        letter.is_kept,
        letter.ledger_id.is_not(None),
        or_(letter.leased_until.is_(None), letter.leased_until < at, letter.claimed_by == by),
        letter.id.not_in(list(without)),
    )
    ids = list(connection.scalars(select(letter.id).where(free).order_by(letter.id).limit(limit)))
    if not ids:
        return []
    taken = connection.scalars(
        update(dead_letters)
        .where(letter.id.in_(ids), free)
        .values(
            claimed_by=by,
            leased_until=at + timedelta(seconds=LEASE_S),
            claim_count=letter.claim_count + 1,
        )
        .returning(letter.id)
    )
    chosen = _selected().where(letter.id.in_(list(taken))).order_by(letter.id)
    return [
        Claim(letter_id=row.id, identity=_identity(row), claim_count=row.claim_count)
        for row in connection.execute(chosen)
    ]


def renew(connection: Connection, letter_ids: Collection[int], *, by: str, at: datetime) -> None:
    """Keep letters that one has, for another while."""
    connection.execute(
        update(dead_letters)
        .where(
            dead_letters.c.id.in_(list(letter_ids)),
            dead_letters.c.claimed_by == by,
            dead_letters.c.state == DeadLetterState.REQUESTED.value,
        )
        .values(leased_until=at + timedelta(seconds=LEASE_S))
    )


def postpone(connection: Connection, letter_id: int, *, by: str, until: datetime) -> None:
    """Leave a letter alone for a while, also oneself; it does not count as taken."""
    letter = dead_letters.c
    connection.execute(
        update(dead_letters)
        .where(letter.id == letter_id, letter.claimed_by == by)
        .values(claimed_by=None, leased_until=until, claim_count=letter.claim_count - 1)
    )


def give_up(connection: Connection, letter_id: int, *, by: str) -> None:
    """Let a letter wait whose bytes are gone: nobody can inspect it any more."""
    letter = dead_letters.c
    connection.execute(
        update(dead_letters)
        .where(
            letter.id == letter_id,
            letter.claimed_by == by,
            letter.state == DeadLetterState.REQUESTED.value,
        )
        .values(state=DeadLetterState.WAITING.value, is_kept=False, claimed_by=None)
    )


def settle(
    connection: Connection, entries: Mapping[int, Inspected | Uninspected], *, at: datetime
) -> set[int]:
    """Write what became of letters that were tried again; a repeated call changes nothing.

    1. Lock the cameras, as for every change of the ledger, and then the rows.
    2. Settle each letter if it is still requested: judged it is re-driven, refused it waits again.
    3. The ledger's row moves: from uninspected to inspected, with inspection, map and alert, or to
       the new reason. The audit says what the row is like now, and the counters follow last.

    Args:
        connection: inside a transaction of `Database.write`.
        entries: what was found, by row id of the letter.
        at: now.

    Returns:
        The row ids of the letters that were settled by this call.
    """
    letter = dead_letters.c
    ids = sorted(entries)
    places = select(letter.camera_id).where(letter.id.in_(ids))
    connection.execute(
        select(cameras.c.id)
        .where(cameras.c.id.in_(places))
        .order_by(cameras.c.id)
        .with_for_update(key_share=True)
    )
    rows = connection.execute(
        select(tables.ledger, letter.id.label("letter_id"))
        .join(
            dead_letters,
            and_(
                letter.ledger_id == tables.ledger.c.id,
                letter.captured_at == tables.ledger.c.captured_at,
            ),
        )
        .where(letter.id.in_(ids), tables.ledger.c.outcome == Outcome.UNINSPECTED.value)
        # A keeper that takes their evidence has them too, before the counters.
        .order_by(tables.ledger.c.id)
        .with_for_update(of=tables.ledger)
    ).all()
    moved = [
        row
        for row in rows
        if _settle_letter(connection, row.letter_id, entries[row.letter_id], at=at)
    ]
    found = [_move(connection, row, entries[row.letter_id], at=at) for row in moved]
    if moved:
        departures.write_moved(connection, [row.id for row in moved], at=at)
    evidence.change(connection, {row.id: one for row, one in zip(moved, found, strict=True) if one})
    return {row.letter_id for row in moved}


def leftovers(connection: Connection, *, limit: int) -> dict[int, FrameIdentity]:
    """Return letters whose bytes nobody needs any more, by row id.

    They are settled, or retention has removed their rows from the ledger.
    """
    letter = dead_letters.c
    settled = letter.state.in_([DeadLetterState.REDRIVEN.value, DeadLetterState.DISCARDED.value])
    found: dict[int, FrameIdentity] = {}
    conditions: tuple[ColumnElement[bool], ...] = (
        and_(settled, letter.is_kept),
        letter.ledger_id.is_(None),
    )
    for condition in conditions:
        rows = connection.execute(_selected().where(condition).order_by(letter.id).limit(limit))
        found |= {row.id: _identity(row) for row in rows}
    return found


def sweep(connection: Connection, letter_ids: Sequence[int]) -> None:
    """Write down that bytes were removed; a letter without a row in the ledger goes with them."""
    letter = dead_letters.c
    swept = letter.id.in_(list(letter_ids))
    connection.execute(delete(dead_letters).where(swept, letter.ledger_id.is_(None)))
    connection.execute(update(dead_letters).where(swept).values(is_kept=False))


def _settle_letter(
    connection: Connection, letter_id: int, entry: Inspected | Uninspected, *, at: datetime
) -> bool:
    letter = dead_letters.c
    values: dict[str, Any] = {"attempt_count": letter.attempt_count + 1, "claimed_by": None}
    if isinstance(entry, Inspected):
        values |= {
            "state": DeadLetterState.REDRIVEN.value,
            "settled_at": at,
            "settled_by": letter.requested_by,
        }
    else:
        values |= {
            "state": DeadLetterState.WAITING.value,
            "reason": entry.reason.value,
            "detail": entry.detail,
        }
    changed = connection.execute(
        update(dead_letters)
        .where(letter.id == letter_id, letter.state == DeadLetterState.REQUESTED.value)
        .values(values)
    )
    return changed.rowcount == 1


def _move(
    connection: Connection,
    row: Row[*tuple[Any, ...]],
    entry: Inspected | Uninspected,
    *,
    at: datetime,
) -> tuple[Held, KeepClass] | None:
    """Change a row; return what was kept of it, and its class now, if that has changed."""
    entry = dated(entry, row.captured_at)
    place = (row.camera_id, row.station_id, row.line_id)
    values = ledger.ledger_values(entry, place, at)
    if isinstance(entry, Uninspected):
        values = {"reason": values["reason"], "detail": values["detail"]}
    elif entry.picture is None:
        # One that was kept of the uninspected frame is not forgotten: its file would stay for ever.
        values = {name: value for name, value in values.items() if not name.startswith("picture_")}
    before = evidence.held(connection, row.id, row.captured_at)
    connection.execute(
        update(tables.ledger)
        .where(tables.ledger.c.id == row.id, tables.ledger.c.captured_at == row.captured_at)
        .values({name: value for name, value in values.items() if name not in _LASTING})
    )
    accounts.note_moved(
        connection,
        row.camera_id,
        (Outcome.UNINSPECTED, row.reason, row.is_repeated),
        kind_of(entry, is_repeated=row.is_repeated),
    )
    if isinstance(entry, Inspected):
        places = {entry.identity.camera: place}
        ledger.insert_inspected(connection, {row.id: entry}, places, at=at)
        # What nobody was told yet, that it is uninspected, is no longer so.
        connection.execute(delete(alert_outbox).where(alert_outbox.c.ledger_id == row.id))
        ledger.insert_outbox(connection, {row.id: entry}, places)
        return before, evidence.class_of_verdict(entry.inspection.verdict)
    return None


def _selected() -> Any:
    letter = dead_letters.c
    return select(dead_letters, cameras.c.name.label("camera")).join(
        cameras, cameras.c.id == letter.camera_id
    )


def _identity(row: Row[*tuple[Any, ...]]) -> FrameIdentity:
    return FrameIdentity(
        camera=row.camera, sequence_number=row.sequence_number, captured_at=row.captured_at
    )
