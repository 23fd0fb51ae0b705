"""The notifications: made with the alert, claimed for a while, delivered at least once."""

import functools
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import uuid4

from sqlalchemy import ColumnElement, Connection, Row, exists, insert, or_, select, update

from inspection.domain.alert import Alert, AlertKind
from inspection.domain.channel import Channel
from inspection.domain.inspection import Verdict
from inspection.domain.notification import (
    ATTEMPT_LIMIT,
    AlertFrame,
    Delivery,
    Event,
    Failure,
    Notification,
    Telling,
)
from inspection.store import attempts
from inspection.store.alert_tables import alerts
from inspection.store.channel_tables import channels, notifications
from inspection.store.channels import channel_ids, list_channels
from inspection.store.tables import lines

#: How long a claimed notification is left to its worker, in seconds; longer than any sending.
LEASE_S: Final = 30.0
#: Notifications looked at for one claim: others may be faster with the first ones.
_CHOICE: Final = 8


def notify(connection: Connection, alert: Alert, telling: Telling, *, at: datetime) -> int:
    """Make one notification for every channel that hears of the alert's line and this event.

    That an alert is over is told only where something of it was told before, or where nothing
    else is heard: a channel that was added meanwhile knows of no such alert.

    Args:
        connection: the transaction that opens or resolves the alert.
        alert: the alert as it is now.
        telling: what is told; the same event and number of an alert only once.
        at: now; they are due at once.

    Returns:
        How many were made.
    """
    hearing = [each for each in list_channels(connection) if each.hears(alert.line, telling.event)]
    ids = channel_ids(connection)
    if telling.event is Event.RESOLVED:
        told = _told(connection, alert.alert_id)
        hearing = [each for each in hearing if each.hears_ends_alone or ids[each.name] in told]
    content = _content(alert, telling)
    rows = [
        {
            "id": str(uuid4()),
            "alert_id": alert.alert_id,
            "channel_id": ids[channel.name],
            "event": telling.event,
            "number": telling.number,
            "created_at": at,
            "content": content,
            "state": Delivery.WAITING,
            "attempt_count": 0,
            "attempt_limit": ATTEMPT_LIMIT,
            "next_attempt_at": at,
        }
        for channel in hearing
    ]
    if rows:
        connection.execute(insert(notifications), rows)
    return len(rows)


def due_channels(connection: Connection, now: datetime) -> list[Channel]:
    """Return the channels that have something to deliver now."""
    names = set(
        connection.scalars(
            select(channels.c.name)
            .join(notifications, notifications.c.channel_id == channels.c.id)
            .where(_is_due(now), _is_next())
            .distinct()
        )
    )
    return [channel for channel in list_channels(connection) if channel.name in names]


def claim(connection: Connection, channel: str, now: datetime) -> Notification | None:
    """Take the notification of a channel that is due longest, for `LEASE_S`: an attempt begins.

    A worker that claims and dies loses it: after the lease somebody else claims it.
    """
    rows = connection.execute(
        select(notifications, lines.c.name.label("line"), alerts.c.kind)
        .join(channels, channels.c.id == notifications.c.channel_id)
        .join(alerts, alerts.c.id == notifications.c.alert_id)
        .join(lines, lines.c.id == alerts.c.line_id)
        .where(channels.c.name == channel, _is_due(now), _is_next())
        .order_by(notifications.c.next_attempt_at, notifications.c.created_at)
        .limit(_CHOICE)
    ).all()
    for row in rows:
        changed = connection.execute(
            update(notifications)
            .where(
                notifications.c.id == row.id,
                notifications.c.attempt_count == row.attempt_count,
                _is_due(now),
            )
            .values(
                attempt_count=row.attempt_count + 1,
                next_attempt_at=now + timedelta(seconds=LEASE_S),
                error=None,
            )
        ).rowcount
        if changed == 1:
            attempts.begin(connection, row.id, row.attempt_count + 1, now)
            return _notification(row)
    return None


def delivered(connection: Connection, notification: Notification, at: datetime) -> None:
    """Note that the channel has taken a notification: a fact, whoever holds the claim by now."""
    attempts.end(connection, notification, at)
    connection.execute(
        update(notifications)
        .where(
            notifications.c.id == notification.notification_id,
            notifications.c.state != Delivery.DELIVERED,
        )
        .values(
            state=Delivery.DELIVERED,
            delivered_at=at,
            next_attempt_at=None,
            error=None,
            failure=None,
        )
    )


def postpone(
    connection: Connection,
    notification: Notification,
    *,
    error: str,
    until: datetime,
    at: datetime,
) -> bool:
    """Try a notification again later; False when another worker holds the claim by now."""
    attempts.end(connection, notification, at, error=error)
    return (
        connection.execute(
            update(notifications)
            .where(*_is_claimed(notification))
            .values(next_attempt_at=until, error=error)
        ).rowcount
        == 1
    )


