"""What is known of the health of cameras."""

from datetime import datetime

from sqlalchemy import Connection, select, update

from inspection.domain.health import CameraHealth, HealthState
from inspection.store.cameras import camera_id
from inspection.store.downtime import note_state
from inspection.store.engine import insert_new
from inspection.store.health_tables import camera_health
from inspection.store.tables import cameras, lines, stations


def list_camera_health(connection: Connection, line: str | None = None) -> list[CameraHealth]:
    """Return how the cameras are doing that were looked at, of one line or of all, by name."""
    health = camera_health.c
    chosen = (
        select(camera_health, cameras.c.name.label("camera"), lines.c.name.label("line"))
        .join(cameras, cameras.c.id == health.camera_id)
        .join(stations, stations.c.id == cameras.c.station_id)
        .join(lines, lines.c.id == stations.c.line_id)
        .order_by(cameras.c.name)
    )
    if line is not None:
        chosen = chosen.where(lines.c.name == line)
    return [
        CameraHealth(
            camera=row.camera,
            line=row.line,
            state=HealthState(row.state),
            detail=row.detail,
            since_at=row.since_at,
            checked_at=row.checked_at,
            lag_s=row.lag_s,
            waiting_count=row.waiting_count,
            last_frame_at=row.last_frame_at,
            good_count=row.good_count,
        )
        for row in connection.execute(chosen)
    ]


def record_camera_health(
    connection: Connection, health: CameraHealth, *, before_at: datetime | None
) -> bool:
    """Write down how a camera is doing, unless another process has looked at it meanwhile.

    Args:
        connection: of a `Database.write`.
        health: what was found.
        before_at: `checked_at` of the row it was concluded from; None when there was none.

    Returns:
        Whether it was written.
    """
    table = camera_health
    values = {
        "state": health.state.value,
        "detail": health.detail,
        "since_at": health.since_at,
        "checked_at": health.checked_at,
        "good_count": health.good_count,
        "lag_s": health.lag_s,
        "waiting_count": health.waiting_count,
        "last_frame_at": health.last_frame_at,
    }
    key = camera_id(connection, health.camera)
    if before_at is None:
        added = insert_new(connection, table, "camera_id").values(camera_id=key, **values)
        is_written = connection.scalar(added.returning(table.c.camera_id)) is not None
    else:
        changed = connection.execute(
            update(table)
            .where(table.c.camera_id == key, table.c.checked_at == before_at)
            .values(values)
        )
        is_written = changed.rowcount > 0
    # A state begins with the look that finds it.
    if is_written and health.since_at == health.checked_at:
        note_state(connection, key, health)
    return is_written
