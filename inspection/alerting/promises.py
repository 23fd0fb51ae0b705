"""Watching whether scores still look like those a threshold was made from."""

from dataclasses import replace
from datetime import datetime

from inspection import telemetry
from inspection.alerting import flips
from inspection.domain import drift
from inspection.domain.alert import AlertKind
from inspection.store import calibrations, outbox
from inspection.store.calibrations import Passage, Watched
from inspection.store.database import Database
from inspection.store.thresholds import scope_name


def look(database: Database, now: datetime) -> bool:
    """Go on with the test of every standing promise; withdraw those that scores have left.

    1. Read the inspections after the position of the promise, a bounded number of them.
    2. Go on with the test over the scores that its threshold has judged, in the ledger's order.
    3. Note state and position in one transaction, unless another worker has moved them.
    4. On an alarm, withdraw the promise in the same transaction, and open or join the line's
       alert of drift. The threshold stays in force.

    Returns:
        Whether more is waiting to be looked at.

    Raises:
        UnavailableError: the database does not answer; nothing of the present promise was noted.
    """
    with database.read() as connection:
        standing = calibrations.standing(connection)
    is_behind = False
    for watched in standing:
        with database.read() as connection:
            passage = calibrations.passage(connection, watched)
        if passage.is_worth_noting:
            _go_on(database, watched, passage, now)
            is_behind = is_behind or passage.row_count == calibrations.STRIDE
    return is_behind


def _go_on(database: Database, watched: Watched, passage: Passage, now: datetime) -> None:
    scores = [score for _, score in passage.judged]
    state = drift.watch(watched.state, watched.marks, scores)
    if not state.is_alarmed:
        with database.write() as connection:
            calibrations.advance(connection, watched, state, passage.position)
        return
    seen_count = state.seen_count - watched.state.seen_count
    ledger_id, _ = passage.judged[seen_count - 1]
    why = drift.described(state, watched.marks)
    with database.write() as connection:
        if not calibrations.withdraw(connection, watched, state, ledger_id, at=now, why=why):
            return
        (taken,) = outbox.taken_of(connection, {ledger_id: AlertKind.DRIFT})
        detail = (
            f"threshold {scope_name(watched.scope)}, version {watched.version}, no longer "
            f"promises at most {100 * watched.false_reject_rate:g} % false rejects: {why}"
        )
        flips.settle(connection, [replace(taken, detail=detail)], now)
    telemetry.logger().warning(
        "promise_withdrawn",
        line=watched.scope.line,
        threshold_id=watched.threshold_id,
        frame_id=taken.frame.frame_id,
        why=why,
    )
