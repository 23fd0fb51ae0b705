"""How alerts end: their condition goes, stays gone for long enough, and one worker resolves them.

Drift is not over while a threshold in force of the line lacks its promise.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, exists, update

from inspection.domain.alert import Alert, AlertKind
from inspection.domain.rule import Rule
from inspection.store.alert_tables import alert_outbox, alerts, rules
from inspection.store.alerts import read_alert
from inspection.store.calibrations import has_withdrawn
from inspection.store.rules import line_rule, line_rules


@dataclass(frozen=True, kw_only=True)
class CalmAlert:
    """An unresolved alert whose condition has been gone for as long as its rule asks."""

    alert_id: int
    #: Since when, by the worker's clock.
    calm_since_at: datetime
    rule: Rule


def calm(connection: Connection, alert_id: int, at: datetime) -> None:
    """Note that the condition of an alert is gone; since when stays as it was noted first."""
    _note(connection, alert_id, alerts.c.calm_since_at.is_(None), at)


def hold(connection: Connection, alert_id: int) -> None:
    """Note that the condition of an alert holds, or that nobody knows: its calm ends."""
    _note(connection, alert_id, alerts.c.calm_since_at.is_not(None), None)


def calm_alerts(connection: Connection, now: datetime) -> list[CalmAlert]:
    """Return the unresolved alerts that are over, and that nothing is about to join.

    Of those that frames open, calm is counted from the moment a frame last joined, not from its
    exposure: replayed frames may be years old.
    """
    about_to_join = exists().where(
        alert_outbox.c.line_id == alerts.c.line_id, alert_outbox.c.kind == alerts.c.kind
    )
    is_drifting = (alerts.c.kind == AlertKind.DRIFT) & has_withdrawn(alerts.c.line_id)
    rows = connection.execute(
        line_rules()
        .add_columns(alerts.c.id.label("alert_id"), alerts.c.calm_since_at)
        .join(alerts, alerts.c.rule_id == rules.c.id)
        .where(
            alerts.c.resolved_at.is_(None),
            alerts.c.calm_since_at.is_not(None),
            ~about_to_join,
            ~is_drifting,
        )
    )
    unresolved = [
        CalmAlert(alert_id=row.alert_id, calm_since_at=row.calm_since_at, rule=line_rule(row).rule)
        for row in rows
    ]
    return [each for each in unresolved if each.rule.is_calm(since=each.calm_since_at, now=now)]


def resolve(connection: Connection, calm: CalmAlert, at: datetime) -> Alert | None:
    """Resolve an alert; None when its condition is back or another worker was first."""
    changed = connection.execute(
        update(alerts)
        .where(
            alerts.c.id == calm.alert_id,
            alerts.c.resolved_at.is_(None),
            alerts.c.calm_since_at == calm.calm_since_at,
        )
        .values(resolved_at=at)
    ).rowcount
    return read_alert(connection, calm.alert_id) if changed == 1 else None


def _note(
    connection: Connection, alert_id: int, expected: ColumnElement[bool], at: datetime | None
) -> None:
    connection.execute(
        update(alerts)
        .where(alerts.c.id == alert_id, alerts.c.resolved_at.is_(None), expected)
        .values(calm_since_at=at)
    )
