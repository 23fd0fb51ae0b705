"""What goes: evidence in the order of its classes, and rows in the order of their recording.

Every function here is one small transaction's work. Age is counted from when a row was recorded:
an exposure may be dated by a clock that was wrong, or years ago when it is replayed.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    and_,
    case,
    delete,
    func,
    literal,
    select,
    update,
)

from inspection.domain.evidence import Amount, Gone, KeepClass
from inspection.domain.ledger import Outcome
from inspection.store import accounts, departures, evidence, histograms, removals, tables
from inspection.store.alert_tables import alert_frames, alert_outbox
from inspection.store.ledger_tables import dead_letters

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

    #: Rows looked at, at most; whole weeks are not limited.
    limit: int = 0
    #: The time now.
    at: datetime
    #: Only what was recorded before; None: whenever it was.
    before: datetime | None = None
    #: Stop once so many bytes are taken; None: take them all.
    enough_bytes: int | None = None


def take_evidence(connection: Connection, keep_class: KeepClass, why: Gone, ask: Ask) -> Removed:
    """Remove the pictures and maps of a class that were recorded first; their rows stay.

    1. Choose rows by the index of classes; another keeper's are passed over.
    2. Note the files of their pictures.
    3. Clear the rows: they say why picture and map are gone. Remove the maps.
    4. Last change the counters.

    Args:
        connection: inside a transaction of `Database.write`.
        keep_class: the class.
        why: the reason.
        ask: how much.
    """
    ledger = tables.ledger.c
    found = connection.execute(
        _sizes()
        .where(ledger.keep_class == literal(keep_class.value, literal_execute=True))
        .order_by(ledger.id)
        .limit(ask.limit)
        .with_for_update(of=tables.ledger, skip_locked=True)
    ).all()
    chosen = _enough(_of_age(found, ask), ask.enough_bytes)
    if not chosen:
        return Removed(why=why)
    times = [row.captured_at for row in chosen]
    is_chosen = and_(
        ledger.id.in_([row.id for row in chosen]),
        # It says in which partitions they are.
        ledger.captured_at.between(min(times), max(times)),
    )
    taken = evidence.amounts(connection, is_chosen)
    removals.note_of(connection, is_chosen, at=ask.at)
    has_picture = ledger.picture_sha256.is_not(None)
    is_inspected = ledger.outcome == Outcome.INSPECTED.value
    connection.execute(
        update(tables.ledger)
        .where(is_chosen)
        .values(
            keep_class=None,
            picture_gone=case((has_picture, why.value), else_=ledger.picture_gone),
            map_gone=case((is_inspected, why.value), else_=ledger.map_gone),
            picture_sha256=None,
            picture_media_type=None,
            picture_size_bytes=None,
        )
    )
    maps = tables.maps.c
    is_map = and_(
        maps.ledger_id.in_([row.id for row in chosen]),
        maps.captured_at.between(min(times), max(times)),
    )
    connection.execute(delete(tables.maps).where(is_map))
    evidence.take(connection, taken, why)
    return Removed(why=why, amount=sum(taken.values(), Amount()), is_more=len(chosen) == ask.limit)


def remove_rows(connection: Connection, ask: Ask) -> Removed:
    """Remove the rows that were recorded first and are old enough, with all that belongs to them.

    Rows are numbered as they are recorded, so they are one range of numbers, of whatever cameras:
    a database removes those with far less work than the same rows camera by camera.

    1. Choose the rows, up to the first that is too young.
    2. Lock their cameras, as whoever records frames of them does.
    3. Have it sealed that they go, and counted, so that the cameras' accounts still add up.
    4. Note the files of their pictures, remove the rows, and last change the counters.

    PostgreSQL removes whole weeks instead: `inspection.store.expiry`.

    Args:
        connection: inside a transaction of `Database.write`.
        ask: how much; rows go for their age alone.
    """
    ledger = tables.ledger.c
    found = connection.execute(
        select(ledger.id, ledger.camera_id, ledger.recorded_at).order_by(ledger.id).limit(ask.limit)
    ).all()
    chosen = _of_age(found, ask)
    if not chosen:
        return Removed()
    accounts.lock_cameras(connection, {row.camera_id for row in chosen})
    # Another keeper may have removed some while this one waited for the cameras.
    is_chosen = ledger.id.between(chosen[0].id, chosen[-1].id)
    departures.announce(connection, is_chosen, at=ask.at)
    row_count = accounts.note_removed(connection, is_chosen)
    taken = evidence.amounts(connection, is_chosen)
    removals.note_of(connection, is_chosen, at=ask.at)
    delete_rows(connection, is_chosen)
    evidence.take(connection, taken, Gone.AGE)
    return Removed(
        row_count=row_count,
        amount=sum(taken.values(), Amount()),
        is_more=len(chosen) == ask.limit,
    )


def delete_rows(connection: Connection, is_chosen: ColumnElement[bool]) -> None:
    """Delete rows of the ledger with all that belongs to them; they are counted as removed."""
    ids = select(tables.ledger.c.id).where(is_chosen)
    histograms.remove(connection, tables.inspections.c.ledger_id.in_(ids))
    letter = dead_letters.c.ledger_id
    connection.execute(update(dead_letters).where(letter.in_(ids)).values(ledger_id=None))
    for table in (tables.inspections, tables.maps, alert_frames, alert_outbox):
        connection.execute(delete(table).where(table.c.ledger_id.in_(ids)))
    connection.execute(delete(tables.ledger).where(is_chosen))


def _sizes() -> Select[*tuple[Any, ...]]:
    ledger = tables.ledger.c
    size_bytes = func.coalesce(ledger.picture_size_bytes, 0) + func.coalesce(
        evidence.map_bytes(), 0
    )
    columns = (ledger.id, ledger.captured_at, ledger.recorded_at)
    return select(*columns, size_bytes.label("size_bytes")).outerjoin(
        tables.maps, tables.is_of_ledger(tables.maps)
    )


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
        size_bytes += row.size_bytes
    return rows
