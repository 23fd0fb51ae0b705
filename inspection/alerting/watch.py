"""The watch over cameras: looks at each about every second and writes down how it is doing.

Any number of processes may watch; whoever looks first in a second writes. While the streams or the
database do not answer nothing is written, and the age of what was written last says so.
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from inspection.domain.health import (
    SILENCE_S,
    CameraHealth,
    CameraState,
    HealthState,
    Sighting,
    found,
    looked,
)
from inspection.domain.line import Camera
from inspection.errors import UnavailableError
from inspection.store.cameras import list_cameras
from inspection.store.database import Database
from inspection.store.health import list_camera_health, record_camera_health
from inspection.stream.connection import Client
from inspection.stream.sighting import StreamSighting, see
from inspection.telemetry import logger

#: Seconds between two looks.
LOOK_S: Final = 1.0
#: Nobody looks again at what was looked at less than this ago, in seconds.
JUST_NOW_S: Final = 0.8 * LOOK_S
#: Frames dropped within so long count, in seconds.
DROPS_S: Final = 10.0
#: Longest wait between two looks while something does not answer, in seconds.
LONGEST_WAIT_S: Final = 10.0


@dataclass
class _Memory:
    """What is remembered of one camera between two looks, by a clock that only goes forward."""

    #: What it said last, and when that was first seen.
    said: CameraState | None
    said_s: float
    #: Whether it was seen to say something new: it has not been silent since before we looked.
    is_heard: bool = False
    #: Counts of drops, and when they were seen.
    drops: deque[tuple[float, int]] = field(default_factory=deque)
    state: HealthState | None = None


class CameraWatch:
    """Looks at all cameras of the installation."""

    def __init__(
        self,
        database: Database,
        client: Client,
        *,
        clock: Callable[[], datetime],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare to look.

        Args:
            database: where the cameras are, and how they are doing.
            client: of the streams.
            clock: gives the aware UTC time.
            monotonic: gives seconds that only go forward.
        """
        self._database = database
        self._client = client
        self._clock = clock
        self._monotonic = monotonic
        self._memories: dict[str, _Memory] = {}

    def run(self, stop: threading.Event) -> None:
        """Look again and again until `stop` is set; whatever does not answer is waited for."""
        trouble: type[Exception] | None = None
        wait_s = LOOK_S
        while not stop.is_set():
            try:
                self.look()
            except Exception as error:  # noqa: BLE001  (the outermost loop of the thread)
                wait_s = min(2 * wait_s, LONGEST_WAIT_S)
                if type(error) is not trouble:
                    _log_trouble(error)
                trouble = type(error)
            else:
                if trouble is not None:
                    logger().info("watch_recovered")
                trouble, wait_s = None, LOOK_S
            stop.wait(wait_s)

    def look(self) -> None:
        """Look at every camera once.

        Raises:
            UnavailableError: the streams or the database do not answer.
        """
        with self._database.read() as connection:
            cameras = list_cameras(connection)
            known = {health.camera: health for health in list_camera_health(connection)}
        seen = see(self._client, [camera.name for camera in cameras])
        now = self._clock()
        looks = [
            (known.get(camera.name), health)
            for camera in cameras
            if (health := self._looked(camera, seen[camera.name], known.get(camera.name), now))
        ]
        if not looks:
            return
        with self._database.write() as connection:
            for before, health in looks:
                before_at = None if before is None else before.checked_at
                if record_camera_health(connection, health, before_at=before_at):
                    _log_change(before, health)

    def _looked(
        self, camera: Camera, seen: StreamSighting, before: CameraHealth | None, now: datetime
    ) -> CameraHealth | None:
        """Return how the camera is doing; None when it was just said, or cannot be said yet."""
        now_s = self._monotonic()
        memory = self._remembered(camera.name, seen, now_s)
        sighting = Sighting(
            at=now,
            is_live=camera.is_live,
            said=seen.said,
            silent_s=now_s - memory.said_s,
            oldest_at=seen.oldest_at,
            waiting_count=seen.waiting_count,
            dropped_count=_dropped_count(memory, seen.drop_count, now_s),
            is_pushed=camera.is_pushed,
        )
        earlier, memory.state = memory.state, found(sighting)[0]
        if _is_fresh(before, now):
            return None
        is_final = seen.said is None or seen.said.is_last or camera.is_pushed
        if not (memory.is_heard or is_final or sighting.silent_s > SILENCE_S):
            return None
        # A clock that jumps makes frames look old until the next ones are judged.
        if memory.state is HealthState.LAGGING and earlier is not HealthState.LAGGING:
            return None
        return looked(before, sighting, camera=camera.name, line=camera.line)

    def _remembered(self, camera: str, seen: StreamSighting, now_s: float) -> _Memory:
        memory = self._memories.get(camera)
        if memory is None:
            memory = self._memories[camera] = _Memory(said=seen.said, said_s=now_s)
        elif seen.said != memory.said:
            memory.said, memory.said_s, memory.is_heard = seen.said, now_s, True
        return memory


def _dropped_count(memory: _Memory, drop_count: int, now_s: float) -> int:
    """Return how many frames were dropped within the last `DROPS_S`."""
    drops = memory.drops
    drops.append((now_s, drop_count))
    while drops[0][0] < now_s - DROPS_S:
        drops.popleft()
    # A count that falls is of a stream that was made anew.
    pairs = zip(drops, list(drops)[1:], strict=False)
    return sum(max(0, after - before) for (_, before), (_, after) in pairs)


def _is_fresh(before: CameraHealth | None, now: datetime) -> bool:
    """Say whether somebody looked a moment ago; a clock set back does not make it so for long."""
    if before is None:
        return False
    just_now = timedelta(seconds=JUST_NOW_S)
    return now - just_now < before.checked_at <= now + just_now


def _log_change(before: CameraHealth | None, health: CameraHealth) -> None:
    if before is not None and before.state is health.state:
        return
    level = logger().warning if health.state.is_bad else logger().info
    level(
        "camera_health",
        camera=health.camera,
        line=health.line,
        state=health.state.value,
        detail=health.detail,
    )


def _log_trouble(error: Exception) -> None:
    if isinstance(error, UnavailableError):
        logger().warning("watch_waits", why=str(error))
    else:
        logger().error("watch_broke", exc_info=error)
