"""How long cameras were down: read from the changes of their health."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection, delete, func, select

from inspection.domain.health import CameraHealth, HealthState
from inspection.store.engine import insert_new
from inspection.store.health_tables import camera_states
from inspection.store.tables import cameras, lines, stations

#: Changes are forgotten after so long; every report of a year finds them.
KEPT: Final = timedelta(days=400)

#: States of a camera that gives nothing to judge.
DOWN: Final = (HealthState.STALLED, HealthState.BLIND)


@dataclass(frozen=True, kw_only=True)
class Downtime:
    """How a camera did in a span of time."""

    camera: str
    #: Stalled or blind.
    down_s: float
    #: Times it went down, or was down at the beginning.
    down_count: int
    #: Nobody had looked at it yet, or it had ended.
    unwatched_s: float


def note_state(connection: Connection, camera_id: int, health: CameraHealth) -> None:
    """Write down that the state of a camera began with this look; forget those of long ago."""
    values = {
        "camera_id": camera_id,
        "since_at": health.since_at,
        "state": health.state.value,
    }
    connection.execute(insert_new(connection, camera_states, "camera_id", "since_at"), values)
    connection.execute(
        delete(camera_states).where(
            camera_states.c.camera_id == camera_id,
            camera_states.c.since_at < health.checked_at - KEPT,
        )
    )


def downtimes(
    connection: Connection, line: str, *, from_at: datetime, to_at: datetime
) -> list[Downtime]:
    """Return how the cameras of a line did in [from_at, to_at), by name."""
    state = camera_states.c
    names = (
        select(cameras.c.id, cameras.c.name)
        .join(stations, stations.c.id == cameras.c.station_id)
        .join(lines, lines.c.id == stations.c.line_id)
        .where(lines.c.name == line)
        .order_by(cameras.c.name)
    )
    found = {row.id: row.name for row in connection.execute(names)}
    # The state at the beginning began with the last change before it.
    before = (
        select(state.camera_id, func.max(state.since_at).label("since_at"))
        .where(state.camera_id.in_(found), state.since_at <= from_at)
        .group_by(state.camera_id)
    )
    first = {row.camera_id: row.since_at for row in connection.execute(before)}
    changes: defaultdict[int, list[tuple[datetime, HealthState]]] = defaultdict(list)
    rows = connection.execute(
        select(camera_states)
        .where(state.camera_id.in_(found), state.since_at < to_at)
        .where(state.since_at >= min(first.values(), default=from_at))
        .order_by(state.since_at)
    )
    for row in rows:
        if row.since_at >= first.get(row.camera_id, from_at):
            changes[row.camera_id].append((row.since_at, HealthState(row.state)))
    return [
        _downtime(name, changes[camera_id], from_at, to_at) for camera_id, name in found.items()
    ]


def _downtime(
    camera: str,
    changes: Sequence[tuple[datetime, HealthState]],
    from_at: datetime,
    to_at: datetime,
) -> Downtime:
    down, unwatched = timedelta(0), timedelta(0)
    down_count = 0
    begins = [(from_at, HealthState.UNKNOWN), *changes]
    ends = [since_at for since_at, _ in changes] + [to_at]
    for (since_at, state), end_at in zip(begins, ends, strict=True):
        lasted = max(timedelta(0), end_at - max(since_at, from_at))
        if state in DOWN:
            down += lasted
            down_count += lasted > timedelta(0)
        elif state in (HealthState.UNKNOWN, HealthState.ENDED):
            unwatched += lasted
    return Downtime(
        camera=camera,
        down_s=down.total_seconds(),
        down_count=down_count,
        unwatched_s=unwatched.total_seconds(),
    )
