"""The last signs of life of all processes."""

from dataclasses import asdict

from sqlalchemy import Connection, delete, select, update

from inspection.domain.heartbeat import Heartbeat
from inspection.store.engine import insert_new
from inspection.store.health_tables import heartbeats

_KEY = ("process", "host", "slot")


def beat(connection: Connection, heartbeat: Heartbeat) -> None:
    """Write a sign of life down, over the last one of the same process or its predecessor."""
    values = asdict(heartbeat)
    table = heartbeats
    key = [table.c[name] == values[name] for name in _KEY]
    if not connection.execute(update(table).where(*key).values(values)).rowcount:
        connection.execute(insert_new(connection, table, *_KEY).values(values))


def remove_heartbeat(connection: Connection, heartbeat: Heartbeat) -> None:
    """Remove the row of a process that ended properly, unless a successor has it."""
    table = heartbeats
    key = [table.c[name] == getattr(heartbeat, name) for name in (*_KEY, "pid")]
    connection.execute(delete(table).where(*key))


def list_heartbeats(connection: Connection) -> list[Heartbeat]:
    """Return the last sign of life of every process that has not ended properly."""
    table = heartbeats
    statement = select(table).order_by(*(table.c[name] for name in _KEY))
    return [Heartbeat(**row._mapping) for row in connection.execute(statement)]  # noqa: SLF001
