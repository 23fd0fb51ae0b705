"""Many rows at once, straight into the tables: for rows that are made up, or moved."""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Table


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
