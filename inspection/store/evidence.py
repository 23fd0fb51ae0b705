"""Counters of what is kept and what is gone, changed in the transactions that change the rows.

A transaction comes here last: on PostgreSQL others wait for a counter until its commit, and
whoever changes several takes them in the same order.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, and_, func, select, update

from inspection.domain.evidence import Amount, Gone, KeepClass
from inspection.domain.inspection import Verdict
from inspection.domain.ledger import Dropped, Entry, Inspected, Uninspected
from inspection.store import evidence_tables, tables
from inspection.store.bulk import execute_many
from inspection.store.engine import insert_adding

#: Row id of a camera, and a class of evidence or a reason why it is gone.
Key = tuple[int, KeepClass]
GoneKey = tuple[int, Gone]


@dataclass(frozen=True, kw_only=True)
class Held:
    """What is kept of one row."""

    camera_id: int
    captured_at: datetime
    #: None when nothing is kept.
    keep_class: KeepClass | None
    amount: Amount


def class_of_verdict(verdict: Verdict) -> KeepClass:
    """Return the class of an inspection that nobody has reviewed."""
    return {Verdict.OK: KeepClass.OK, Verdict.PENDING: KeepClass.PENDING}.get(verdict, KeepClass.NG)


def class_of(entry: Entry) -> KeepClass | None:
    """Return the class of what is kept of a frame; None when nothing is."""
    if isinstance(entry, Inspected):
        return class_of_verdict(entry.inspection.verdict)
    return None if isinstance(entry, Dropped) or entry.picture is None else KeepClass.NG


def add(connection: Connection, recorded: Iterable[tuple[int, Entry]]) -> None:
    """Count what was kept of frames that got a row, and what could not be.

    Args:
        connection: the transaction that has written the rows, at its end.
        recorded: row ids of cameras, and what was recorded.
    """
    changes: defaultdict[Key, Amount] = defaultdict(Amount)
    losses: defaultdict[GoneKey, Amount] = defaultdict(Amount)
    for camera_id, entry in recorded:
        if isinstance(entry, Dropped):
            continue
        keep_class = class_of(entry)
        if keep_class is not None:
            changes[camera_id, keep_class] += _amount_kept(entry)
        if entry.picture_gone is not None and entry.frame is not None:
            lost = Amount(picture_count=1, picture_bytes=len(entry.frame.payload))
            losses[camera_id, entry.picture_gone] += lost
    _count(connection, changes, losses)


def take(connection: Connection, taken: Mapping[Key, Amount], why: Gone) -> None:
    """Count what has been removed, at the end of the transaction that removes it."""
    losses: defaultdict[GoneKey, Amount] = defaultdict(Amount)
    for (camera_id, _), amount in taken.items():
        losses[camera_id, why] += amount
    _count(connection, {key: -amount for key, amount in taken.items()}, losses)


def amounts(
    connection: Connection, is_chosen: ColumnElement[bool], *of_maps: ColumnElement[bool]
) -> dict[Key, Amount]:
    """Return what is kept of rows, where their maps may be asked for by conditions of their own."""
    ledger, maps = tables.ledger.c, tables.maps.c
    statement = (
        select(
            ledger.camera_id,
            ledger.keep_class,
            func.count(ledger.picture_sha256).label("picture_count"),
            func.coalesce(func.sum(ledger.picture_size_bytes), 0).label("picture_bytes"),
            func.count(maps.ledger_id).label("map_count"),
            func.coalesce(func.sum(map_bytes()), 0).label("map_bytes"),
        )
        .outerjoin(tables.maps, and_(tables.is_of_ledger(tables.maps), *of_maps))
        .where(is_chosen, ledger.keep_class.is_not(None))
        .group_by(ledger.camera_id, ledger.keep_class)
    )
    return {
        (row.camera_id, KeepClass(row.keep_class)): Amount(
            picture_count=row.picture_count,
            picture_bytes=int(row.picture_bytes),
            map_count=row.map_count,
            map_bytes=int(row.map_bytes),
        )
        for row in connection.execute(statement)
    }


def held(connection: Connection, ledger_id: int, captured_at: datetime) -> Held:
    """Return what is kept of a row, before it is changed; its time finds its partition."""
    ledger = tables.ledger.c
    row = connection.execute(
        select(
            ledger.camera_id,
            ledger.keep_class,
            ledger.picture_size_bytes,
            map_bytes().label("map_bytes"),
        )
        .outerjoin(tables.maps, tables.is_of_ledger(tables.maps))
        .where(ledger.id == ledger_id, ledger.captured_at == captured_at)
    ).one()
    return Held(
        camera_id=row.camera_id,
        captured_at=captured_at,
        keep_class=None if row.keep_class is None else KeepClass(row.keep_class),
        amount=amount_of(row.picture_size_bytes, row.map_bytes),
    )


def change(connection: Connection, changed: Mapping[int, tuple[Held, KeepClass]]) -> None:
    """Count rows anew after their verdicts, pictures or maps have changed.

    Args:
        connection: the transaction that has changed them, at its end.
        changed: by row: what `held` said before, and the class of what is kept now.
    """
    changes: defaultdict[Key, Amount] = defaultdict(Amount)
    row = tables.ledger.c
    for ledger_id, (before, keep_class) in changed.items():
        connection.execute(
            update(tables.ledger)
            .where(row.id == ledger_id, row.captured_at == before.captured_at)
            .values(keep_class=keep_class.value)
        )
        after = held(connection, ledger_id, before.captured_at)
        if before.keep_class is not None:
            changes[before.camera_id, before.keep_class] += -before.amount
        changes[after.camera_id, keep_class] += after.amount
    _count(connection, changes, {})


def reclass(connection: Connection, is_chosen: ColumnElement[bool], keep_class: KeepClass) -> None:
    """Move what is kept of rows to a class, at the end of the transaction that has locked them."""
    is_moved = and_(is_chosen, tables.ledger.c.keep_class != keep_class.value)
    moved = amounts(connection, is_moved)
    connection.execute(update(tables.ledger).where(is_moved).values(keep_class=keep_class.value))
    changes: defaultdict[Key, Amount] = defaultdict(Amount)
    for (camera_id, before), amount in moved.items():
        changes[camera_id, before] += -amount
        changes[camera_id, keep_class] += amount
    _count(connection, changes, {})


def amount_of(picture_bytes: int | None, map_bytes: int | None) -> Amount:
    """Return a row's evidence; None: it has no picture, or no map."""
    return Amount(
        picture_count=picture_bytes is not None,
        picture_bytes=picture_bytes or 0,
        map_count=map_bytes is not None,
        map_bytes=map_bytes or 0,
    )


