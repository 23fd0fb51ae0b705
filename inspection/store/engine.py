"""Connections to SQLite and PostgreSQL, set so that both begin and wait in the same way."""

import math
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, Final

import sqlalchemy.exc
import stamina
from sqlalchemy import Connection, Engine, Table, create_engine, event
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL, make_url
from sqlalchemy.pool import ConnectionPoolEntry

from inspection.errors import ConfigurationError

#: How long a statement waits for SQLite's one writer, in seconds; the address's `timeout` wins.
BUSY_TIMEOUT_S: Final = 10
#: How long PostgreSQL may take to accept a connection, in seconds; the address may say otherwise.
CONNECT_TIMEOUT_S: Final = 5
#: How long to wait for a free connection of the pool, in seconds.
POOL_TIMEOUT_S: Final = 10
#: Option of a PostgreSQL address: how long a statement may go without a byte of an answer.
ANSWER_TIMEOUT: Final = "answer_timeout_s"
#: Name of the execution option that holds the statement beginning an SQLite transaction.
BEGIN: Final = "inspection_begin"

#: A PostgreSQL that vanished without a word is noticed within about half a minute.
_POSTGRES_OPTIONS: Final = {
    "connect_timeout": CONNECT_TIMEOUT_S,
    "application_name": "inspection",
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}
_WANTED: Final = "take sqlite:///path/to/file or postgresql://user@host/database"


def engine_of(url: str) -> Engine:
    """Return an engine that connects to `url` when it is first used.

    Raises:
        ConfigurationError: the address is of another kind, or its folder cannot be made.
    """
    parsed = _parsed(url)
    if parsed.get_backend_name() == "sqlite":
        return _sqlite_engine(parsed)
    return _postgres_engine(parsed)


def insert_new(
    connection: Connection, table: Table, *key: str
) -> "sqlite.Insert | postgresql.Insert":
    """Return an INSERT that passes over rows whose `key` columns are there already."""
    dialect: Any = sqlite if connection.dialect.name == "sqlite" else postgresql
    statement: sqlite.Insert | postgresql.Insert = dialect.insert(table)
    return statement.on_conflict_do_nothing(index_elements=key)


def insert_adding(
    connection: Connection, table: Table, *key: str
) -> "sqlite.Insert | postgresql.Insert":
    """Return an INSERT that adds its values to those of the row that has its `key` already."""
    return _insert_changing(connection.dialect.name, table, key, is_adding=True)


def insert_replacing(
    connection: Connection, table: Table, *key: str
) -> "sqlite.Insert | postgresql.Insert":
    """Return an INSERT that takes the place of the row that has its `key` already."""
    return _insert_changing(connection.dialect.name, table, key, is_adding=False)


def set_foreign_keys(connection: Connection, *, is_on: bool) -> None:
    """Make SQLite check references, or not; outside a transaction only."""
    driver = connection.connection.driver_connection
    if isinstance(driver, sqlite3.Connection):
        # Goes round SQLAlchemy, which would begin a transaction first.
        driver.execute(f"PRAGMA foreign_keys={'ON' if is_on else 'OFF'}").close()


@contextmanager
def patience(connection: Connection) -> Iterator[None]:
    """Let PostgreSQL take its time for a transaction that has begun: a migration."""
    driver: Any = connection.connection.driver_connection
    connection.exec_driver_sql("SET LOCAL idle_in_transaction_session_timeout = 0")
    usual_s, driver.answer_timeout_s = driver.answer_timeout_s, None
    try:
        yield
    finally:
        driver.answer_timeout_s = usual_s


def expect_short_answers(connection: Connection) -> None:
    """Tell PostgreSQL that the transaction asks small questions only.

    To start processes or compile code for one takes longer than many of them.
    """
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(
            "SELECT set_config('max_parallel_workers_per_gather', '0', true),"
            " set_config('jit', 'off', true)"
        )


def set_waits_for_disk(connection: Connection, *, is_on: bool) -> None:
    """Make SQLite's commits wait for the disk, or not; outside a transaction only."""
    driver = connection.connection.driver_connection
    if isinstance(driver, sqlite3.Connection):
        driver.execute(f"PRAGMA synchronous={'FULL' if is_on else 'NORMAL'}").close()


