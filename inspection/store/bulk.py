"""Many rows at once, straight into the tables: for rows that are made up, or moved."""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import sqlalchemy.exc
from sqlalchemy import (
    Connection,
    CursorResult,
    Insert,
    Table,
    bindparam,
    func,
    insert,
    select,
)
from sqlalchemy.dialects.postgresql import ARRAY


def copied(connection: Connection, table: Table, columns: Mapping[str, Sequence[Any]]) -> None:
    """Insert rows.

    Args:
        connection: inside a transaction of `Database.write`.
        table: where to.
        columns: values by name, each as many as there are rows: numbers, texts without backslash
            or control characters, and times as `2026-03-02 12:00:00.000000`, in UTC.
    """
    names = ", ".join(columns)
    driver: Any = connection.connection.driver_connection
    if isinstance(driver, sqlite3.Connection):
        marks = ", ".join("?" * len(columns))
        rows = zip(*columns.values(), strict=True)
        driver.executemany(f"INSERT INTO {table.name} ({names}) VALUES ({marks})", rows)  # noqa: S608
        return
    texts = [_texts(values) for values in columns.values()]
    lines = "".join("\t".join(row) + "\n" for row in zip(*texts, strict=True))
    with driver.cursor() as cursor:
        cursor.execute("SET LOCAL TIME ZONE 'UTC'")
        with cursor.copy(f"COPY {table.name} ({names}) FROM STDIN") as copy:
            copy.write(lines)


def execute_many(
    connection: Connection, statement: Insert, rows: Sequence[Mapping[str, Any]]
) -> CursorResult[Any]:
    """Run an INSERT for many rows of the same columns: on PostgreSQL as one statement.

    There the values come as one array a column, so that the statement is the same however many
    rows there are: it is prepared once, and nobody reads a text with a place for every value.

    Args:
        connection: inside a transaction of `Database.write`.
        statement: of one row; it may say what to do about rows that are there, and what to return.
            Best the same object each time.
        rows: at least one.
    """
    if connection.dialect.name == "sqlite":
        return connection.execute(statement, rows)
    names = tuple(rows[0])
    values = {f"all_{name}": [row[name] for row in rows] for name in names}
    return connection.execute(_of_arrays(statement, names), values)


def insert_many(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows of the same columns, none of which is there: on PostgreSQL by copying.

    Args:
        connection: inside a transaction of `Database.write`.
        table: where to.
        rows: at least one.
    """
    driver: Any = connection.connection.driver_connection
    if isinstance(driver, sqlite3.Connection):
        connection.execute(insert(table), rows)
        return
    command = f"COPY {table.name} ({', '.join(rows[0])}) FROM STDIN"
    errors: Any = connection.dialect.loaded_dbapi
    try:
        with driver.cursor() as cursor, cursor.copy(command) as copy:
            for row in rows:
                copy.write_row(tuple(row.values()))
    except errors.Error as error:
        raise sqlalchemy.exc.DBAPIError.instance(
            command, None, error, errors.Error, dialect=connection.dialect
        ) from error


@lru_cache(maxsize=32)
def _of_arrays(statement: Insert, names: tuple[str, ...]) -> Insert:
    # Kept, because to make it takes longer than to run it.
    table: Any = statement.table
    arrays = (
        bindparam(f"all_{name}", type_=ARRAY(table.c[name].type, dimensions=1)) for name in names
    )
    source = func.unnest(*arrays).table_valued(*names).render_derived()
    chosen = select(*(source.c[name] for name in names))
    return statement.from_select(list(names), chosen, include_defaults=False)


@contextmanager
def without_indexes(connection: Connection, *tables: Table) -> Iterator[None]:
    """Drop the indexes of tables and make them again at the end; keys and constraints stay."""
    indexes = [index for table in tables for index in table.indexes]
    for index in indexes:
        index.drop(connection)
    yield
    for index in indexes:
        index.create(connection)


def _texts(values: Sequence[Any]) -> list[str]:
    return ["\\N" if value is None else str(value) for value in values]
