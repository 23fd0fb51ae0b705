"""Departures of the ledger from what digests say: rows that went, and rows that were re-driven.

Without word of it, a row that a digest covers and that is gone, or another one, was tampered with.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import ColumnElement, Connection, func, select

from inspection.domain.chain import LinkKind, canonical
from inspection.store import chain, digests
from inspection.store.audit import Change, add_change
from inspection.store.tables import ledger

#: What a change is called that says what re-driven rows are like now.
MOVED: Final = ("dead letter", "redriven")


def announce(connection: Connection, is_chosen: ColumnElement[bool], *, at: datetime) -> None:
    """Have the ids of rows sealed that this transaction removes.

    Args:
        connection: inside a transaction of `Database.write` or `write_soon`.
        is_chosen: condition on rows of the ledger; they are still there.
        at: now.
    """
    if not chain.is_sealing(connection):
        return
    # Ids without a gap between them have the same distance to their rank.
    place = func.row_number().over(order_by=ledger.c.id)
    ranked = select(ledger.c.id, (ledger.c.id - place).label("island")).where(is_chosen).subquery()
    first, last = func.min(ranked.c.id), func.max(ranked.c.id)
    rows = connection.execute(select(first, last).group_by(ranked.c.island).order_by(first)).all()
    if rows:
        said = {"table": ledger.name, "ids": [list(row) for row in rows]}
        chain.note(connection, chain.Note(kind=LinkKind.REMOVAL, at=at, statement=canonical(said)))


def write_moved(connection: Connection, ids: Sequence[int], *, at: datetime) -> None:
    """Write down what rows of the ledger are like that were re-driven in this transaction.

    Args:
        connection: inside a transaction of `Database.write`.
        ids: of rows of the ledger.
        at: now.
    """
    thing, action = MOVED
    found = digests.fingerprints(connection, ids, digests.LASTING)
    change = Change(
        at=at,
        who="inspection inspector",
        action=action,
        thing=thing,
        name=f"{len(ids)} frames",
        after={
            "parts": digests.LASTING,
            "rows": {str(row_id): said for row_id, said in found.items()},
        },
    )
    add_change(connection, change)
