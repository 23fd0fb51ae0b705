"""Who changed what, when, and from what to what."""

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, insert, select

from inspection.domain.chain import LinkKind
from inspection.store import chain, tables
from inspection.store.audit_tables import audit_links


@dataclass(frozen=True, kw_only=True)
class Change:
    """One change that somebody made. Never holds a secret."""

    at: datetime
    who: str
    #: created, changed, removed, set, withdrawn, restored, retried, acknowledged, dismissed,
    #: resolved, shelved, unshelved, paused, resumed, requested, discarded, redriven, reviewed,
    #: exported, verified or adopted.
    action: str
    #: line, camera, product, channel, notification, threshold, promise, recipe, reference, rule,
    #: alert, dead letter, audit, inspection, inspections or shifts.
    thing: str
    #: Its name.
    name: str
    #: The changed fields as they were; None when the thing is new.
    before: Mapping[str, Any] | None = None
    #: The changed fields as they are now.
    after: Mapping[str, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class ChangeQuery:
    """Which changes; what is None selects nothing."""

    who: str | None = None
    thing: str | None = None
    name: str | None = None
    #: Made at or after …
    from_at: datetime | None = None
    #: … and before.
    to_at: datetime | None = None
    #: Written down before the one with this id.
    before_id: int | None = None
    limit: int = 100


@dataclass(frozen=True, kw_only=True)
class SealedChange:
    """A change as it is written down, and the link that seals it."""

    change_id: int
    change: Change
    #: Number and MAC of its link; None: it was never sealed.
    number: int | None
    mac: str | None


def add_change(connection: Connection, change: Change) -> None:
    """Write `change` down, in the transaction that makes it; it is sealed as that is committed."""
    row_id = connection.execute(
        insert(tables.audit)
        .values(
            at=change.at,
            who=change.who,
            action=change.action,
            thing=change.thing,
            name=change.name,
            before=change.before,
            after=change.after,
        )
        .returning(tables.audit.c.id)
    ).scalar_one()
    chain.note(connection, chain.Note(kind=LinkKind.CHANGE, at=change.at, change_id=row_id))


def adopt(
    connection: Connection, ids: Sequence[int], *, at: datetime, by: str, reason: str
) -> None:
    """Have changes sealed that were not when they were made, and write down who had it done.

    Args:
        connection: inside a transaction of `Database.write`.
        ids: of rows of the audit.
        at: now.
        by: who does it.
        reason: why.
    """
    for row_id in ids:
        chain.note(connection, chain.Note(kind=LinkKind.CHANGE, at=at, change_id=row_id))
    change = Change(
        at=at,
        who=by,
        action="adopted",
        thing="audit",
        name="changes",
        after={"ids": list(ids), "reason": reason},
    )
    add_change(connection, change)


def list_changes(
    connection: Connection, *, thing: str | None = None, name: str | None = None, limit: int = 100
) -> list[Change]:
    """Return the newest changes, the newest first."""
    query = ChangeQuery(thing=thing, name=name, limit=limit)
    return [found.change for found in sealed_changes(connection, query)]


def sealed_changes(connection: Connection, query: ChangeQuery) -> list[SealedChange]:
    """Return changes with what seals them, those that were written down last first."""
    link = audit_links.c
    statement = (
        select(tables.audit, link.number, link.mac)
        .outerjoin(audit_links, link.change_id == tables.audit.c.id)
        .where(*_conditions(query))
        .order_by(tables.audit.c.id.desc())
        .limit(query.limit)
    )
    return [
        SealedChange(
            change_id=row.id,
            change=Change(
                at=row.at,
                who=row.who,
                action=row.action,
                thing=row.thing,
                name=row.name,
                before=row.before,
                after=row.after,
            ),
            number=row.number,
            mac=row.mac,
        )
        for row in connection.execute(statement)
    ]


def _conditions(query: ChangeQuery) -> list[ColumnElement[bool]]:
    audit = tables.audit.c
    given: list[tuple[Any, ColumnElement[Any], Callable[[Any, Any], ColumnElement[bool]]]] = [
        (query.who, audit.who, operator.eq),
        (query.thing, audit.thing, operator.eq),
        (query.name, audit.name, operator.eq),
        (query.from_at, audit.at, operator.ge),
        (query.to_at, audit.at, operator.lt),
        (query.before_id, audit.id, operator.lt),
    ]
    return [compares(column, value) for value, column, compares in given if value is not None]
