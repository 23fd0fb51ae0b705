"""The alert worker: takes frames from the outbox, watches promises, ends calm alerts, tells."""

import threading
import time
from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection

from inspection import telemetry
from inspection.alerting import flips, promises
from inspection.alerting.delivery import Courier, Couriers
from inspection.domain.site import Channel
from inspection.errors import InspectionError, UnavailableError
from inspection.store import notifications, outbox
from inspection.store.database import Database

#: Frames taken from the outbox before couriers are sent out again.
BATCH_SIZE: Final = 50
#: A frame that could not be processed is left alone for so long, in seconds.
PUT_ASIDE_S: Final = 60.0
#: Longest wait between two tries while the database does not answer, in seconds.
LONGEST_WAIT_S: Final = 10.0
#: How often promises are looked at, in seconds.
PROMISES_S: Final = 1.0
#: How long couriers under way are waited for at the end, in seconds.
FAREWELL_S: Final = 1.0


def run(
    database: Database,
    *,
    clock: Callable[[], datetime],
    stop: threading.Event,
    poll_s: float = 0.25,
    turned: Callable[[], None] = lambda: None,
) -> None:
    """Work until `stop` is set, then return within about a second.

    An outage of the database is logged once and waited out. Several workers may run.

    Args:
        database: where everything is; nothing is kept in this process.
        clock: gives the aware UTC time.
        stop: ends the work.
        poll_s: how often to look when there is nothing to do, in seconds.
        turned: told each time a round has come to its end, whether well or not.
    """
    worker = _Worker(database, clock, stop)
    trouble: type[Exception] | None = None
    wait_s = poll_s
    while not stop.is_set():
        try:
            is_busy = worker.round()
        except Exception as error:  # noqa: BLE001  (the outermost loop of the process)
            wait_s = min(2 * max(wait_s, poll_s), LONGEST_WAIT_S)
            if type(error) is not trouble:
                trouble = type(error)
                _log_trouble(error)
        else:
            if trouble is not None:
                telemetry.logger().info("alerter_recovered")
            trouble, wait_s = None, 0.0 if is_busy else poll_s
        turned()
        stop.wait(wait_s)
    worker.couriers.wait(FAREWELL_S)


def once(database: Database, now: datetime) -> None:
    """Do everything that is due at `now`, in this thread, with the channels in turn."""
    while waiting := _waiting(database):
        for ledger_id in waiting:
            flips.process(database, ledger_id, now)
    while promises.look(database, now):
        pass
    flips.resolve_calm(database, now)
    for configuration in _due(database, now):
        courier = Courier(database, configuration, lambda: now)
        while courier.deliver_next():
            pass


def is_idle(connection: Connection, now: datetime) -> bool:
    """Say whether there is nothing to do at `now`: all frames looked at, nothing due or under way.

    A notification that waits for its next attempt does not count.
    """
    return outbox.is_empty(connection) and notifications.is_idle(connection, now)


def _waiting(database: Database, *, without: Collection[int] = ()) -> list[int]:
    with database.read() as connection:
        return outbox.waiting(connection, limit=BATCH_SIZE, without=without)


def _due(database: Database, now: datetime) -> list[Channel]:
    with database.read() as connection:
        return notifications.due_channels(connection, now)


def _log_trouble(error: Exception) -> None:
    log = telemetry.logger()
    if isinstance(error, InspectionError):
        log.warning("alerter_waits", error=str(error))
    else:
        log.error("alerter_broke", exc_info=error)


class _Worker:
    """One process's share of the work."""

    def __init__(
        self, database: Database, clock: Callable[[], datetime], stop: threading.Event
    ) -> None:
        self._database = database
        self._clock = clock
        self._stop = stop
        #: Until when a frame that could not be processed is left alone.
        self._aside: dict[int, datetime] = {}
        #: When promises are looked at next, by the monotonic clock.
        self._look_s = time.monotonic()
        self.couriers = Couriers(database, clock=clock, stop=stop)

    def round(self) -> bool:
        """Take one batch, end what is calm, send couriers out; say whether more is waiting."""
        now = self._clock()
        self._aside = {each: until for each, until in self._aside.items() if until > now}
        waiting = _waiting(self._database, without=self._aside)
        for ledger_id in waiting:
            if self._stop.is_set():
                return False
            self._process(ledger_id)
        flips.resolve_calm(self._database, self._clock())
        self.couriers.send_out(_due(self._database, self._clock()))
        # Last, because a promise that cannot be looked at must not keep alerts from being told.
        is_behind = self._look_at_promises()
        return is_behind or len(waiting) == BATCH_SIZE

    def _look_at_promises(self) -> bool:
        if time.monotonic() < self._look_s:
            return False
        self._look_s = time.monotonic() + PROMISES_S
        is_behind = promises.look(self._database, self._clock())
        if is_behind:
            self._look_s = time.monotonic()
        return is_behind

    def _process(self, ledger_id: int) -> None:
        try:
            flips.process(self._database, ledger_id, self._clock())
        except UnavailableError:
            raise
        except Exception:
            # One frame must not keep all others from being looked at.
            self._aside[ledger_id] = self._clock() + timedelta(seconds=PUT_ASIDE_S)
            log = telemetry.logger()
            log.exception("outbox_frame_put_aside", ledger_id=ledger_id)