def map_bytes() -> ColumnElement[int]:
    """Make the expression for the bytes of a map, which does not read it."""
    maps = tables.maps.c
    return maps.taps * maps.rows * maps.columns * 2


def kept(connection: Connection) -> dict[KeepClass, Amount]:
    """Return what is kept, by class."""
    sums = _sums(connection, evidence_tables.evidence, "keep_class")
    return {keep_class: sums.get(keep_class, Amount()) for keep_class in KeepClass}


def gone(connection: Connection) -> dict[Gone, Amount]:
    """Return what is gone or was never kept, by reason."""
    sums = _sums(connection, evidence_tables.evidence_gone, "gone")
    return {why: sums.get(why, Amount()) for why in Gone}


def _amount_kept(entry: Inspected | Uninspected) -> Amount:
    picture_bytes = None if entry.picture is None else entry.picture.size_bytes
    grid_bytes = len(entry.anomaly_map.data) if isinstance(entry, Inspected) else None
    return amount_of(picture_bytes, grid_bytes)


def _count(
    connection: Connection, changes: Mapping[Key, Amount], losses: Mapping[GoneKey, Amount]
) -> None:
    evidence, evidence_gone = evidence_tables.evidence, evidence_tables.evidence_gone
    rows: list[dict[str, Any]] = [
        {
            "camera_id": camera_id,
            "keep_class": keep_class.value,
            "added_bytes": max(0, amount.size_bytes),
            **asdict(amount),
        }
        for (camera_id, keep_class), amount in sorted(changes.items())
    ]
    if rows:
        statement = insert_adding(connection, evidence, "camera_id", "keep_class")
        execute_many(connection, statement, rows)
    rows = [
        {"camera_id": camera_id, "gone": why.value, **asdict(amount)}
        for (camera_id, why), amount in sorted(losses.items())
    ]
    if rows:
        statement = insert_adding(connection, evidence_gone, "camera_id", "gone")
        execute_many(connection, statement, rows)


def _sums(connection: Connection, table: Table, key: str) -> dict[Any, Amount]:
    names = [field.name for field in fields(Amount)]
    sums = (func.sum(table.c[name]).label(name) for name in names)
    rows = connection.execute(select(table.c[key], *sums).group_by(table.c[key])).mappings()
    return {row[key]: Amount(**{name: int(row[name]) for name in names}) for row in rows}
