"""Former thresholds set again: as a new version, with all that the former one was."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, insert, select

from inspection.domain.line import Scope, Threshold
from inspection.errors import ConflictError, NotFoundError
from inspection.store import tables
from inspection.store.thresholds import NewThreshold, add_version, scope_name, threshold_history


@dataclass(frozen=True, kw_only=True)
class Rollback:
    """Which version is to be set again, by whom and why."""

    scope: Scope
    #: None: the one before the newest.
    version: int | None
    at: datetime
    by: str
    reason: str
    #: Newest version that whoever asks knows; None: whatever it is.
    known_version: int | None = None


def former(connection: Connection, scope: Scope, version: int | None) -> Threshold:
    """Return a former version of a threshold; without its number, the one before the newest.

    Raises:
        NotFoundError: there is no such line, station, camera or version.
        ConflictError: there is no version before the newest one.
    """
    history = threshold_history(connection, scope)
    if version is None:
        if len(history) < 2:  # noqa: PLR2004
            raise ConflictError(f"{scope_name(scope)} has no version before the newest one")
        return history[1]
    for threshold in history:
        if threshold.version == version:
            return threshold
    count = f"1 to {history[0].version}" if history else "none"
    raise NotFoundError(f"{scope_name(scope)} has no version {version}; it has: {count}")


def roll_back(connection: Connection, asked: Rollback) -> Threshold:
    """Set a former version again: its value, what it is bound to, and its promise.

    The promise stands again if it stood, and its test goes on where it was; one that was withdrawn
    is still withdrawn, for the scores have not changed back by that. A version that withdrew the
    threshold withdraws it again.

    Args:
        connection: inside a transaction of `Database.write`.
        asked: what is to be set again.

    Raises:
        NotFoundError: there is no such line, station, camera or version.
        ConflictError: there is no version before the newest one.
        PreconditionError: the newest version is not the one that `asked` names.
    """
    source = former(connection, asked.scope, asked.version)
    back = f"back to version {source.version}"
    new = NewThreshold(
        scope=asked.scope,
        value=source.value,
        set_at=asked.at,
        set_by=asked.by,
        reason=f"{back}: {asked.reason}" if asked.reason else back,
        checkpoint_hash=source.checkpoint_hash,
        reference_hash=source.reference_hash,
        known_version=asked.known_version,
    )
    threshold = add_version(connection, new)
    _carry_promise(connection, source.threshold_id, threshold.threshold_id)
    return threshold


def _carry_promise(connection: Connection, from_id: int, to_id: int) -> None:
    made = tables.calibrations
    row = connection.execute(select(made).where(made.c.threshold_id == from_id)).first()
    if row is None:
        return
    position = connection.scalar(select(func.max(tables.ledger.c.id))) or 0
    values = dict(row._mapping) | {"threshold_id": to_id, "position": position}  # noqa: SLF001
    connection.execute(insert(made).values(values))
