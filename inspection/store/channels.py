"""Channels: where alerts are sent."""

from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import Connection, select

from inspection.domain.site import Channel
from inspection.store import channel_tables
from inspection.store.engine import insert_new


def list_channels(connection: Connection) -> list[Channel]:
    """Return all channels, by name."""
    return [
        Channel(
            name=row.name,
            kind=row.kind,
            url=row.url,
            secret=row.secret,
            lines=None if row.lines is None else tuple(row.lines),
        )
        for row in connection.execute(
            select(channel_tables.channels).order_by(channel_tables.channels.c.name)
        )
    ]


def channels_of(connection: Connection, line: str) -> list[Channel]:
    """Return the channels that alerts of `line` are sent to, by name."""
    return [
        channel
        for channel in list_channels(connection)
        if channel.lines is None or line in channel.lines
    ]


def insert_channel(connection: Connection, channel: Channel) -> bool:
    """Insert `channel` and say whether it was new."""
    values = {
        "name": channel.name,
        "kind": channel.kind,
        "url": channel.url,
        "secret": channel.secret,
        "lines": None if channel.lines is None else list(channel.lines),
    }
    statement = insert_new(connection, channel_tables.channels, "name").values(values)
    return connection.scalar(statement.returning(channel_tables.channels.c.id)) is not None


def public_values(channel: Channel) -> dict[str, Any]:
    """Return the fields of `channel` as JSON without what lets one send through it."""
    host = urlsplit(channel.url or "").hostname
    return {"name": channel.name, "kind": channel.kind, "host": host, "lines": channel.lines}
