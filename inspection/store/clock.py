"""The database's clock: one for all processes, whatever their machines say."""

from datetime import UTC, datetime
from typing import Final

from sqlalchemy import Connection, text

#: To the millisecond, which is as far as it goes.
_SQLITE: Final = text("SELECT strftime('%Y-%m-%dT%H:%M:%f', 'now')")
#: `now()` would be the moment the transaction began.
_POSTGRESQL: Final = text("SELECT clock_timestamp()")


def database_time(connection: Connection) -> datetime:
    """Return the time now, by the database's clock."""
    if connection.dialect.name == "sqlite":
        return datetime.fromisoformat(str(connection.scalar(_SQLITE))).replace(tzinfo=UTC)
    now: datetime = connection.scalars(_POSTGRESQL).one()
    return now.astimezone(UTC)
