"""What goes: evidence in the order of its classes, and rows in the order of their recording.

Every function here is one small transaction's work. Age is counted from when a row was recorded:
an exposure may be dated by a clock that was wrong, or years ago when it is replayed.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, case, delete, literal, select, update

from inspection.domain.evidence import Amount, Gone, KeepClass
from inspection.domain.ledger import Outcome, Picture
from inspection.store import accounts, evidence, removals, tables
from inspection.store.evidence import Key

_Row = Row[*tuple[Any, ...]]


@dataclass(frozen=True, kw_only=True)
class Removed:
    """What one transaction has removed."""

    row_count: int = 0
    #: Why the evidence went; rows go for their age.
    why: Gone = Gone.AGE
    amount: Amount = field(default_factory=Amount)
    #: Whether as much was removed as was asked for, so that there may be more.
    is_more: bool = False


@dataclass(frozen=True, kw_only=True)
class Ask:
    """How much to remove in one transaction."""

    #: Rows looked at, at most.
    limit: int
    #: The time now.
    at: datetime
    #: Only what was recorded before; None: whenever it was.
    before: datetime | None = None
    #: Stop once so many bytes are taken; None: take them all.
    enough_bytes: int | None = None


def take_evidence(connection: Connection, keep_class: KeepClass, why: Gone, ask: Ask) -> Removed:
    """Remove the pictures and maps of a class that were recorded first; their rows stay.

    1. Choose rows by the index of classes; another keeper's are passed over.
    2. Clear them: they say why their picture and map are gone.
    3. Remove the maps, note the files, and last change the counters.

    Args:
        connection: inside a transaction of `Database.write`.
        keep_class: the class.
        why: the reason.
        ask: how much.
    """
    ledger = tables.ledger.c
    found = connection.execute(
        _chosen()
        .where(ledger.keep_class == literal(keep_class.value, literal_execute=True))
        .order_by(ledger.id)
        .limit(ask.limit)
        .with_for_update(of=tables.ledger, skip_locked=True)
    ).all()
    chosen = _enough(_of_age(found, ask), ask.enough_bytes)
    if not chosen:
        return Removed(why=why)
    has_picture = ledger.picture_sha256.is_not(None)
    is_inspected = ledger.outcome == Outcome.INSPECTED.value
    connection.execute(
        update(tables.ledger)
        .where(_is_among(chosen))
        .values(
            keep_class=None,
            picture_gone=case((has_picture, why.value), else_=ledger.picture_gone),
            map_gone=case((is_inspected, why.value), else_=ledger.map_gone),
            picture_sha256=None,
            picture_media_type=None,
            picture_size_bytes=None,
        )
    )
    connection.execute(delete(tables.maps).where(_is_among(chosen, tables.maps.c.ledger_id)))
    amount = _taken(connection, chosen, why, ask.at)
    return Removed(why=why, amount=amount, is_more=len(chosen) == ask.limit)


def old_rows(connection: Connection, ask: Ask, *, after: int) -> dict[int, list[int]]:
    """Return the rows that were recorded first and are old enough, by row id of their camera.

    Rows are numbered as they are recorded, so the first that is too young ends the search.

    Args:
        connection: an open transaction.
        ask: how much.
        after: id of a row; those up to it are passed over.
    """
    ledger = tables.ledger.c
    found = connection.execute(
        select(ledger.id, ledger.camera_id, ledger.recorded_at)
        .where(ledger.id > after)
        .order_by(ledger.id)
        .limit(ask.limit)
    ).all()
    of_camera: defaultdict[int, list[int]] = defaultdict(list)
    for row in _of_age(found, ask):
        of_camera[row.camera_id].append(row.id)
    return of_camera


def remove_rows(
    connection: Connection, camera_id: int, ledger_ids: Sequence[int], *, at: datetime
) -> Removed:
    """Remove rows of a camera with everything that belongs to them.

    1. Lock the camera, as whoever records frames of it does; leave out rows that have gone.
    2. Have the rows counted as removed, so that the camera's account still adds up.
    3. Remove them, note the files of their pictures, and last change the counters.

    Args:
        connection: inside a transaction of `Database.write`.
        camera_id: row id of the camera.
        ledger_ids: some that `old_rows` has found.
        at: the time now.
    """
    ledger, cameras = tables.ledger.c, tables.cameras.c
    lock = select(cameras.id).where(cameras.id == camera_id).with_for_update(key_share=True)
    connection.execute(lock)
    rows = connection.execute(_chosen().where(ledger.id.in_(ledger_ids))).all()
    if not rows:
        return Removed()
    accounts.note_removed(connection, camera_id, [row.id for row in rows])
    connection.execute(delete(tables.ledger).where(_is_among(rows)))
    amount = _taken(connection, rows, Gone.AGE, at)
    return Removed(row_count=len(rows), amount=amount)


def _chosen() -> Select[*tuple[Any, ...]]:
    ledger, maps = tables.ledger.c, tables.maps.c
    return select(
        ledger.id,
        ledger.camera_id,
        ledger.recorded_at,
        ledger.keep_class,
        ledger.picture_sha256,
        ledger.picture_media_type,
        ledger.picture_size_bytes,
        evidence.map_bytes().label("map_bytes"),
    ).outerjoin(tables.maps, maps.ledger_id == ledger.id)


def _of_age(rows: Sequence[_Row], ask: Ask) -> Sequence[_Row]:
    """Return the first rows, up to one that is too young.

    A row dated in the future was recorded by a clock that was wrong, and says nothing.
    """
    if ask.before is None:
        return rows
    count = 0
    for number, row in enumerate(rows, start=1):
        if row.recorded_at < ask.before:
            count = number
        elif row.recorded_at <= ask.at:
            break
    return rows[:count]


def _enough(rows: Sequence[_Row], enough_bytes: int | None) -> Sequence[_Row]:
    if enough_bytes is None:
        return rows
    size_bytes = 0
    for number, row in enumerate(rows):
        if size_bytes >= enough_bytes:
            return rows[:number]
        size_bytes += _amount(row).size_bytes
    return rows


def _taken(connection: Connection, rows: Sequence[_Row], why: Gone, at: datetime) -> Amount:
    """Note the files, count what is gone, and return how much that is."""
    taken: defaultdict[Key, Amount] = defaultdict(Amount)
    pictures = []
    for row in rows:
        if row.keep_class is not None:
            taken[row.camera_id, KeepClass(row.keep_class)] += _amount(row)
        if row.picture_sha256 is not None:
            pictures.append(
                Picture(
                    sha256=row.picture_sha256,
                    media_type=row.picture_media_type,
                    size_bytes=row.picture_size_bytes,
                )
            )
    removals.note(connection, pictures, at=at)
    evidence.take(connection, taken, why)
    return sum(taken.values(), Amount())


def _amount(row: _Row) -> Amount:
    return evidence.amount_of(row.picture_size_bytes, row.map_bytes)


def _is_among(
    rows: Sequence[_Row], column: ColumnElement[int] = tables.ledger.c.id
) -> ColumnElement[bool]:
    return column.in_([row.id for row in rows])
