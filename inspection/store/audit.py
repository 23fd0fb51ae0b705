"""Who changed what, when, and from what to what."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert, select

from inspection.store import tables


@dataclass(frozen=True, kw_only=True)
class Change:
    """One change that somebody made. Never holds a secret."""

    at: datetime
    who: str
    #: created, changed, removed, set, withdrawn, restored, retried, acknowledged, dismissed,
    #: resolved, shelved, unshelved, paused, resumed, requested, discarded or exported.
    action: str
    #: line, camera, product, channel, notification, threshold, promise, recipe, reference, rule,
    #: alert, dead letter or inspections.
    thing: str
    #: Its name.
    name: str
    #: The changed fields as they were; None when the thing is new.
    before: Mapping[str, Any] | None = None
    #: The changed fields as they are now.
    after: Mapping[str, Any] | None = None


def add_change(connection: Connection, change: Change) -> None:
    """Write `change` down, in the transaction that makes it."""
    connection.execute(
        insert(tables.audit).values(
            at=change.at,
            who=change.who,
            action=change.action,
            thing=change.thing,
            name=change.name,
            before=change.before,
            after=change.after,
        )
    )


def list_changes(
    connection: Connection, *, thing: str | None = None, name: str | None = None, limit: int = 100
) -> list[Change]:
    """Return the newest changes, the newest first."""
    statement = select(tables.audit).order_by(tables.audit.c.id.desc()).limit(limit)
    if thing is not None:
        statement = statement.where(tables.audit.c.thing == thing)
    if name is not None:
        statement = statement.where(tables.audit.c.name == name)
    return [
        Change(
            at=row.at,
            who=row.who,
            action=row.action,
            thing=row.thing,
            name=row.name,
            before=row.before,
            after=row.after,
        )
        for row in connection.execute(statement)
    ]
