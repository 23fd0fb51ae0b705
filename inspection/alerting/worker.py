"""The alert worker: takes frames from the outbox, looks at rules, tells, ends calm alerts."""

import itertools
import threading
import time
from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection

from inspection import telemetry
from inspection.alerting import flips, promises, tellings
from inspection.alerting.delivery import Courier, Couriers
from inspection.alerting.looks import Looks
from inspection.alerting.outbound import PUBLIC, Outbound
from inspection.domain.channel import Channel
from inspection.errors import InspectionError, UnavailableError
from inspection.store import notifications, outbox
from inspection.store.database import Database
from inspection.store.outbox import Waiting
from inspection.store.tellings import is_anything_untold

#: Frames taken from the outbox before couriers are sent out again.
BATCH_SIZE: Final = 200
#: Lines whose frames are looked at in one transaction, which others wait for.
LINES_AT_ONCE: Final = 10
#: A frame that could not be processed is left alone for so long, in seconds.
PUT_ASIDE_S: Final = 60.0
#: Longest wait between two tries while the database does not answer, in seconds.
LONGEST_WAIT_S: Final = 10.0
#: How often rules and promises are looked at, in seconds.
LOOK_S: Final = 1.0
#: How long couriers under way are waited for at the end, in seconds.
FAREWELL_S: Final = 1.0


def run(
    database: Database,
    *,
    clock: Callable[[], datetime],
    stop: threading.Event,
    outbound: Outbound = PUBLIC,
    poll_s: float = 0.25,
    turned: Callable[[], None] = lambda: None,
) -> None:
    """Work until `stop` is set, then return within about a second.

    An outage of the database is logged once and waited out. Several workers may run.

    Args:
        database: where everything is; nothing is kept in this process.
        clock: gives the aware UTC time.
        stop: ends the work.
        outbound: which private hosts webhooks may reach.
        poll_s: how often to look when there is nothing to do, in seconds.
        turned: told each time a round has come to its end, whether well or not.
    """
    worker = _Worker(database, clock, stop, outbound)
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


def once(database: Database, now: datetime, *, outbound: Outbound = PUBLIC) -> None:
    """Do everything that is due at `now`, in this thread, with the channels in turn."""
    while waiting := _waiting(database):
        for ledger_ids in _by_lines(waiting):
            flips.process(database, ledger_ids, now)
    while promises.look(database, now):
        pass
    Looks(database).look(now)
    tellings.tell_due(database, now)
    tellings.resolve_calm(database, now)
    for configuration in _due(database, now):
        with Courier(database, configuration, lambda: now, outbound) as courier:
            while courier.deliver_next():
                pass


def is_idle(connection: Connection, now: datetime) -> bool:
    """Say whether there is nothing to do at `now`: all frames looked at, nothing due or under way.

    Neither a notification that waits for its next attempt counts, nor a condition that has not
    held for long enough.
    """
    return (
        outbox.is_empty(connection)
        and not is_anything_untold(connection, now)
        and notifications.is_idle(connection, now)
    )


def _waiting(database: Database, *, without: Collection[int] = ()) -> list[Waiting]:
    with database.read() as connection:
        return outbox.waiting(connection, limit=BATCH_SIZE, without=without)


def _by_lines(waiting: Sequence[Waiting]) -> list[list[int]]:
    """Return the ledger ids of all frames, those of a few lines at a time."""
    of_line: dict[int, list[int]] = {}
    for each in waiting:
        of_line.setdefault(each.line_id, []).append(each.ledger_id)
    lines = list(of_line.values())
    starts = range(0, len(lines), LINES_AT_ONCE)
    return [[*itertools.chain(*lines[start : start + LINES_AT_ONCE])] for start in starts]


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
        self,
        database: Database,
        clock: Callable[[], datetime],
        stop: threading.Event,
        outbound: Outbound,
    ) -> None:
        self._database = database
        self._clock = clock
        self._stop = stop
        #: Until when a frame that could not be processed is left alone.
        self._aside: dict[int, datetime] = {}
        self.couriers = Couriers(database, clock=clock, stop=stop, outbound=outbound)
        #: When rules and promises are looked at next, by the monotonic clock.
        self._rules_s = self._promises_s = time.monotonic()
        self._looks = Looks(database)

    def round(self) -> bool:
        """Take one batch, look at what is due, send couriers out; say whether more is waiting."""
        now = self._clock()
        self._aside = {each: until for each, until in self._aside.items() if until > now}
        waiting = _waiting(self._database, without=self._aside)
        for ledger_ids in _by_lines(waiting):
            if self._stop.is_set():
                return False
            self._process(ledger_ids)
        self.couriers.send_out(_due(self._database, self._clock()))
        self.couriers.tend()
        # Last, because what cannot be looked at must not keep alerts from being told.
        self._look_at_rules()
        is_behind = self._look_at_promises()
        return is_behind or len(waiting) == BATCH_SIZE

    def _look_at_rules(self) -> None:
        if time.monotonic() < self._rules_s:
            return
        self._rules_s = time.monotonic() + LOOK_S
        # In this order: what nobody has looked at for a while is not over for that.
        self._looks.look(self._clock())
        tellings.tell_due(self._database, self._clock())
        tellings.resolve_calm(self._database, self._clock())

    def _look_at_promises(self) -> bool:
        if time.monotonic() < self._promises_s:
            return False
        self._promises_s = time.monotonic() + LOOK_S
        is_behind = promises.look(self._database, self._clock())
        if is_behind:
            self._promises_s = time.monotonic()
        return is_behind

    def _process(self, ledger_ids: Sequence[int]) -> None:
        try:
            flips.process(self._database, ledger_ids, self._clock())
        except UnavailableError:
            raise
        except Exception:
            # One frame must not keep all others from being looked at.
            if len(ledger_ids) > 1:
                for each in ledger_ids:
                    self._process([each])
                return
            (broken,) = ledger_ids
            self._aside[broken] = self._clock() + timedelta(seconds=PUT_ASIDE_S)
            log = telemetry.logger()
            log.exception("outbox_frame_put_aside", ledger_id=broken)