@cache
def _insert_changing(
    dialect_name: str, table: Table, key: tuple[str, ...], *, is_adding: bool
) -> "sqlite.Insert | postgresql.Insert":
    dialect: Any = sqlite if dialect_name == "sqlite" else postgresql
    insert: sqlite.Insert | postgresql.Insert = dialect.insert(table)
    given = {column.name: insert.excluded[column.name] for column in table.c}
    return insert.on_conflict_do_update(
        index_elements=key,
        set_={
            name: table.c[name] + value if is_adding else value
            for name, value in given.items()
            if name not in key
        },
    )


def _parsed(url: str) -> URL:
    try:
        parsed = make_url(url)
    except (sqlalchemy.exc.ArgumentError, ValueError) as error:
        raise ConfigurationError(f"the address of the database is none; {_WANTED}") from error
    if parsed.drivername in ("postgres", "postgresql", "postgresql+psycopg"):
        return parsed.set(drivername="postgresql+psycopg")
    if parsed.drivername not in ("sqlite", "sqlite+pysqlite"):
        raise ConfigurationError(
            f"a database of kind {parsed.drivername!r} is not known; {_WANTED}"
        )
    if parsed.database in (None, "", ":memory:") or parsed.host:
        raise ConfigurationError(f"the address of an SQLite database needs a file; {_WANTED}")
    return parsed


def _sqlite_engine(url: URL) -> Engine:
    folder = Path(url.database or "").absolute().parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(
            f"the folder {folder} of the database cannot be made: {error.strerror}"
        ) from error
    # isolation_level None: the driver begins no transactions of its own, so that ours begin when
    # we say, and hold tables being made or changed as well.
    options: dict[str, Any] = {"isolation_level": None}
    if "timeout" not in url.query:
        options["timeout"] = BUSY_TIMEOUT_S
    engine = create_engine(url, pool_timeout=POOL_TIMEOUT_S, connect_args=options)
    event.listen(engine, "connect", _set_pragmas)
    event.listen(engine, "begin", _begin)
    return engine


def _postgres_engine(url: URL) -> Engine:
    # Only here: psycopg takes its time to load, and SQLite does without.
    from inspection.store.answering import (  # noqa: PLC0415
        ANSWER_TIMEOUT_S,
        ImpatientConnection,
    )

    answer_timeout_s = _seconds(url, ANSWER_TIMEOUT, default=ANSWER_TIMEOUT_S)
    url = url.difference_update_query([ANSWER_TIMEOUT])
    options = {key: value for key, value in _POSTGRES_OPTIONS.items() if key not in url.query}
    engine = create_engine(
        url, pool_pre_ping=True, pool_timeout=POOL_TIMEOUT_S, connect_args=options
    )

    def connect(_dialect: Any, _entry: Any, _arguments: Any, options: dict[str, Any]) -> Any:
        return ImpatientConnection.opened(answer_timeout_s=answer_timeout_s, **options)

    event.listen(engine, "do_connect", connect)
    return engine


def _seconds(url: URL, option: str, *, default: float) -> float:
    given = url.query.get(option, default)
    try:
        seconds = float(given)  # type: ignore[arg-type]  # given twice, it is a tuple
    except (TypeError, ValueError):
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise ConfigurationError(
            f"the address of the database has {option}={given}; take seconds, for example 60"
        )
    return seconds


def _set_pragmas(connection: sqlite3.Connection, _entry: ConnectionPoolEntry) -> None:
    # Turning a new file to WAL fails at once, without waiting, while another process does the same.
    for attempt in stamina.retry_context(
        on=_is_busy,
        attempts=None,
        timeout=BUSY_TIMEOUT_S,
        wait_initial=0.01,
        wait_max=0.1,
        wait_jitter=0.02,
    ):
        with attempt:
            connection.execute("PRAGMA journal_mode=WAL").close()
    # FULL waits for the disk at each commit. With NORMAL a power failure could undo commits whose
    # frames were already removed from the stream: those frames would have vanished.
    connection.execute("PRAGMA synchronous=FULL").close()
    connection.execute("PRAGMA foreign_keys=ON").close()
    # Some builds overwrite whatever is deleted with zeros, which writes every page that comes free.
    connection.execute("PRAGMA secure_delete=OFF").close()


def _is_busy(error: Exception) -> bool:
    # The low byte is the kind of error, the rest says more.
    code = error.sqlite_errorcode if isinstance(error, sqlite3.OperationalError) else 0
    return code & 0xFF == sqlite3.SQLITE_BUSY


def _begin(connection: Connection) -> None:
    # A transaction that reads first and writes later would fail at once, without waiting, if
    # another had written in between; so a writer takes its lock at the beginning.
    connection.exec_driver_sql(connection.get_execution_options().get(BEGIN, "BEGIN"))
