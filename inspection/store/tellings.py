"""Which alerts are to be told, and the claim of one worker on telling them.

That an alert was told is a fact of its own: one that is opened while it is shelved is told when the
shelf ends, if it is still open then.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, exists, or_, select, update

from inspection.domain.alert import Alert
from inspection.domain.notification import Event
from inspection.domain.rule import Rule
from inspection.store.alert_tables import alerts, rules
from inspection.store.alerts import alert_of, alert_rows
from inspection.store.rules import line_rule, line_rules
from inspection.store.shelves import is_silenced


@dataclass(frozen=True, kw_only=True)
class Due:
    """Something about an open alert that is to be told now."""

    alert: Alert
    rule: Rule
    event: Event
    #: Tells events of one alert apart that happen more than once, from 0.
    number: int
    #: When it was told last; when it was opened if it was not told yet.
    since_at: datetime
    #: Frames that have joined since.
    more_count: int


def due(connection: Connection, now: datetime) -> list[Due]:
    """Return what is to be told now, of alerts that are not silenced, the oldest first."""
    is_growing = alerts.c.frame_count > alerts.c.told_count
    may_be_told = alerts.c.acknowledged_at.is_(None) & or_(
        is_growing, alerts.c.escalated_at.is_(None)
    )
    rows = connection.execute(
        alert_rows()
        .add_columns(alerts.c.retold_at, alerts.c.told_count, alerts.c.repeat_count)
        .where(
            alerts.c.resolved_at.is_(None),
            or_(alerts.c.told_at.is_(None), may_be_told),
            ~is_silenced(now),
        )
        .order_by(alerts.c.id)
    ).all()
    of_rules = select(alerts.c.rule_id).where(alerts.c.resolved_at.is_(None))
    found = connection.execute(line_rules().where(rules.c.id.in_(of_rules))) if rows else ()
    known = {row.id: line_rule(row).rule for row in found}
    return [each for row in rows if (each := _due(row, known[row.rule_id], now)) is not None]


def is_anything_untold(connection: Connection, now: datetime) -> bool:
    """Say whether an open alert waits to be told of for the first time."""
    return bool(connection.scalar(select(exists(select(alerts.c.id).where(*_untold(now))))))


def claim_opening(connection: Connection, alert_id: int, at: datetime) -> bool:
    """Note that people are told of an alert; False when they were, or it is silenced or over."""
    return (
        connection.execute(
            update(alerts)
            .where(alerts.c.id == alert_id, *_untold(at))
            .values(told_at=at, retold_at=at, told_count=alerts.c.frame_count)
        ).rowcount
        == 1
    )


def claim(connection: Connection, due: Due, at: datetime) -> bool:
    """Note that something is told; False when another worker was first, or it is told no more."""
    if due.event is Event.OPENED:
        return claim_opening(connection, due.alert.alert_id, at)
    statement = update(alerts).where(
        alerts.c.id == due.alert.alert_id,
        alerts.c.resolved_at.is_(None),
        alerts.c.acknowledged_at.is_(None),
        ~is_silenced(at),
    )
    if due.event is Event.ESCALATED:
        statement = statement.where(alerts.c.escalated_at.is_(None)).values(escalated_at=at)
    else:
        statement = statement.where(alerts.c.repeat_count == due.number).values(
            retold_at=at, told_count=due.alert.frame_count, repeat_count=due.number + 1
        )
    return connection.execute(statement).rowcount == 1


def _untold(now: datetime) -> tuple[ColumnElement[bool], ...]:
    return (alerts.c.told_at.is_(None), alerts.c.resolved_at.is_(None), ~is_silenced(now))


def _due(row: Row[*tuple[Any, ...]], rule: Rule, now: datetime) -> Due | None:
    alert = alert_of(row)
    event = _event(row, rule, now)
    if event is None:
        return None
    is_first = event is Event.OPENED
    return Due(
        alert=alert,
        rule=rule,
        event=event,
        number=row.repeat_count if event is Event.UPDATED else 0,
        since_at=alert.opened_at if is_first else row.retold_at,
        more_count=alert.frame_count - (alert.opened_count if is_first else row.told_count),
    )


def _event(row: Row[*tuple[Any, ...]], rule: Rule, now: datetime) -> Event | None:
    if row.told_at is None:
        return Event.OPENED
    if row.escalated_at is None and _is_over(rule.escalate_after_s, row.told_at, now):
        return Event.ESCALATED
    if row.frame_count > row.told_count and _is_over(rule.repeat_s, row.retold_at, now):
        return Event.UPDATED
    return None


def _is_over(wait_s: float | None, since: datetime, now: datetime) -> bool:
    return wait_s is not None and now - since >= timedelta(seconds=wait_s)
