"""Thresholds: every version of every one, never changed once set.

A version is in force from its `effective_at` on, a moment that the database's clock gives when it
is set: soon, but not at once, so that all inspectors change over together.
"""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, Row, Select, func, insert, select, text

from inspection.domain.line import Scope, Threshold
from inspection.errors import ConfigurationError, NotFoundError, PreconditionError
from inspection.store import tables
from inspection.store.audit import Change, add_change
from inspection.store.clock import database_time
from inspection.store.lines import line_id

#: Number of PostgreSQL's advisory lock of who sets (alone) and who records (shared).
LOCK: Final = 0x1259_EC79
#: From setting a threshold until it is in force, in seconds.
LEAD_S: Final = 1.0


@dataclass(frozen=True, kw_only=True)
class NewThreshold:
    """A threshold that is to be set; its version is not known yet."""

    scope: Scope
    #: None withdraws the threshold.
    value: float | None
    set_at: datetime
    set_by: str
    reason: str
    #: SHA-256 of the checkpoint whose scores alone it judges; None: of any.
    checkpoint_hash: str | None = None
    #: SHA-256 of the reference of those scores; None: they were made without one.
    reference_hash: str | None = None
    #: Newest version that whoever sets it knows, 0 for none; None: whatever it is.
    known_version: int | None = None
    #: From setting it until it is in force, in seconds of the database's clock.
    lead_s: float = LEAD_S


def set_threshold(  # noqa: PLR0913  (what a history says of each version)
    connection: Connection,
    scope: Scope,
    value: float | None,
    *,
    at: datetime,
    by: str,
    reason: str,
    lead_s: float = LEAD_S,
) -> Threshold:
    """Add the next version of the threshold of `scope`, for scores of any checkpoint.

    Args:
        connection: inside a transaction of `Database.write`.
        scope: where it applies.
        value: NG if and only if a score is greater; None withdraws it.
        at: now.
        by: who sets it.
        reason: why, for the history.
        lead_s: from now until it is in force, in seconds of the database's clock.

    Raises:
        ConfigurationError: the value is not a finite number, or the product has no name.
        NotFoundError: there is no such line, station or camera.
    """
    new = NewThreshold(scope=scope, value=value, set_at=at, set_by=by, reason=reason, lead_s=lead_s)
    return add_version(connection, new)


def add_version(connection: Connection, new: NewThreshold) -> Threshold:
    """Add the next version of a threshold.

    Raises:
        ConfigurationError: the value is not a finite number, or the product has no name.
        NotFoundError: there is no such line, station or camera.
        PreconditionError: the newest version is not the one that `new` names.
    """
    if new.value is not None and not math.isfinite(new.value):
        raise ConfigurationError(f"the threshold {new.value} is not a finite number")
    place = located(connection, new.scope)
    _exclude_others(connection)
    newest = connection.execute(
        select(tables.thresholds.c.version, tables.thresholds.c.value)
        .where(tables.thresholds.c.scope == place["scope"])
        .order_by(tables.thresholds.c.version.desc())
        .limit(1)
    ).first()
    version = 0 if newest is None else newest.version
    if new.known_version not in (None, version):
        raise PreconditionError(
            f"{scope_name(new.scope)} has version {version} by now, not {new.known_version}: look "
            "at it again"
        )
    set_as = {field: value for field, value in vars(new).items() if field in tables.thresholds.c}
    del set_as["scope"]
    set_as["effective_at"] = database_time(connection) + timedelta(seconds=new.lead_s)
    row = place | set_as | {"version": version + 1}
    statement = insert(tables.thresholds).values(row).returning(tables.thresholds.c.id)
    threshold = Threshold(
        threshold_id=connection.execute(statement).scalar_one(),
        scope=new.scope,
        version=row["version"],
        **set_as,
    )
    _audit(connection, threshold, newest)
    return threshold


def list_thresholds(connection: Connection, *, line: str | None = None) -> list[Threshold]:
    """Return the newest version of every threshold, withdrawn ones as well.

    Raises:
        NotFoundError: there is no such line.
    """
    newest = select(
        tables.thresholds.c.scope, func.max(tables.thresholds.c.version).label("version")
    )
    if line is not None:
        newest = newest.where(tables.thresholds.c.line_id == line_id(connection, line))
    newest_of_each = newest.group_by(tables.thresholds.c.scope).subquery()
    statement = selected().join(
        newest_of_each,
        (newest_of_each.c.scope == tables.thresholds.c.scope)
        & (newest_of_each.c.version == tables.thresholds.c.version),
    )
    rows = connection.execute(statement.order_by(tables.thresholds.c.scope))
    return [threshold_of(row) for row in rows]


