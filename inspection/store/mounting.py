"""Cameras put up, changed and taken down one by one, each time written down."""

from datetime import datetime

from sqlalchemy import Connection, delete, exists, select, update
from sqlalchemy.exc import IntegrityError

from inspection.domain.line import Camera, checked_name
from inspection.errors import ConfigurationError, ConflictError
from inspection.store import cameras, health_tables, tables
from inspection.store.audit import Change, add_change
from inspection.store.lines import line_id
from inspection.store.products import Product, insert_product


def add_camera(connection: Connection, camera: Camera, *, at: datetime, by: str) -> None:
    """Create a camera, and its station if that is new.

    Raises:
        NotFoundError: there is no such line.
        ConflictError: there is a camera of this name, in whatever line.
        ConfigurationError: a name cannot be used.
    """
    checked_name(camera.name, thing="camera")
    checked_name(camera.station, thing="station")
    of_line = line_id(connection, camera.line)
    if not cameras.insert_camera(connection, camera, line_id=of_line):
        raise ConflictError(f"there is a camera {camera.name!r} already; take another name")
    _note_product(connection, camera, of_line, at=at, by=by)
    after = cameras.public_values(camera)
    change = Change(at=at, who=by, action="created", thing="camera", name=camera.name, after=after)
    add_change(connection, change)


def lock_camera(connection: Connection, name: str) -> Camera:
    """Return a camera that nobody else changes until this transaction ends.

    Raises:
        NotFoundError: there is none.
    """
    of_camera = tables.cameras.c.name == name
    connection.execute(select(tables.cameras.c.id).where(of_camera).with_for_update())
    return cameras.get_camera(connection, name)


def change_camera(
    connection: Connection, before: Camera, after: Camera, *, at: datetime, by: str
) -> None:
    """Change how a camera works; capture takes it up when it starts the camera again.

    Args:
        connection: transaction in which `before` was locked.
        before: as it is.
        after: as it shall be, at the same place under the same name.
        at: now.
        by: who changes it.

    Raises:
        ConfigurationError: it would stand elsewhere, or be called otherwise.
    """
    if (before.name, before.line, before.station) != (after.name, after.line, after.station):
        raise ConfigurationError("a camera keeps name and place; add another one instead")
    old, new = cameras.public_values(before), cameras.public_values(after)
    if before == after:
        return
    connection.execute(
        update(tables.cameras)
        .where(tables.cameras.c.name == before.name)
        .values(cameras.column_values(after))
    )
    _note_product(connection, after, line_id(connection, after.line), at=at, by=by)
    differing = [key for key in new if old[key] != new[key]] or ["source"]
    change = Change(
        at=at,
        who=by,
        action="changed",
        thing="camera",
        name=before.name,
        before={key: old[key] for key in differing},
        after={key: new[key] for key in differing},
    )
    add_change(connection, change)


def remove_camera(connection: Connection, name: str, *, at: datetime, by: str) -> None:
    """Remove a camera that has never given a frame.

    Raises:
        NotFoundError: there is none.
        ConflictError: it has frames, thresholds or alerts.
    """
    before = cameras.public_values(lock_camera(connection, name))
    found = cameras.camera_id(connection, name)
    refusal = f"camera {name!r} has a history: it stays, so that this can be understood"
    if connection.scalar(select(exists().where(tables.ledger.c.camera_id == found))):
        raise ConflictError(refusal)
    try:
        for table in (health_tables.camera_health, health_tables.view_acceptances):
            connection.execute(delete(table).where(table.c.camera_id == found))
        connection.execute(delete(tables.cameras).where(tables.cameras.c.id == found))
    except IntegrityError as error:
        raise ConflictError(refusal) from error
    change = Change(at=at, who=by, action="removed", thing="camera", name=name, before=before)
    add_change(connection, change)


def _note_product(
    connection: Connection, camera: Camera, of_line: int, *, at: datetime, by: str
) -> None:
    if camera.product is not None:
        product = Product(name=camera.product, line=camera.line)
        insert_product(connection, product, line_id=of_line, at=at, by=by)
