"""Thresholds: every version of every one, never changed once set."""

import math
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, func, insert, select

from inspection.domain.line import Scope, Threshold
from inspection.errors import ConfigurationError, NotFoundError
from inspection.store import tables
from inspection.store.audit import Change, add_change
from inspection.store.lines import line_id


def set_threshold(
    connection: Connection,
    scope: Scope,
    value: float | None,
    *,
    at: datetime,
    by: str,
    reason: str,
) -> Threshold:
    """Add the next version of the threshold of `scope`; None withdraws it.

    Raises:
        ConfigurationError: the value is not a finite number, or the product has no name.
        NotFoundError: there is no such line, station or camera.
    """
    if value is not None and not math.isfinite(value):
        raise ConfigurationError(f"the threshold {value} is not a finite number")
    row = _located(connection, scope)
    # Two who set the same threshold at the same time take turns, so that both get a version.
    connection.execute(
        select(tables.lines.c.id).where(tables.lines.c.id == row["line_id"]).with_for_update()
    )
    newest = connection.execute(
        select(tables.thresholds.c.version, tables.thresholds.c.value)
        .where(tables.thresholds.c.scope == row["scope"])
        .order_by(tables.thresholds.c.version.desc())
        .limit(1)
    ).first()
    row |= {"version": 1 if newest is None else newest.version + 1, "value": value}
    row |= {"set_at": at, "set_by": by, "reason": reason}
    statement = insert(tables.thresholds).values(row).returning(tables.thresholds.c.id)
    threshold = Threshold(
        threshold_id=connection.execute(statement).scalar_one(),
        scope=scope,
        version=row["version"],
        value=value,
        set_at=at,
        set_by=by,
        reason=reason,
    )
    before = None if newest is None else {"version": newest.version, "value": newest.value}
    after = {"version": threshold.version, "value": value, "reason": reason}
    change = Change(
        at=at,
        who=by,
        action="set",
        thing="threshold",
        name=scope_name(scope),
        before=before,
        after=after,
    )
    add_change(connection, change)
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
    statement = _selected().join(
        newest_of_each,
        (newest_of_each.c.scope == tables.thresholds.c.scope)
        & (newest_of_each.c.version == tables.thresholds.c.version),
    )
    rows = connection.execute(statement.order_by(tables.thresholds.c.scope))
    return [_threshold(row) for row in rows]


def threshold_history(connection: Connection, scope: Scope) -> list[Threshold]:
    """Return every version of the threshold of `scope`, the newest first.

    Raises:
        NotFoundError: there is no such line, station or camera.
    """
    key = _located(connection, scope)["scope"]
    statement = _selected().where(tables.thresholds.c.scope == key)
    rows = connection.execute(statement.order_by(tables.thresholds.c.version.desc()))
    return [_threshold(row) for row in rows]


def scope_name(scope: Scope) -> str:
    """Return the scope as people write it: `line=A product=washer`."""
    parts = {
        "line": scope.line,
        "product": scope.product,
        "station": scope.station,
        "camera": scope.camera,
    }
    return " ".join(f"{thing}={name}" for thing, name in parts.items() if name is not None)


def _located(connection: Connection, scope: Scope) -> dict[str, Any]:
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


def _id_of(
    connection: Connection, statement: Select[str, int], place: str, thing: str, name: str
) -> int:
    ids = {row.name: row.id for row in connection.execute(statement)}
    if name not in ids:
        raise NotFoundError(
            f"{place} has no {thing} {name!r}; it has: {', '.join(sorted(ids)) or 'none'}"
        )
    return int(ids[name])


def _selected() -> Select[*tuple[Any, ...]]:
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


def _threshold(row: Row[*tuple[Any, ...]]) -> Threshold:
    return Threshold(
        threshold_id=row.id,
        scope=Scope(line=row.line, product=row.product, station=row.station, camera=row.camera),
        version=row.version,
        value=row.value,
        set_at=row.set_at,
        set_by=row.set_by,
        reason=row.reason,
    )
