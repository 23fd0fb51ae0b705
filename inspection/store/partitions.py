"""Partitions: on PostgreSQL the rows of frames lie in one table a week, by the time of exposure.

What is older than its retention then goes by dropping tables instead of deleting rows. A week is
short enough for that, and a year of weeks few enough for the planner of a question about no
particular time. SQLite knows no partitions: there everything here does nothing.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Self

from sqlalchemy import ColumnElement, Connection, Table, and_, text

from inspection.store.tables import inspections, ledger, maps

#: What is partitioned; whoever locks several takes them in this order.
PARTITIONED: Final = (ledger, inspections, maps)
#: The first Monday after 1970 began.
_MONDAY: Final = datetime(1970, 1, 5, tzinfo=UTC)
_WEEK: Final = timedelta(days=7)
#: Keeps the maps of small checkpoints in their rows: apart they cost two more rows and their index.
MAPS_INLINE: Final = "toast_tuple_target = 8160"
#: Number of PostgreSQL's advisory lock that is held while partitions are made.
_MAKING: Final = 0x1259_EC72
#: Locks that a question about no particular time takes for each week: tables and their indexes.
_LOCKS_PER_WEEK: Final = 18
#: So many such questions at once have to find room.
_QUESTIONS: Final = 32
#: Partitions that are there; their names are how they are known.
_PRESENT: Final = text(
    "SELECT child.relname FROM pg_inherits JOIN pg_class child ON child.oid = inhrelid"
    " WHERE inhparent = to_regclass('ledger')"
)


@dataclass(frozen=True, kw_only=True, order=True)
class Week:
    """The time one partition holds: from a Monday to the next, in UTC."""

    begins_at: datetime

    @classmethod
    def of(cls, moment: datetime) -> Self:
        """Return the week of a moment."""
        return cls(begins_at=moment - (moment - _MONDAY) % _WEEK)

    @property
    def ends_at(self) -> datetime:
        """The first moment after it."""
        return self.begins_at + _WEEK

    def of_table(self, table: Table) -> str:
        """Return the name of the partition: `ledger_20260302`."""
        return f"{table.name}_{self.begins_at:%Y%m%d}"

    def holds(self, table: Table) -> ColumnElement[bool]:
        """Return the condition that a row's exposure was in it."""
        captured_at = table.c.captured_at
        return and_(captured_at >= self.begins_at, captured_at < self.ends_at)


def is_described(name: str | None, kind: str, _parents: Mapping[str, str | None]) -> bool:
    """Say whether the tables of this program describe a thing of the database: all but partitions.

    As Alembic asks.
    """
    names = "|".join(table.name for table in PARTITIONED)
    is_partition = kind == "table" and re.fullmatch(rf"({names})_\d{{8}}", name or "")
    return not is_partition


def ensure(connection: Connection, moments: Iterable[datetime]) -> None:
    """Make the partitions of some moments where they are missing.

    Those that are there stay until the transaction ends: a partition is dropped under a lock that
    excludes the one taken here.

    1. Look whether they are there: nearly always they are.
    2. If not, wait for whoever else is making some, and look again.
    3. Make tables like the partitioned one, then attach them: this lets others read and write
       meanwhile, which making a partition directly does not.

    Args:
        connection: inside a transaction of `Database.write`.
        moments: of exposures.
    """
    if connection.dialect.name == "sqlite":
        return
    weeks = sorted({Week.of(moment) for moment in moments})
    if not weeks:
        return
    connection.exec_driver_sql("LOCK TABLE ONLY ledger IN ROW EXCLUSIVE MODE")
    if not (missing := _missing(connection, weeks)):
        return
    connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": _MAKING})
    # Not `_missing`: what this connection remembers of names may be older than the wait.
    for week in sorted(set(missing) - set(present(connection))):
        for table in PARTITIONED:
            _make(connection, table, week)


def present(connection: Connection) -> list[Week]:
    """Return the weeks that have partitions, the oldest first."""
    names = connection.scalars(_PRESENT)
    days = (name.rpartition("_")[2] for name in names)
    return sorted(
        Week(begins_at=datetime.strptime(day, "%Y%m%d").replace(tzinfo=UTC)) for day in days
    )


def locks_wanted(connection: Connection) -> int | None:
    """Return what `max_locks_per_transaction` has to be for the weeks there are; None: it is.

    A question about no particular time locks every partition and index. Beyond the room that
    PostgreSQL has for locks it fails with "out of shared memory".
    """
    if connection.dialect.name == "sqlite":
        return None
    names = ("max_connections", "max_prepared_transactions", "max_locks_per_transaction")
    connections, prepared, each = (
        int(connection.exec_driver_sql(f"SHOW {name}").scalar_one()) for name in names
    )
    wanted = -(-len(present(connection)) * _LOCKS_PER_WEEK * _QUESTIONS // (connections + prepared))
    return wanted if wanted > each else None


def drop_empty(connection: Connection, week: Week) -> bool:
    """Drop the partitions of a week, unless something was recorded into them meanwhile.

    The lock that this takes stops everybody, but only for the moment that dropping takes; the
    caller bounds the time it may be waited for, and is alone in dropping. Nobody is stopped for a
    week that has rows.
    """
    if week not in present(connection) or not _is_empty(connection, week):
        return False
    names = ", ".join(table.name for table in PARTITIONED)
    connection.exec_driver_sql(f"LOCK TABLE ONLY {names} IN ACCESS EXCLUSIVE MODE")
    if not _is_empty(connection, week):
        return False
    partitions = ", ".join(week.of_table(table) for table in PARTITIONED)
    connection.exec_driver_sql(f"DROP TABLE {partitions}")
    return True


def _is_empty(connection: Connection, week: Week) -> bool:
    names = (week.of_table(table) for table in PARTITIONED)
    firsts = (connection.exec_driver_sql(f"SELECT FROM {name} LIMIT 1").first() for name in names)
    return all(first is None for first in firsts)


def _missing(connection: Connection, weeks: Collection[Week]) -> list[Week]:
    asked = [week.of_table(ledger) for week in weeks]
    statement = text(
        "SELECT name FROM unnest(CAST(:names AS text[])) name WHERE to_regclass(name) IS NULL"
    )
    missing = set(connection.scalars(statement, {"names": asked}))
    return [week for week in weeks if week.of_table(ledger) in missing]


def _make(connection: Connection, table: Table, week: Week) -> None:
    name = week.of_table(table)
    connection.exec_driver_sql(
        f"CREATE TABLE {name} (LIKE {table.name} INCLUDING DEFAULTS INCLUDING CONSTRAINTS"
        " INCLUDING INDEXES INCLUDING STORAGE)"
    )
    if table is maps:
        connection.exec_driver_sql(f"ALTER TABLE {name} SET ({MAPS_INLINE})")
    connection.exec_driver_sql(
        f"ALTER TABLE {table.name} ATTACH PARTITION {name}"
        f" FOR VALUES FROM ('{week.begins_at.isoformat()}') TO ('{week.ends_at.isoformat()}')"
    )
