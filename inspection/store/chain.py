"""The hash chain of the audit in the database: links are added as transactions are committed.

Whatever is to be sealed is noted on the connection while its transaction runs; `Database` has the
notes sealed as the last act before the commit, so that nothing waits for anything else while it
holds the end of the chain. Two writers agree by the number of the next link: whoever inserts it
first has it, the other one reads the new end and tries again. So the order of the links is the
order of the commits, and a transaction that is rolled back leaves no gap.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Row, func, insert, select

from inspection import telemetry
from inspection.domain.chain import NOTHING, AuditKeys, Head, Link, LinkKind, canonical
from inspection.store import tables
from inspection.store.audit_tables import audit_links
from inspection.store.engine import insert_new

#: Name of the execution option that holds the notes of a transaction.
NOTES: Final = "inspection_notes"
#: Rows read in one statement.
STRIDE: Final = 1_000


@dataclass(frozen=True, kw_only=True)
class Note:
    """What is to become a link."""

    kind: LinkKind
    at: datetime
    #: Canonical JSON; of a change its row is read when it is sealed.
    statement: str = ""
    #: Of a change: the row of `audit`.
    change_id: int | None = None
    marks: bytes | None = None
    #: Number of the newest link of its kind, 0: there is none; None: whichever.
    follows: int | None = None


def note(connection: Connection, one: Note) -> None:
    """Have something sealed when the transaction is committed, if its process has a key."""
    notes = connection.get_execution_options().get(NOTES)
    if notes is not None:
        notes.append(one)


def is_sealing(connection: Connection) -> bool:
    """Say whether notes on the connection become links."""
    return connection.get_execution_options().get(NOTES) is not None


def seal(connection: Connection, keys: AuditKeys) -> Head | None:
    """Turn the notes of a transaction into links, as its last act.

    1. Read the end of the chain; the key is the one that it names.
    2. Begin the chain if there is none: what is there already is sealed as it is found.
    3. Insert the next link if nobody has; else read the new end and try again.

    Returns:
        The new end of the chain; None when nothing was added: there are no notes, a note follows
        another link than it wanted to, or the chain is made with a key that is not among `keys`.
    """
    notes: list[Note] = connection.get_execution_options().get(NOTES, [])
    while notes:
        last = newest(connection)
        key_id = keys.newest if last is None else last.next_key_id
        secret = keys.secret(key_id)
        if secret is None:
            telemetry.logger().warning("audit_key_differs", wanted=key_id, given=keys.newest)
            return None
        if any(_is_late(connection, one) for one in notes):
            return None
        said = _said(connection, _due(connection, notes, has_begun=last is not None))
        if not said:
            return None
        rows = list(_links(said, last, key_id, secret))
        if _append(connection, rows):
            end = rows[-1]
            return Head(
                number=end["number"], mac=end["mac"], key_id=key_id, sealed_at=end["sealed_at"]
            )
    return None


def change_key(connection: Connection, keys: AuditKeys, *, at: datetime) -> bool:
    """Have the links that follow made with the newest key; False when they are already.

    Args:
        connection: of a `Database.write`.
        keys: the newest one, and those before it.
        at: now.
    """
    last = newest(connection)
    if last is None or last.next_key_id == keys.newest:
        return False
    said = canonical({"next": keys.newest})
    note(connection, Note(kind=LinkKind.KEY, at=at, statement=said))
    return True


def newest(connection: Connection, kind: LinkKind | None = None) -> Link | None:
    """Return the last link, or the last one of a kind; None when there is none."""
    statement = select(audit_links).order_by(audit_links.c.number.desc()).limit(1)
    if kind is not None:
        statement = statement.where(audit_links.c.kind == kind.value)
    row = connection.execute(statement).first()
    return None if row is None else link_of(row)


def links(connection: Connection, *, after: int, limit: int) -> list[Link]:
    """Return the links after a number, in order."""
    statement = (
        select(audit_links)
        .where(audit_links.c.number > after)
        .order_by(audit_links.c.number)
        .limit(limit)
    )
    return [link_of(row) for row in connection.execute(statement)]


def head(connection: Connection) -> Head | None:
    """Return the end of the chain; None when it has not begun."""
    return _head_of(newest(connection))


def lasting_head(connection: Connection) -> Head | None:
    """Return the newest link that no power failure can undo; None when there is none.

    Links of removals are added by `Database.write_soon`, all others wait for the disk.
    """
    kinds = [kind for kind in LinkKind if kind is not LinkKind.REMOVAL]
    found = [link for kind in kinds if (link := newest(connection, kind)) is not None]
    return _head_of(max(found, key=lambda link: link.number, default=None))


def unsealed(connection: Connection) -> list[int]:
    """Return the ids of changes that no link names, in order."""
    audit, link = tables.audit.c, audit_links.c
    statement = (
        select(audit.id)
        .outerjoin(audit_links, link.change_id == audit.id)
        .where(link.number.is_(None))
        .order_by(audit.id)
    )
    return list(connection.scalars(statement))


def link_of(row: Row[*tuple[Any, ...]]) -> Link:
    """Return the link that a row of `audit_links` holds."""
    return Link(
        number=row.number,
        kind=row.kind,
        sealed_at=row.sealed_at,
        key_id=row.key_id,
        statement=row.statement,
        mac=row.mac,
    )


def change_text(row: Row[*tuple[Any, ...]]) -> str:
    """Return what a link says of a row of `audit`."""
    names = ("id", "at", "who", "action", "thing", "name", "before", "after")
    return canonical({name: getattr(row, name) for name in names})


def _head_of(link: Link | None) -> Head | None:
    if link is None:
        return None
    return Head(number=link.number, mac=link.mac, key_id=link.next_key_id, sealed_at=link.sealed_at)


def _is_late(connection: Connection, one: Note) -> bool:
    if one.follows is None:
        return False
    last = newest(connection, one.kind)
    return one.follows != (0 if last is None else last.number)


def _due(connection: Connection, notes: Sequence[Note], *, has_begun: bool) -> list[Note]:
    """Return what is to be linked: before it, where the chain begins, all that is there."""
    others = [one for one in notes if one.kind is not LinkKind.BEGIN]
    if has_begun:
        return others
    own = {one.change_id for one in notes}
    ids = unsealed(connection)
    rows_up_to = connection.scalar(select(func.max(tables.ledger.c.id)))
    said = {
        "changes_up_to": max((each for each in ids if each not in own), default=0),
        "ledger_up_to": rows_up_to or 0,
    }
    at = notes[0].at
    return [
        Note(kind=LinkKind.BEGIN, at=at, statement=canonical(said)),
        *(Note(kind=LinkKind.CHANGE, at=at, change_id=each) for each in ids),
        *(one for one in others if one.kind is not LinkKind.CHANGE),
    ]


def _said(connection: Connection, notes: Sequence[Note]) -> list[tuple[Note, str]]:
    """Return the notes with what their links say, without changes that are not there any more."""
    ids = [one.change_id for one in notes if one.change_id is not None]
    texts: dict[int | None, str] = {}
    for start in range(0, len(ids), STRIDE):
        wanted = tables.audit.c.id.in_(ids[start : start + STRIDE])
        rows = connection.execute(select(tables.audit).where(wanted))
        texts |= {row.id: change_text(row) for row in rows}
    return [
        (one, texts[one.change_id] if one.kind is LinkKind.CHANGE else one.statement)
        for one in notes
        if one.kind is not LinkKind.CHANGE or one.change_id in texts
    ]


def _links(
    said: Sequence[tuple[Note, str]], last: Link | None, key_id: str, secret: bytes
) -> Iterator[dict[str, Any]]:
    former, number = (NOTHING, 0) if last is None else (last.mac, last.number)
    for one, statement in said:
        number += 1
        link = Link(
            number=number, kind=one.kind, sealed_at=one.at, key_id=key_id, statement=statement
        )
        former = link.mac_after(former, secret)
        yield {
            "number": number,
            "kind": one.kind.value,
            "sealed_at": one.at,
            "key_id": key_id,
            "statement": statement,
            "change_id": one.change_id,
            "marks": one.marks,
            "mac": former,
        }


def _append(connection: Connection, rows: Sequence[dict[str, Any]]) -> bool:
    """Insert links; False when somebody else has inserted the first one's number."""
    first = insert_new(connection, audit_links, "number").values(rows[0])
    if connection.execute(first.returning(audit_links.c.number)).first() is None:
        return False
    if rows[1:]:
        # Nobody else inserts these: he waits for the first one's number.
        connection.execute(insert(audit_links), list(rows[1:]))
    return True
