"""Notifications that no channel took and that will not be tried again."""

from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from inspection.domain.notification import Delivery
from inspection.store.channel_tables import channels, notifications


@dataclass(frozen=True, kw_only=True)
class Undelivered:
    """What one channel did not take."""

    channel: str
    count: int
    #: What it said to one of them.
    error: str


def list_undelivered(connection: Connection) -> list[Undelivered]:
    """Return the channels that did not take notifications, by name."""
    statement = (
        select(channels.c.name, func.count().label("count"), func.max(notifications.c.error))
        .join(channels, channels.c.id == notifications.c.channel_id)
        .where(notifications.c.state == Delivery.FAILED.value)
        .group_by(channels.c.name)
        .order_by(channels.c.name)
    )
    return [
        Undelivered(channel=name, count=count, error=error or "")
        for name, count, error in connection.execute(statement)
    ]
