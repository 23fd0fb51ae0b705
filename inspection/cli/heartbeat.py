"""The heartbeat of a process: a thread that tells the database that it lives, and works."""

import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime

from inspection.domain.heartbeat import BEAT_S, Heartbeat
from inspection.errors import InspectionError
from inspection.store.database import Database
from inspection.store.heartbeats import beat, remove_heartbeat
from inspection.telemetry import logger


class Pulse:
    """What the loop of a process says of its work; taken down from another thread."""

    def __init__(self, process: str, *, slot: int, clock: Callable[[], datetime]) -> None:
        self._process = process
        self._slot = slot
        self._clock = clock
        self._host = socket.gethostname()
        self._started_at = self._turned_at = clock()
        self._done_count = 0

    def turn(self, done_count: int = 0) -> None:
        """Say that the loop came round, and has done so much more."""
        self._turned_at = self._clock()
        self._done_count += done_count

    def turn_at(self, done_count: int) -> None:
        """Say that the loop came round, and has done so much in all."""
        self._turned_at = self._clock()
        self._done_count = done_count

    def heartbeat(self) -> Heartbeat:
        """Return what is to be written down now."""
        return Heartbeat(
            process=self._process,
            host=self._host,
            slot=self._slot,
            pid=os.getpid(),
            started_at=self._started_at,
            beat_at=self._clock(),
            turned_at=self._turned_at,
            done_count=self._done_count,
        )


@contextmanager
def beating(
    database: Database,
    process: str,
    *,
    clock: Callable[[], datetime],
    slot: int = 0,
    every_s: float = BEAT_S,
) -> Iterator[Pulse]:
    """Tell the database again and again that this process lives, until the block is left.

    An outage is waited out in silence: the processes say themselves what does not answer. Whoever
    is killed leaves his row behind, which then says since when he is silent.

    Args:
        database: where it is written down.
        process: kind of process.
        clock: gives the aware UTC time.
        slot: tells processes of one kind on this machine apart.
        every_s: seconds between two beats.
    """
    pulse, stop = Pulse(process, slot=slot, clock=clock), threading.Event()

    def write() -> None:
        while True:
            _write(database, pulse)
            if stop.wait(every_s):
                return

    thread = threading.Thread(target=write, name="heartbeat", daemon=True)
    thread.start()
    try:
        yield pulse
    finally:
        stop.set()
        thread.join(every_s)
        _remove(database, pulse)


def _write(database: Database, pulse: Pulse) -> None:
    try:
        with database.write() as connection:
            beat(connection, pulse.heartbeat())
    except InspectionError:
        return
    except Exception:  # noqa: BLE001  (the outermost loop of the thread)
        logger().exception("heartbeat_broke")


def _remove(database: Database, pulse: Pulse) -> None:
    try:
        with database.write() as connection:
            remove_heartbeat(connection, pulse.heartbeat())
    except InspectionError as error:
        logger().warning("heartbeat_left", why=str(error))