def give_up(
    connection: Connection,
    notification: Notification,
    *,
    error: str,
    failure: Failure,
    at: datetime,
) -> bool:
    """Let a notification fail; False when another worker holds the claim by now."""
    attempts.end(connection, notification, at, error=error)
    return (
        connection.execute(
            update(notifications)
            .where(*_is_claimed(notification))
            .values(state=Delivery.FAILED, next_attempt_at=None, error=error, failure=failure)
        ).rowcount
        == 1
    )


def give_up_abandoned(connection: Connection, channel: str, now: datetime) -> list[str]:
    """Let those of a channel fail whose last attempt ended with its worker; return their ids."""
    abandoned = list(
        connection.scalars(
            update(notifications)
            .where(
                notifications.c.channel_id.in_(
                    select(channels.c.id).where(channels.c.name == channel)
                ),
                notifications.c.attempt_count >= notifications.c.attempt_limit,
                _is_due(now),
            )
            .values(
                state=Delivery.FAILED,
                next_attempt_at=None,
                error=attempts.ABANDONED,
                failure=Failure.ABANDONED,
            )
            .returning(notifications.c.id)
        )
    )
    if abandoned:
        attempts.abandon(connection, abandoned, now)
    return abandoned


def is_idle(connection: Connection, now: datetime) -> bool:
    """Say whether no notification is due or being sent; one that waits for its retry may remain."""
    # A claim clears the error of the attempt before: that tells one being sent from one that waits
    # for its retry.
    is_sending = (notifications.c.attempt_count > 0) & notifications.c.error.is_(None)
    return not connection.scalar(
        select(
            exists(
                select(notifications.c.id).where(
                    notifications.c.state == Delivery.WAITING,
                    _is_next(),
                    or_(notifications.c.next_attempt_at <= now, is_sending),
                )
            )
        )
    )


def _is_due(now: datetime) -> ColumnElement[bool]:
    return (notifications.c.state == Delivery.WAITING) & (notifications.c.next_attempt_at <= now)


@functools.cache
def _is_next() -> ColumnElement[bool]:
    """Hold back "resolved" while the same channel was not told all there was before."""
    earlier = notifications.alias("earlier")
    return ~exists().where(
        notifications.c.event == Event.RESOLVED,
        earlier.c.event != Event.RESOLVED,
        earlier.c.state == Delivery.WAITING,
        earlier.c.alert_id == notifications.c.alert_id,
        earlier.c.channel_id == notifications.c.channel_id,
    )


def _told(connection: Connection, alert_id: int) -> set[int]:
    """Return the ids of the channels that something of this alert was or is to be told."""
    return set(
        connection.scalars(
            select(notifications.c.channel_id).where(notifications.c.alert_id == alert_id)
        )
    )


def _is_claimed(notification: Notification) -> tuple[ColumnElement[bool], ...]:
    return (
        notifications.c.id == notification.notification_id,
        notifications.c.state == Delivery.WAITING,
        notifications.c.attempt_count == notification.attempt_count,
    )


def _content(alert: Alert, telling: Telling) -> dict[str, Any]:
    shown = None if telling.frame is None else asdict(telling.frame)
    if shown is not None:
        shown["captured_at"] = shown["captured_at"].isoformat()
    return {
        "summary": telling.summary,
        "opened_at": alert.opened_at.isoformat(),
        "resolved_at": None if alert.resolved_at is None else alert.resolved_at.isoformat(),
        "frame_count": alert.frame_count,
        "subject": alert.subject or None,
        "frame_id": alert.frame_id,
        "frame": shown,
    }


def _notification(row: Row[*tuple[Any, ...]]) -> Notification:
    content = row.content
    return Notification(
        notification_id=row.id,
        event=Event(row.event),
        number=row.number,
        created_at=row.created_at,
        attempt_count=row.attempt_count + 1,
        attempt_limit=row.attempt_limit,
        alert_id=row.alert_id,
        line=row.line,
        kind=AlertKind(row.kind),
        summary=content["summary"],
        opened_at=datetime.fromisoformat(content["opened_at"]),
        resolved_at=None
        if content["resolved_at"] is None
        else datetime.fromisoformat(content["resolved_at"]),
        frame_count=content["frame_count"],
        subject=content.get("subject"),
        frame_id=content["frame_id"],
        frame=_frame(content["frame"]),
    )


def _frame(shown: dict[str, Any] | None) -> AlertFrame | None:
    if shown is None:
        return None
    verdict = shown["verdict"]
    return AlertFrame(
        **{
            **shown,
            "captured_at": datetime.fromisoformat(shown["captured_at"]),
            "verdict": None if verdict is None else Verdict(verdict),
        }
    )
