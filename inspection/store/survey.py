"""How the cameras and processes of the whole installation are doing, told without flattery.

What nobody has looked at lately is not known, whatever was known before.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection

from inspection.domain.health import CameraHealth, HealthState
from inspection.domain.heartbeat import Heartbeat, ProcessState
from inspection.store.cameras import list_cameras
from inspection.store.health import list_camera_health
from inspection.store.heartbeats import list_heartbeats
from inspection.store.lines import list_lines

#: What was found longer ago than this is no longer known, in seconds.
STALE_S: Final = 15.0

_NOBODY_LOOKS: Final = "see that `inspection alerter` runs and reaches database and stream server"


@dataclass(frozen=True, kw_only=True)
class Survey:
    """All cameras and processes at one moment."""

    at: datetime
    #: By name; state `unknown` where nobody has looked lately.
    cameras: tuple[CameraHealth, ...]
    processes: tuple[Heartbeat, ...]
    #: Kinds of process of which none is at work though others are.
    missing: tuple[str, ...]

    @property
    def lag_s(self) -> float | None:
        """Age of the oldest frame that is not judged, in seconds; None when nobody knows."""
        known = [one.lag_s for one in self.cameras if one.state is not HealthState.UNKNOWN]
        return max(known, default=None)

    @property
    def is_well(self) -> bool:
        """Whether everything is as it should be."""
        are_seen = all(one.state in (HealthState.LIVE, HealthState.ENDED) for one in self.cameras)
        are_alive = all(one.state(self.at) is ProcessState.ALIVE for one in self.processes)
        return are_seen and are_alive and not self.missing


def survey(connection: Connection, now: datetime, *, is_local_ray: bool) -> Survey:
    """Return how everything is doing.

    Args:
        connection: of a `Database.read`.
        now: the moment.
        is_local_ray: whether `inspection serve` brings the replicas, and no cluster.
    """
    cameras = believed(connection, now)
    processes = tuple(list_heartbeats(connection))
    wanted = ["inspector", "alerter"] if cameras else []
    if cameras and is_local_ray:
        wanted.append("serve")
    pushed = {camera.name for camera in list_cameras(connection) if camera.is_pushed}
    if any(one.state is not HealthState.ENDED for one in cameras if one.camera not in pushed):
        wanted.append("capture")
    if any(line.learn_count for line in list_lines(connection)):
        wanted.append("learner")
    there = {one.process for one in processes}
    return Survey(
        at=now,
        cameras=cameras,
        processes=processes,
        missing=tuple(kind for kind in wanted if kind not in there) if processes else (),
    )


def believed(connection: Connection, now: datetime) -> tuple[CameraHealth, ...]:
    """Return how every camera is doing, by name; `unknown` where nobody has looked lately."""
    known = {health.camera: health for health in list_camera_health(connection)}
    return tuple(
        _believed(known[camera.name], now)
        if camera.name in known
        else _never_seen(camera.name, camera.line, now)
        for camera in list_cameras(connection)
    )


def _believed(health: CameraHealth, now: datetime) -> CameraHealth:
    """Return what was found, as far as it is still known."""
    age = now - health.checked_at
    if abs(age) <= timedelta(seconds=STALE_S):
        return health
    return replace(
        health,
        state=HealthState.UNKNOWN,
        detail=f"nobody has looked since {health.checked_at:%Y-%m-%d %H:%M:%S} UTC, when it was "
        f"{health.state.value}; {_NOBODY_LOOKS}",
        since_at=health.checked_at,
    )


def _never_seen(camera: str, line: str, now: datetime) -> CameraHealth:
    return CameraHealth(
        camera=camera,
        line=line,
        state=HealthState.UNKNOWN,
        detail=f"nobody has ever looked at it; {_NOBODY_LOOKS}",
        since_at=now,
        checked_at=now,
        lag_s=0.0,
        waiting_count=0,
        last_frame_at=None,
    )
