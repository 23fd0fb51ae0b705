"""Channels: where alerts are sent."""

import re
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Row, delete, select, update

from inspection.domain.channel import Broker, Channel
from inspection.domain.notification import Event
from inspection.errors import NotFoundError
from inspection.store.audit import Change, add_change
from inspection.store.channel_tables import channels
from inspection.store.engine import insert_new

#: Fields that let one send through a channel: the history says only that they were changed.
_SECRET = ("url", "secret")


def list_channels(connection: Connection) -> list[Channel]:
    """Return all channels, by name."""
    return [_channel(row) for row in connection.execute(select(channels).order_by(channels.c.name))]


def get_channel(connection: Connection, name: str) -> Channel:
    """Return the channel called `name`.

    Raises:
        NotFoundError: there is none; the message names those there are.
    """
    row = connection.execute(select(channels).where(channels.c.name == name)).first()
    if row is None:
        known = connection.scalars(select(channels.c.name).order_by(channels.c.name))
        raise NotFoundError(
            f"there is no channel {name!r}; there are: {', '.join(known) or 'none'}"
        )
    return _channel(row)


def lock_channel(connection: Connection, name: str) -> Channel:
    """Return the channel called `name`, which nobody else can change before this has ended.

    Raises:
        NotFoundError: there is none; the message names those there are.
    """
    connection.execute(select(channels.c.id).where(channels.c.name == name).with_for_update())
    return get_channel(connection, name)


def channels_of(connection: Connection, line: str) -> list[Channel]:
    """Return the channels that alerts of `line` are sent to, by name."""
    return [
        channel
        for channel in list_channels(connection)
        if channel.lines is None or line in channel.lines
    ]


def channel_ids(connection: Connection) -> dict[str, int]:
    """Return the ids of the rows of all channels, by name."""
    rows = connection.execute(select(channels.c.name, channels.c.id))
    return {row.name: row.id for row in rows}


def insert_channel(connection: Connection, channel: Channel) -> bool:
    """Insert `channel` and say whether it was new."""
    statement = insert_new(connection, channels, "name").values(_values(channel))
    return connection.scalar(statement.returning(channels.c.id)) is not None


def set_channel(connection: Connection, channel: Channel, *, at: datetime, by: str) -> None:
    """Change the channel of this name to be as `channel` says; what it has told stays.

    Raises:
        NotFoundError: there is none; the message names those there are.
    """
    before = get_channel(connection, channel.name)
    if before == channel:
        return
    connection.execute(
        update(channels).where(channels.c.name == channel.name).values(_values(channel))
    )
    was, now = public_values(before), public_values(channel)
    changed = [key for key in now if was[key] != now[key]]
    secrets = [key for key in _SECRET if getattr(before, key) != getattr(channel, key)]
    change = Change(
        at=at,
        who=by,
        action="changed",
        thing="channel",
        name=channel.name,
        before={key: was[key] for key in changed},
        after={key: now[key] for key in changed} | dict.fromkeys(secrets, "changed"),
    )
    add_change(connection, change)


def remove_channel(connection: Connection, name: str, *, at: datetime, by: str) -> None:
    """Remove a channel, and the record of what was told through it.

    Raises:
        NotFoundError: there is none; the message names those there are.
    """
    before = get_channel(connection, name)
    connection.execute(delete(channels).where(channels.c.name == name))
    change = Change(
        at=at,
        who=by,
        action="removed",
        thing="channel",
        name=name,
        before=public_values(before),
    )
    add_change(connection, change)


def public_values(channel: Channel) -> dict[str, Any]:
    """Return the fields of `channel` as JSON without what lets one send through it."""
    return {
        "name": channel.name,
        "kind": channel.kind,
        "address": address(channel),
        "username": None if channel.broker is None else channel.broker.username,
        "lines": None if channel.lines is None else list(channel.lines),
        "events": None if channel.events is None else list(channel.events),
    }


def address(channel: Channel) -> str | None:
    """Return where it sends, as far as everybody may know; None where that is nowhere else."""
    if channel.broker is not None:
        broker = channel.broker
        return f"mqtt{'s' * broker.has_tls}://{broker.host}:{broker.port}/{broker.prefix}"
    if channel.url is None:
        return None
    scheme, _, rest = channel.url.partition("://")
    # Of a webhook the host is enough to know it; elsewhere it may be half of a token.
    host = re.split(r"[/?#]", rest)[0].rpartition("@")[2] if channel.kind == "webhook" else "…"
    return f"{scheme}://{host}"


def _values(channel: Channel) -> dict[str, Any]:
    return {
        "name": channel.name,
        "kind": channel.kind,
        "url": channel.url,
        "secret": channel.secret,
        "lines": None if channel.lines is None else list(channel.lines),
        "events": None if channel.events is None else list(channel.events),
        "settings": None if channel.broker is None else _broker_values(channel.broker),
    }


def _broker_values(broker: Broker) -> dict[str, Any]:
    return asdict(broker) | {"ca_file": None if broker.ca_file is None else str(broker.ca_file)}


def _channel(row: Row[*tuple[Any, ...]]) -> Channel:
    return Channel(
        name=row.name,
        kind=row.kind,
        url=row.url,
        secret=row.secret,
        broker=None if row.settings is None else _broker(row.settings),
        lines=None if row.lines is None else tuple(row.lines),
        events=None if row.events is None else tuple(Event(event) for event in row.events),
    )


def _broker(values: Mapping[str, Any]) -> Broker:
    ca_file = values["ca_file"]
    return Broker(**{**values, "ca_file": None if ca_file is None else Path(ca_file)})
