"""Cameras and the stations they stand at."""

from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import Connection, Row, Select, select

from inspection.domain.line import Camera, Encoding, OverflowPolicy, Source
from inspection.errors import NotFoundError
from inspection.store import tables
from inspection.store.engine import insert_new


def list_cameras(connection: Connection, *, line: str | None = None) -> list[Camera]:
    """Return all cameras, or those of one line, by name."""
    statement = _selected().order_by(tables.cameras.c.name)
    if line is not None:
        statement = statement.where(tables.lines.c.name == line)
    return [_camera(row) for row in connection.execute(statement)]


def get_camera(connection: Connection, name: str) -> Camera:
    """Return the camera called `name`.

    Raises:
        NotFoundError: there is none; the message names those there are.
    """
    row = connection.execute(_selected().where(tables.cameras.c.name == name)).first()
    if row is None:
        raise unknown_camera(connection, name)
    return _camera(row)


def camera_id(connection: Connection, name: str) -> int:
    """Return the id of the row of the camera called `name`.

    Raises:
        NotFoundError: there is none; the message names those there are.
    """
    found = connection.scalar(select(tables.cameras.c.id).where(tables.cameras.c.name == name))
    if found is None:
        raise unknown_camera(connection, name)
    return int(found)


def unknown_camera(connection: Connection, name: str) -> NotFoundError:
    """Return the error for a camera that is not there; it names those there are."""
    known = connection.scalars(select(tables.cameras.c.name).order_by(tables.cameras.c.name))
    return NotFoundError(f"there is no camera {name!r}; there are: {', '.join(known) or 'none'}")


def insert_camera(connection: Connection, camera: Camera, *, line_id: int) -> bool:
    """Insert `camera`, and its station if that is new; say whether the camera was new."""
    station = {"line_id": line_id, "name": camera.station}
    connection.execute(insert_new(connection, tables.stations, "line_id", "name").values(station))
    station_id = connection.scalar(select(tables.stations.c.id).filter_by(**station))
    values = column_values(camera) | {"name": camera.name, "station_id": station_id}
    statement = insert_new(connection, tables.cameras, "name").values(values)
    return connection.scalar(statement.returning(tables.cameras.c.id)) is not None


def column_values(camera: Camera) -> dict[str, Any]:
    """Return what the row of `camera` holds beside its name and place."""
    return {
        "source": _source_values(camera.source),
        "product": camera.product,
        "encoding": camera.encoding.value,
        "quality": camera.quality,
        "rate_hz": camera.rate_hz,
        "frames": camera.frames,
        "overflow": camera.overflow.value,
        "backlog_limit": camera.backlog_limit,
    }


def public_values(camera: Camera) -> dict[str, Any]:
    """Return the fields of `camera` as JSON without the password of its address."""
    values = asdict(camera) | {"source": _source_values(camera.source)}
    address = urlsplit(camera.source.url or "")
    if address.password is not None:
        host = address.netloc.rpartition("@")[2]
        values["source"]["url"] = address._replace(netloc=f"{address.username}:***@{host}").geturl()
    return values


def _selected() -> Select[*tuple[Any, ...]]:
    return (
        select(
            tables.cameras,
            tables.stations.c.name.label("station"),
            tables.lines.c.name.label("line"),
        )
        .join(tables.stations, tables.stations.c.id == tables.cameras.c.station_id)
        .join(tables.lines, tables.lines.c.id == tables.stations.c.line_id)
    )


def _camera(row: Row[*tuple[Any, ...]]) -> Camera:
    return Camera(
        name=row.name,
        line=row.line,
        station=row.station,
        source=_source(row.source),
        product=row.product,
        encoding=Encoding(row.encoding),
        quality=row.quality,
        rate_hz=row.rate_hz,
        frames=row.frames,
        overflow=OverflowPolicy(row.overflow),
        backlog_limit=row.backlog_limit,
    )


def _source_values(source: Source) -> dict[str, Any]:
    return asdict(source) | {"path": None if source.path is None else str(source.path)}


def _source(values: Mapping[str, Any]) -> Source:
    known = {field.name: values[field.name] for field in fields(Source) if field.name in values}
    if known.get("path") is not None:
        known["path"] = Path(known["path"])
    return Source(**known)
