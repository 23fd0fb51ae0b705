"""From a frame in the outbox to an alert, and from calm to its end; one transaction each."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Connection

from inspection.alerting import summary
from inspection.domain.alert import AlertKind, Rule
from inspection.domain.notification import AlertFrame, Event, Telling
from inspection.errors import UnavailableError
from inspection.store import alerts, notifications, outbox
from inspection.store.database import Database

#: How often one frame may lose the race for its alert; to lose a second time, the alert that won
#: must have been resolved within the same milliseconds.
RACE_LIMIT: Final = 5


@dataclass(frozen=True, kw_only=True)
class Grounds:
    """Why an alert is to be opened."""

    #: Ledger ids of the frames that belong to it, newest first.
    members: Sequence[int]
    #: The newest of them.
    frame: AlertFrame
    #: One sentence for people.
    summary: str


def process(database: Database, ledger_id: int, now: datetime) -> bool:
    """Look at one frame of the outbox, in one transaction.

    1. Take it out of the outbox. If another worker has taken it, there is nothing to do.
    2. A paused line opens no alerts.
    3. If the line has an unresolved alert of this kind, the frame joins it.
    4. A frame that an alert has told of already needs no other.
    5. There must be grounds: an NG frame must fulfil the line's rule.
    6. Open the alert, with a notification for each channel of the line. If another worker was
       first, go back to 3.

    Returns:
        Whether the frame was still in the outbox.

    Raises:
        UnavailableError: the database does not answer, or the race was lost again and again; the
            frame stays in the outbox.
    """
    with database.write() as connection:
        taken = outbox.take(connection, ledger_id)
        if taken is not None:
            settle(connection, taken, now)
        return taken is not None


def settle(connection: Connection, taken: outbox.Taken, now: datetime) -> None:
    """Run steps 2 to 6 of `process`, in the transaction that has found the reason.

    Raises:
        UnavailableError: the race was lost again and again; roll back.
    """
    if taken.is_paused:
        return
    for _ in range(RACE_LIMIT):
        if _is_settled(connection, taken, now):
            return
    raise UnavailableError(
        f"the alert of line {taken.line} was opened and resolved by others {RACE_LIMIT} times "
        f"while frame {taken.frame.frame_id} was to join it"
    )


def resolve_calm(database: Database, now: datetime) -> int:
    """Resolve the alerts that nothing has joined for long enough, and tell their channels.

    Returns:
        How many were resolved by this call.
    """
    with database.read() as connection:
        calm = alerts.calm_alerts(connection, now)
    resolved_count = 0
    for each in calm:
        with database.write() as connection:
            alert = alerts.resolve(connection, each, now)
            if alert is None:
                continue
            telling = Telling(
                event=Event.RESOLVED,
                summary=summary.of_calm(alert, group_s=each.rule.group_s),
                frame=outbox.evidence_of(connection, alert.alert_id, alert.frame_id),
            )
            notifications.notify(connection, alert, telling, at=now)
        resolved_count += 1
    return resolved_count


def stretch(rule: Rule, newest_first: Sequence[bool], position: int) -> slice | None:
    """Return `rule.n` inspections in a row that fulfil the rule and hold the one at `position`.

    Those that end with it come first. Later ones matter when it was recorded late: a frame of
    another camera may have been judged before it though it was exposed after it.

    Args:
        rule: the line's rule.
        newest_first: whether each inspection is NG.
        position: place of the one in question.

    Returns:
        Their places; None when there are none.
    """
    for start in range(position, max(position - rule.n, -1), -1):
        if rule.holds(newest_first[start:]):
            return slice(start, start + rule.n)
    return None


def _is_settled(connection: Connection, taken: outbox.Taken, now: datetime) -> bool:
    """Run steps 3 to 6; False when another worker opened the alert meanwhile."""
    if alerts.join(connection, taken, now) is not None or alerts.is_told(connection, taken):
        return True
    grounds = _grounds(connection, taken)
    if grounds is None:
        return True
    alert = alerts.open_alert(
        connection,
        taken,
        frame=grounds.frame,
        members=grounds.members,
        summary=grounds.summary,
        at=now,
    )
    if alert is None:
        return False
    telling = Telling(event=Event.OPENED, summary=alert.summary, frame=grounds.frame)
    notifications.notify(connection, alert, telling, at=now)
    return True


def _grounds(connection: Connection, taken: outbox.Taken) -> Grounds | None:
    if taken.kind is not AlertKind.NG:
        is_drift = taken.kind is AlertKind.DRIFT
        told = summary.of_drift(taken) if is_drift else summary.of_uninspected(taken)
        return Grounds(members=[taken.ledger_id], frame=taken.frame, summary=told)
    near = outbox.around(connection, taken)
    places = stretch(taken.rule, near.is_ng, near.position)
    if places is None:
        return None
    seen = list(zip(near.ledger_ids[places], near.is_ng[places], strict=True))
    members = [ledger_id for ledger_id, is_ng in seen if is_ng]
    newest = outbox.evidence(connection, members[0])
    return Grounds(
        members=members,
        frame=newest,
        summary=summary.of_ng(taken.line, ng_count=len(members), of_count=len(seen), newest=newest),
    )
