"""Which views of cameras somebody has accepted: the camera was moved on purpose."""

from datetime import datetime

from sqlalchemy import Connection, select, update

from inspection.store.audit import Change, add_change
from inspection.store.cameras import camera_id
from inspection.store.engine import insert_new
from inspection.store.health_tables import view_acceptances
from inspection.store.tables import cameras


def accept_view(connection: Connection, camera: str, *, at: datetime, by: str) -> None:
    """Say that what the camera sees from now on is as it should be.

    Raises:
        NotFoundError: there is no such camera.
    """
    key = camera_id(connection, camera)
    table = view_acceptances
    changed = update(table).where(table.c.camera_id == key).values(accepted_at=at)
    if not connection.execute(changed).rowcount:
        connection.execute(
            insert_new(connection, table, "camera_id").values(camera_id=key, accepted_at=at)
        )
    add_change(
        connection,
        Change(
            at=at, who=by, action="set", thing="camera", name=camera, after={"view": "accepted"}
        ),
    )


def accepted_views(connection: Connection) -> dict[str, datetime]:
    """Return when the view of a camera was last accepted, by camera."""
    statement = select(cameras.c.name, view_acceptances.c.accepted_at).join(
        cameras, cameras.c.id == view_acceptances.c.camera_id
    )
    return {row.name: row.accepted_at for row in connection.execute(statement)}
