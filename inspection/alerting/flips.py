"""From frames in the outbox to alerts: taken, joined and opened in one transaction."""

import itertools
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import Connection

from inspection.alerting import tellings
from inspection.alerting.conditions import ng_finding, unjudged_finding
from inspection.domain.alert import AlertKind
from inspection.domain.rule import NgCondition
from inspection.errors import UnavailableError
from inspection.store import openings, outbox, rules
from inspection.store.database import Database
from inspection.store.openings import Finding
from inspection.store.outbox import Taken
from inspection.store.rules import LineRule
from inspection.store.shelves import paused_lines

#: How often frames may lose the race for their alert; to lose a second time, the alert that won
#: must have been resolved within the same milliseconds.
RACE_LIMIT: Final = 5
#: Kinds of rules that frames of a kind belong to; only those of their own kind open alerts.
_JOINED: Final = {AlertKind.NG: (AlertKind.NG, AlertKind.RATE)}


def process(database: Database, ledger_ids: Collection[int], now: datetime) -> int:
    """Look at frames of the outbox, in one transaction.

    1. Take them out of the outbox, except those that another worker has taken.
    2. For each rule of their line and kind: if it has an unresolved alert, they join it.
    3. Else those that an alert of the rule has told of already need no other, and a paused line
       opens none.
    4. The first of the others must give grounds: an NG frame must fulfil the rule.
    5. If the condition must hold for a time, note since when it does.
    6. Else open the alert and tell it; the frames after it join. If another worker was first, go
       back to 2.

    Args:
        database: where everything is.
        ledger_ids: of a few lines, whose alerts others cannot change meanwhile.
        now: by the worker's clock.

    Returns:
        How many were still in the outbox.

    Raises:
        UnavailableError: the database does not answer, or the race was lost again and again; the
            frames stay in the outbox.
    """
    with database.write() as connection:
        taken = outbox.take(connection, ledger_ids)
        # In one order, so that workers wait for each other instead of blocking each other.
        taken.sort(key=lambda each: (each.line_id, each.kind, each.ledger_id))
        # Of frames that were judged after all nobody needs to be told that they were not.
        unsettled = [each for each in taken if not _is_redeemed(each)]
        for _, group in itertools.groupby(unsettled, lambda each: (each.line_id, each.kind)):
            settle(connection, list(group), now)
    return len(taken)


def settle(connection: Connection, taken: Sequence[Taken], now: datetime) -> None:
    """Run steps 2 to 6 of `process` for frames of one line and kind, the first recorded first.

    Raises:
        UnavailableError: the race was lost again and again; roll back.
    """
    kind = taken[0].kind
    for rule in rules.rules_of_kinds(connection, taken[0].line_id, _JOINED.get(kind, (kind,))):
        if rule.kind is kind:
            _follow(connection, rule, taken, now)
        else:
            openings.join(connection, rule, taken, now)


def stretch(condition: NgCondition, newest_first: Sequence[bool], position: int) -> slice | None:
    """Return `n` inspections in a row that fulfil the condition and hold the one at `position`.

    Those that end with it come first. Later ones matter when it was recorded late: a frame of
    another camera may have been judged before it though it was exposed after it.

    Args:
        condition: the line's.
        newest_first: whether each inspection is NG.
        position: place of the one in question.

    Returns:
        Their places; None when there are none.
    """
    for start in range(position, max(position - condition.n, -1), -1):
        if condition.holds(newest_first[start:]):
            return slice(start, start + condition.n)
    return None


def _follow(connection: Connection, rule: LineRule, taken: Sequence[Taken], now: datetime) -> None:
    for _ in range(RACE_LIMIT):
        if openings.join(connection, rule, taken, now) is not None:
            return
        fresh = openings.untold(connection, rule, taken)
        if not fresh or rule.line_id in paused_lines(connection, now):
            return
        if _is_settled(connection, rule, fresh, now):
            return
    raise UnavailableError(
        f"the alert of line {rule.line} was opened and resolved by others {RACE_LIMIT} times "
        f"while frame {taken[0].frame.frame_id} was to join it"
    )


def _is_settled(
    connection: Connection, rule: LineRule, fresh: Sequence[Taken], now: datetime
) -> bool:
    """Run steps 4 to 6; False when another worker opened the alert meanwhile."""
    for place, each in enumerate(fresh):
        finding = _grounds(connection, rule, each)
        if finding is None:
            continue
        if rule.rule.on_delay_s > 0:
            openings.arm(connection, rule.rule_id, finding.subject, now)
            return True
        alert = openings.open_alert(connection, rule, finding, now)
        if alert is None:
            return False
        tellings.tell_opened(connection, alert, finding.frame, now)
        if rest := fresh[place + 1 :]:
            openings.join(connection, rule, rest, now)
        return True
    return True


def _grounds(connection: Connection, rule: LineRule, taken: Taken) -> Finding | None:
    condition = rule.rule.condition
    if not isinstance(condition, NgCondition):
        return unjudged_finding(taken)
    near = outbox.around(connection, taken, n=condition.n)
    places = stretch(condition, near.is_ng, near.position)
    return None if places is None else ng_finding(connection, rule, near, places)


def _is_redeemed(taken: Taken) -> bool:
    return taken.kind is AlertKind.UNINSPECTED and taken.reason is None
