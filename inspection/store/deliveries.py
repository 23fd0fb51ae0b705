"""The ledger of deliveries: what every channel was sent, how far it came, and trying again."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Select, func, select, tuple_, update

from inspection.domain.notification import ATTEMPT_LIMIT, Delivery, Event, Failure
from inspection.errors import ConfigurationError, NotFoundError
from inspection.store.alert_tables import alerts
from inspection.store.audit import Change, add_change
from inspection.store.channel_tables import channels, notifications
from inspection.store.tables import lines


@dataclass(frozen=True, kw_only=True)
class DeliveryRow:
    """One notification, and how far it has come."""

    notification_id: str
    channel: str
    alert_id: int
    line: str
    event: Event
    created_at: datetime
    state: Delivery
    #: Why it has failed; None otherwise.
    failure: Failure | None
    attempt_count: int
    #: When it is tried next, or its present attempt runs out; None when it is not.
    next_attempt_at: datetime | None
    delivered_at: datetime | None
    #: Why the last attempt was refused.
    error: str | None
    summary: str


@dataclass(frozen=True, kw_only=True)
class ChannelCounts:
    """How many notifications of a channel are in each state."""

    waiting: int = 0
    delivered: int = 0
    failed: int = 0
    #: When the last one was delivered; None when none was.
    delivered_at: datetime | None = None


def list_deliveries(
    connection: Connection,
    *,
    channel: str | None = None,
    state: Delivery | None = None,
    before: tuple[datetime, str] | None = None,
    limit: int = 100,
) -> list[DeliveryRow]:
    """Return notifications, newest first.

    Args:
        connection: an open transaction.
        channel: only those of this channel.
        state: only those in this state.
        before: time and id of the last one already shown; those after it follow.
        limit: at most so many.
    """
    chosen = (
        select(notifications, channels.c.name.label("channel"), lines.c.name.label("line"))
        .join(channels, channels.c.id == notifications.c.channel_id)
        .join(alerts, alerts.c.id == notifications.c.alert_id)
        .join(lines, lines.c.id == alerts.c.line_id)
        .order_by(notifications.c.created_at.desc(), notifications.c.id.desc())
        .limit(limit)
    )
    if channel is not None:
        chosen = chosen.where(channels.c.name == channel)
    if state is not None:
        chosen = chosen.where(notifications.c.state == state)
    if before is not None:
        place = tuple_(notifications.c.created_at, notifications.c.id)
        chosen = chosen.where(place < tuple_(*before))
    return [
        DeliveryRow(
            notification_id=row.id,
            channel=row.channel,
            alert_id=row.alert_id,
            line=row.line,
            event=Event(row.event),
            created_at=row.created_at,
            state=Delivery(row.state),
            failure=None if row.failure is None else Failure(row.failure),
            attempt_count=row.attempt_count,
            next_attempt_at=row.next_attempt_at,
            delivered_at=row.delivered_at,
            error=row.error,
            summary=row.content["summary"],
        )
        for row in connection.execute(chosen)
    ]


def counts(connection: Connection) -> dict[str, ChannelCounts]:
    """Count the notifications of every channel that has some, by its name."""
    rows = connection.execute(
        select(
            channels.c.name,
            *(
                func.count().filter(notifications.c.state == state).label(state.value)
                for state in Delivery
            ),
            func.max(notifications.c.delivered_at).label("delivered_at"),
        )
        .join(channels, channels.c.id == notifications.c.channel_id)
        .group_by(channels.c.name)
    )
    return {
        row.name: ChannelCounts(
            waiting=row.waiting,
            delivered=row.delivered,
            failed=row.failed,
            delivered_at=row.delivered_at,
        )
        for row in rows
    }


def retry(connection: Connection, notification_id: str, *, at: datetime, by: str) -> None:
    """Make a failed notification due again, with as many attempts as a new one.

    Raises:
        NotFoundError: there is no such notification.
        ConfigurationError: it has not failed.
    """
    chosen = select(notifications.c.id).where(notifications.c.id == notification_id)
    if _retry(connection, chosen, at=at, by=by):
        return
    state = connection.scalar(
        select(notifications.c.state).where(notifications.c.id == notification_id)
    )
    if state is None:
        raise NotFoundError(f"there is no notification {notification_id!r}")
    raise ConfigurationError(
        f"notification {notification_id} has not failed but is {state}; only a failed one can be "
        "tried again"
    )


def retry_channel(connection: Connection, channel: str, *, at: datetime, by: str) -> int:
    """Make all failed notifications of a channel due again; return how many."""
    chosen = (
        select(notifications.c.id)
        .join(channels, channels.c.id == notifications.c.channel_id)
        .where(channels.c.name == channel)
    )
    return len(_retry(connection, chosen, at=at, by=by))


def _retry(
    connection: Connection, chosen: Select[*tuple[str]], *, at: datetime, by: str
) -> Sequence[str]:
    again = connection.scalars(
        update(notifications)
        .where(notifications.c.id.in_(chosen), notifications.c.state == Delivery.FAILED)
        .values(
            state=Delivery.WAITING,
            failure=None,
            attempt_limit=notifications.c.attempt_count + ATTEMPT_LIMIT,
            next_attempt_at=at,
        )
        .returning(notifications.c.id)
    ).all()
    for notification_id in again:
        change = Change(
            at=at,
            who=by,
            action="retried",
            thing="notification",
            name=notification_id,
        )
        add_change(connection, change)
    return again
