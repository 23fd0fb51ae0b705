"""What is known of the health of cameras."""

from sqlalchemy import Connection, select

from inspection.domain.health import CameraHealth, HealthState
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
        )
        for row in connection.execute(chosen)
    ]
