"""The attempts to send a notification: written when they begin, and what came of each."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, insert, select, update

from inspection.domain.notification import Notification
from inspection.store.channel_tables import attempts

#: What came of an attempt whose worker did not live to note it.
ABANDONED: Final = "its worker ended before it knew whether it was delivered"


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One try to send a notification."""

    #: From 1.
    number: int
    begun_at: datetime
    #: None while it is under way.
    ended_at: datetime | None
    #: Why it was not taken; None when it was, or while it is under way.
    error: str | None


def begin(connection: Connection, notification_id: str, number: int, at: datetime) -> None:
    """Write down that an attempt begins; those before it that nobody ended were abandoned."""
    abandon(connection, [notification_id], at)
    connection.execute(
        insert(attempts).values(notification_id=notification_id, number=number, begun_at=at)
    )


def end(
    connection: Connection, notification: Notification, at: datetime, *, error: str | None = None
) -> None:
    """Write down what came of the present attempt, also when it comes after its claim ran out."""
    connection.execute(
        update(attempts)
        .where(
            attempts.c.notification_id == notification.notification_id,
            attempts.c.number == notification.attempt_count,
        )
        .values(ended_at=at, error=error)
    )


def abandon(connection: Connection, notification_ids: Sequence[str], at: datetime) -> None:
    """Write down that the attempts of these notifications under way have no known outcome."""
    connection.execute(
        update(attempts)
        .where(attempts.c.notification_id.in_(notification_ids), attempts.c.ended_at.is_(None))
        .values(ended_at=at, error=ABANDONED)
    )


def list_attempts(connection: Connection, notification_id: str) -> list[Attempt]:
    """Return the attempts of a notification, the first one first."""
    rows = connection.execute(
        select(attempts)
        .where(attempts.c.notification_id == notification_id)
        .order_by(attempts.c.number)
    )
    return [
        Attempt(number=row.number, begun_at=row.begun_at, ended_at=row.ended_at, error=row.error)
        for row in rows
    ]
