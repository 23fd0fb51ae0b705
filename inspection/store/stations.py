"""Stations: the places of a line where parts are looked at."""

from datetime import datetime

from sqlalchemy import Connection, delete, exists, select

from inspection.errors import ConflictError, NotFoundError
from inspection.store import tables
from inspection.store.audit import Change, add_change
from inspection.store.engine import insert_new
from inspection.store.lines import line_id


def list_stations(connection: Connection, line: str) -> list[str]:
    """Return the names of the stations of a line, in their order.

    Raises:
        NotFoundError: there is no such line.
    """
    of_line = tables.stations.c.line_id == line_id(connection, line)
    statement = select(tables.stations.c.name).where(of_line).order_by(tables.stations.c.name)
    return list(connection.scalars(statement))


def station_id(connection: Connection, line: str, name: str) -> int:
    """Return the id of the row of a station.

    Raises:
        NotFoundError: there is no such line or station; the message names those there are.
    """
    of_station = {"line_id": line_id(connection, line), "name": name}
    found = connection.scalar(select(tables.stations.c.id).filter_by(**of_station))
    if found is None:
        known = ", ".join(list_stations(connection, line)) or "none"
        raise NotFoundError(f"line {line!r} has no station {name!r}; there are: {known}")
    return int(found)


def add_station(connection: Connection, line: str, name: str, *, at: datetime, by: str) -> None:
    """Create a station.

    Raises:
        NotFoundError: there is no such line.
        ConflictError: it has a station of this name.
    """
    values = {"line_id": line_id(connection, line), "name": name}
    statement = insert_new(connection, tables.stations, "line_id", "name").values(values)
    if connection.scalar(statement.returning(tables.stations.c.id)) is None:
        raise ConflictError(f"line {line!r} has a station {name!r} already")
    change = Change(
        at=at, who=by, action="created", thing="station", name=_name(line, name), after={}
    )
    add_change(connection, change)


def remove_station(connection: Connection, line: str, name: str, *, at: datetime, by: str) -> None:
    """Remove a station that nothing stands at and nothing was inspected at.

    Raises:
        NotFoundError: there is no such line or station.
        ConflictError: it has a camera, a threshold or a history.
    """
    found = station_id(connection, line, name)
    using = (tables.cameras, tables.thresholds, tables.ledger)
    if any(connection.scalar(select(exists().where(t.c.station_id == found))) for t in using):
        raise ConflictError(f"station {name!r} of line {line!r} has cameras, thresholds or frames")
    connection.execute(delete(tables.stations).where(tables.stations.c.id == found))
    change = Change(
        at=at, who=by, action="removed", thing="station", name=_name(line, name), before={}
    )
    add_change(connection, change)


def _name(line: str, name: str) -> str:
    return f"line={line} station={name}"
