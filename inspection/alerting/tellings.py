"""Telling channels about alerts: that one is open, has grown, was left alone, or is over."""

from datetime import datetime

from sqlalchemy import Connection

from inspection.alerting import summary
from inspection.domain.alert import Alert
from inspection.domain.notification import AlertFrame, Event, Telling
from inspection.store import notifications, outbox, resolutions, tellings
from inspection.store.database import Database


def tell_opened(
    connection: Connection, alert: Alert, frame: AlertFrame | None, now: datetime
) -> None:
    """Tell that an alert is open, in the transaction that opens it; unless it is shelved."""
    if tellings.claim_opening(connection, alert.alert_id, now):
        telling = Telling(event=Event.OPENED, summary=alert.summary, frame=frame)
        notifications.notify(connection, alert, telling, at=now)


def tell_due(database: Database, now: datetime) -> int:
    """Tell everything that is due about open alerts, one transaction each.

    Returns:
        How much was told by this call.
    """
    with database.read() as connection:
        due = tellings.due(connection, now)
    told_count = 0
    for each in due:
        with database.write() as connection:
            if tellings.claim(connection, each, now):
                alert, told = each.alert, summary.of_due(each, now)
                telling = Telling(
                    event=each.event,
                    number=each.number,
                    summary=told,
                    frame=_evidence(connection, alert),
                )
                notifications.notify(connection, alert, telling, at=now)
                told_count += 1
    return told_count


def resolve_calm(database: Database, now: datetime) -> int:
    """Resolve the alerts whose condition has been gone for long enough, one transaction each.

    Returns:
        How many were resolved by this call.
    """
    with database.read() as connection:
        calm = resolutions.calm_alerts(connection, now)
    resolved_count = 0
    for each in calm:
        with database.write() as connection:
            alert = resolutions.resolve(connection, each, now)
            if alert is None:
                continue
            resolved_count += 1
            # Who was not told that it was open needs not be told that it no longer is.
            if alert.told_at is not None:
                telling = Telling(
                    event=Event.RESOLVED,
                    summary=summary.of_calm(alert, off_delay_s=each.rule.off_delay_s),
                    frame=_evidence(connection, alert),
                )
                notifications.notify(connection, alert, telling, at=now)
    return resolved_count


def _evidence(connection: Connection, alert: Alert) -> AlertFrame | None:
    return outbox.evidence_of(connection, alert.alert_id, alert.frame_id)
