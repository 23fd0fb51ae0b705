"""What people do about alerts: acknowledge, dismiss, resolve; each with who, when and why."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, func, select, update

from inspection.domain.alert import Alert
from inspection.domain.notification import Event, Telling
from inspection.errors import ConfigurationError
from inspection.store import notifications, outbox
from inspection.store.alert_tables import alerts, armings
from inspection.store.alerts import read_alert
from inspection.store.audit import Change, add_change


@dataclass(frozen=True, kw_only=True)
class Response:
    """Who responds, when, and what they say."""

    at: datetime
    by: str
    note: str = ""


def acknowledge(connection: Connection, alert_id: int, response: Response) -> Alert:
    """Note who has seen an alert, and when; the first to do so stays.

    Raises:
        NotFoundError: there is no such alert.
    """
    changed = connection.execute(
        update(alerts)
        .where(alerts.c.id == alert_id, alerts.c.acknowledged_at.is_(None))
        .values(
            acknowledged_at=response.at,
            acknowledged_by=response.by,
            acknowledged_note=response.note,
        )
    ).rowcount
    alert = read_alert(connection, alert_id)
    if changed:
        _audit(connection, alert, "acknowledged", response)
    return alert


def dismiss(connection: Connection, alert_id: int, response: Response) -> Alert:
    """Acknowledge an alert as nothing that must be acted on; who acknowledged it before stays.

    Raises:
        NotFoundError: there is no such alert.
        ConfigurationError: no reason is given.
    """
    _check_reason(response)
    changed = connection.execute(
        update(alerts)
        .where(alerts.c.id == alert_id, ~alerts.c.is_dismissed)
        .values(
            acknowledged_at=func.coalesce(alerts.c.acknowledged_at, response.at),
            acknowledged_by=func.coalesce(alerts.c.acknowledged_by, response.by),
            acknowledged_note=response.note,
            is_dismissed=True,
        )
    ).rowcount
    alert = read_alert(connection, alert_id)
    if changed:
        _audit(connection, alert, "dismissed", response)
    return alert


def resolve(connection: Connection, alert_id: int, response: Response) -> Alert:
    """Resolve an alert by hand, and tell whoever was told that it is open.

    If its condition still holds, or as soon as it holds again, another one opens.

    Raises:
        NotFoundError: there is no such alert.
        ConfigurationError: no reason is given.
    """
    _check_reason(response)
    changed = connection.execute(
        update(alerts)
        .where(alerts.c.id == alert_id, alerts.c.resolved_at.is_(None))
        .values(resolved_at=response.at, resolved_by=response.by, resolved_note=response.note)
    ).rowcount
    alert = read_alert(connection, alert_id)
    if changed:
        _audit(connection, alert, "resolved", response)
        _tell(connection, alert, response)
    return alert


def resolve_all(connection: Connection, rule_id: int, response: Response) -> None:
    """Resolve the alerts of a rule by hand, and forget what is armed: nobody looks any more."""
    connection.execute(delete(armings).where(armings.c.rule_id == rule_id))
    of_rule = (alerts.c.rule_id == rule_id) & alerts.c.resolved_at.is_(None)
    for alert_id in connection.scalars(select(alerts.c.id).where(of_rule)).all():
        resolve(connection, alert_id, response)


def _tell(connection: Connection, alert: Alert, response: Response) -> None:
    if alert.told_at is None:
        return
    telling = Telling(
        event=Event.RESOLVED,
        summary=f"line {alert.line}: resolved by {response.by}: {response.note}",
        frame=outbox.evidence_of(connection, alert.alert_id, alert.frame_id),
    )
    notifications.notify(connection, alert, telling, at=response.at)


def _check_reason(response: Response) -> None:
    if not response.note.strip():
        raise ConfigurationError("this needs a --reason, for whoever wonders about it later")


def _audit(connection: Connection, alert: Alert, action: str, response: Response) -> None:
    after: dict[str, Any] = {"line": alert.line, "rule": alert.rule, "note": response.note}
    change = Change(
        at=response.at,
        who=response.by,
        action=action,
        thing="alert",
        name=str(alert.alert_id),
        after=after,
    )
    add_change(connection, change)