def threshold_history(connection: Connection, scope: Scope) -> list[Threshold]:
    """Return every version of the threshold of `scope`, the newest first.

    Raises:
        NotFoundError: there is no such line, station or camera.
    """
    key = located(connection, scope)["scope"]
    statement = selected().where(tables.thresholds.c.scope == key)
    rows = connection.execute(statement.order_by(tables.thresholds.c.version.desc()))
    return [threshold_of(row) for row in rows]


def newest_version(connection: Connection, scope: Scope) -> int:
    """Return the newest version of the threshold of `scope`; 0: it has none.

    Raises:
        NotFoundError: there is no such line, station or camera.
    """
    of_scope = tables.thresholds.c.scope == located(connection, scope)["scope"]
    return connection.scalar(select(func.max(tables.thresholds.c.version)).where(of_scope)) or 0


def located(connection: Connection, scope: Scope) -> dict[str, Any]:
    """Return the columns of `tables.thresholds` that say where a scope is.

    Raises:
        ConfigurationError: the product has no name.
        NotFoundError: there is no such line, station or camera.
    """
    if scope.product is not None and not scope.product.strip():
        raise ConfigurationError("the product of a threshold needs a name")
    line = line_id(connection, scope.line)
    stations, cameras = tables.stations, tables.cameras
    station_id = camera_id = None
    if scope.station is not None:
        of_line = select(stations.c.name, stations.c.id).where(stations.c.line_id == line)
        station_id = _id_of(connection, of_line, f"line {scope.line!r}", "station", scope.station)
    if scope.camera is not None:
        within = select(cameras.c.name, cameras.c.id).join(stations)
        within = within.where(stations.c.line_id == line)
        if station_id is not None:
            within = within.where(stations.c.id == station_id)
        camera_id = _id_of(connection, within, f"line {scope.line!r}", "camera", scope.camera)
    return {
        # The product comes last because it alone may hold any sign.
        "scope": f"{line}/{station_id or ''}/{camera_id or ''}/{scope.product or ''}",
        "line_id": line,
        "station_id": station_id,
        "camera_id": camera_id,
        "product": scope.product,
    }


def scope_name(scope: Scope) -> str:
    """Return the scope as people write it: `line=A product=washer`."""
    parts = {
        "line": scope.line,
        "product": scope.product,
        "station": scope.station,
        "camera": scope.camera,
    }
    return " ".join(f"{thing}={name}" for thing, name in parts.items() if name is not None)


def _exclude_others(connection: Connection) -> None:
    """Wait for who sets and who records, and have them wait until this transaction ends."""
    if connection.dialect.name != "sqlite":
        connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": LOCK})


def _audit(
    connection: Connection, threshold: Threshold, before: Row[int, float | None] | None
) -> None:
    after = {
        "version": threshold.version,
        "value": threshold.value,
        "reason": threshold.reason,
        "effective_at": threshold.effective_at.isoformat(),
    }
    if threshold.is_bound:
        after |= {
            "checkpoint_hash": threshold.checkpoint_hash,
            "reference_hash": threshold.reference_hash,
        }
    change = Change(
        at=threshold.set_at,
        who=threshold.set_by,
        action="set",
        thing="threshold",
        name=scope_name(threshold.scope),
        before=None if before is None else {"version": before.version, "value": before.value},
        after=after,
    )
    add_change(connection, change)


def _id_of(
    connection: Connection, statement: Select[str, int], place: str, thing: str, name: str
) -> int:
    ids = {row.name: row.id for row in connection.execute(statement)}
    if name not in ids:
        raise NotFoundError(
            f"{place} has no {thing} {name!r}; it has: {', '.join(sorted(ids)) or 'none'}"
        )
    return int(ids[name])


def selected() -> Select[*tuple[Any, ...]]:
    """Select every version of every threshold, for `threshold_of`."""
    return (
        select(
            tables.thresholds,
            tables.lines.c.name.label("line"),
            tables.stations.c.name.label("station"),
            tables.cameras.c.name.label("camera"),
        )
        .join(tables.lines, tables.lines.c.id == tables.thresholds.c.line_id)
        .outerjoin(tables.stations, tables.stations.c.id == tables.thresholds.c.station_id)
        .outerjoin(tables.cameras, tables.cameras.c.id == tables.thresholds.c.camera_id)
    )


def threshold_of(row: Row[*tuple[Any, ...]]) -> Threshold:
    """Read a row of `selected`."""
    return Threshold(
        threshold_id=row.id,
        scope=Scope(line=row.line, product=row.product, station=row.station, camera=row.camera),
        version=row.version,
        value=row.value,
        set_at=row.set_at,
        effective_at=row.effective_at,
        set_by=row.set_by,
        reason=row.reason,
        checkpoint_hash=row.checkpoint_hash,
        reference_hash=row.reference_hash,
    )
