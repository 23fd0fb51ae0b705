"""Dead letters: the frames that could not be judged, each with its row from the same transaction.

Their bytes are in the cameras' dead-letter streams (`inspection.stream.dead_letters`).
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Row, func, insert, select, tuple_, update

from inspection.domain.dead_letter import DeadLetter, DeadLetterState
from inspection.domain.frame import FrameIdentity
from inspection.domain.ledger import Reason, Uninspected
from inspection.store.audit import Change, add_change
from inspection.store.cameras import camera_id, unknown_camera
from inspection.store.ledger_tables import dead_letters
from inspection.store.lines import line_id
from inspection.store.tables import cameras, lines, stations

#: Rows changed in one statement; SQLite takes 32,766 values, PostgreSQL 65,535.
ROWS_PER_STATEMENT: Final = 5_000


@dataclass(frozen=True, kw_only=True)
class DeadLetterQuery:
    """Which dead letters to show; None takes all."""

    camera: str | None = None
    line: str | None = None
    reason: Reason | None = None
    state: DeadLetterState | None = None
    #: Camera and sequence number; a number that was given twice may have several letters.
    frames: Sequence[tuple[str, int]] | None = None
    #: Row ids.
    ids: Collection[int] | None = None
    #: Row id of the last letter already shown; those after it follow.
    before: int | None = None
    #: Letters returned at most; None: all.
    limit: int | None = None


def add(
    connection: Connection,
    letters: Mapping[int, Uninspected],
    camera_ids: Mapping[str, int],
    *,
    at: datetime,
) -> None:
    """Add a dead letter for each uninspected row of the ledger.

    Args:
        connection: the transaction that adds the rows.
        letters: what could not be judged, by ledger id.
        camera_ids: ids of their cameras, by name.
        at: the time of recording.
    """
    if not letters:
        return
    rows = [
        {
            "ledger_id": ledger_id,
            "camera_id": camera_ids[entry.identity.camera],
            "sequence_number": entry.identity.sequence_number,
            "captured_at": entry.identity.captured_at,
            "reason": entry.reason.value,
            "detail": entry.detail,
            "size_bytes": entry.size_bytes or 0,
            "is_kept": entry.size_bytes is not None,
            "dead_lettered_at": at,
            "state": DeadLetterState.WAITING.value,
        }
        for ledger_id, entry in letters.items()
    ]
    connection.execute(insert(dead_letters), rows)


def list_letters(connection: Connection, query: DeadLetterQuery) -> list[DeadLetter]:
    """Return the dead letters that `query` asks for, the newest first.

    Raises:
        NotFoundError: there is no such camera or line.
    """
    letter = dead_letters.c
    statement = (
        select(dead_letters, cameras.c.name.label("camera"), lines.c.name.label("line"))
        .join(cameras, cameras.c.id == letter.camera_id)
        .join(stations, stations.c.id == cameras.c.station_id)
        .join(lines, lines.c.id == stations.c.line_id)
        .where(*_conditions(connection, query))
        .order_by(letter.id.desc())
        .limit(query.limit)
    )
    return [_letter(row) for row in connection.execute(statement)]


def counts(connection: Connection) -> dict[tuple[str, DeadLetterState], int]:
    """Count dead letters by camera and state."""
    columns = (cameras.c.name, dead_letters.c.state)
    statement = (
        select(*columns, func.count().label("letter_count"))
        .join(cameras, cameras.c.id == dead_letters.c.camera_id)
        .group_by(*columns)
    )
    return {
        (row.name, DeadLetterState(row.state)): row.letter_count
        for row in connection.execute(statement)
    }


def request(
    connection: Connection, letter_ids: Sequence[int], *, at: datetime, by: str
) -> list[int]:
    """Ask for letters to be inspected again, as far as they wait and their bytes are there.

    Returns:
        The ids of those that will be.
    """
    asked = {
        "state": DeadLetterState.REQUESTED.value,
        "requested_at": at,
        "requested_by": by,
        "claim_count": 0,
        "claimed_by": None,
        "leased_until": None,
    }
    can_be = dead_letters.c.is_kept & dead_letters.c.ledger_id.is_not(None)
    changed = _change(connection, letter_ids, {DeadLetterState.WAITING}, asked, can_be)
    _write_down(connection, changed, "requested", at=at, by=by, note=None)
    return changed


def discard(
    connection: Connection, letter_ids: Sequence[int], *, at: datetime, by: str, note: str
) -> list[int]:
    """Say that letters need not be inspected; their bytes go, their rows stay.

    Returns:
        The ids of those that were not settled before.
    """
    settled = {
        "state": DeadLetterState.DISCARDED.value,
        "settled_at": at,
        "settled_by": by,
        "note": note,
    }
    states = {DeadLetterState.WAITING, DeadLetterState.REQUESTED}
    changed = _change(connection, letter_ids, states, settled)
    _write_down(connection, changed, "discarded", at=at, by=by, note=note)
    return changed


def note_gone(connection: Connection, identities: Collection[FrameIdentity]) -> None:
    """Write down that the bytes of frames are not kept any more."""
    places = camera_ids(connection, {identity.camera for identity in identities})
    letter = dead_letters.c
    for identity in identities:
        connection.execute(
            update(dead_letters)
            .where(
                letter.camera_id == places[identity.camera],
                letter.sequence_number == identity.sequence_number,
                letter.captured_at == identity.captured_at,
            )
            .values(is_kept=False)
        )


def camera_ids(connection: Connection, names: Collection[str]) -> dict[str, int]:
    """Return the ids of cameras by name.

    Raises:
        NotFoundError: one is not there.
    """
    statement = select(cameras.c.name, cameras.c.id).where(cameras.c.name.in_(sorted(names)))
    found = {row.name: row.id for row in connection.execute(statement)}
    for name in sorted(set(names) - found.keys()):
        raise unknown_camera(connection, name)
    return found


def _change(
    connection: Connection,
    letter_ids: Sequence[int],
    states: Collection[DeadLetterState],
    values: Mapping[str, Any],
    *conditions: ColumnElement[bool],
) -> list[int]:
    letter = dead_letters.c
    changed: list[int] = []
    for start in range(0, len(letter_ids), ROWS_PER_STATEMENT):
        statement = (
            update(dead_letters)
            .where(
                letter.id.in_(letter_ids[start : start + ROWS_PER_STATEMENT]),
                letter.state.in_(sorted(states)),
                *conditions,
            )
            .values(values)
            .returning(letter.id)
        )
        changed += connection.scalars(statement)
    return sorted(changed)


def _write_down(
    connection: Connection,
    letter_ids: Sequence[int],
    action: str,
    *,
    at: datetime,
    by: str,
    note: str | None,
) -> None:
    if not letter_ids:
        return
    first = list_letters(connection, DeadLetterQuery(ids=letter_ids[:1]))[0]
    more = len(letter_ids) - 1
    add_change(
        connection,
        Change(
            at=at,
            who=by,
            action=action,
            thing="dead letter",
            name=first.identity.frame_id + (f" and {more} more" if more else ""),
            after={"count": len(letter_ids), **({"note": note} if note else {})},
        ),
    )


def _conditions(connection: Connection, query: DeadLetterQuery) -> list[ColumnElement[bool]]:
    letter = dead_letters.c
    conditions: list[ColumnElement[bool]] = []
    if query.camera is not None:
        conditions.append(letter.camera_id == camera_id(connection, query.camera))
    if query.line is not None:
        conditions.append(stations.c.line_id == line_id(connection, query.line))
    if query.reason is not None:
        conditions.append(letter.reason == query.reason.value)
    if query.state is not None:
        conditions.append(letter.state == query.state.value)
    if query.ids is not None:
        conditions.append(letter.id.in_(query.ids))
    if query.before is not None:
        conditions.append(letter.id < query.before)
    if query.frames is not None:
        places = camera_ids(connection, {camera for camera, _ in query.frames})
        keys = [(places[camera], number) for camera, number in query.frames]
        conditions.append(tuple_(letter.camera_id, letter.sequence_number).in_(keys))
    return conditions


def _letter(row: Row[*tuple[Any, ...]]) -> DeadLetter:
    return DeadLetter(
        letter_id=row.id,
        ledger_id=row.ledger_id,
        identity=FrameIdentity(
            camera=row.camera, sequence_number=row.sequence_number, captured_at=row.captured_at
        ),
        line=row.line,
        state=DeadLetterState(row.state),
        reason=Reason(row.reason),
        detail=row.detail,
        size_bytes=row.size_bytes,
        is_kept=row.is_kept,
        dead_lettered_at=row.dead_lettered_at,
        attempt_count=row.attempt_count,
        requested_at=row.requested_at,
        requested_by=row.requested_by,
        settled_at=row.settled_at,
        settled_by=row.settled_by,
        note=row.note,
    )
