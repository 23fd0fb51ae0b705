"""What the tables are made of: kinds of column, keys and indexes that both databases take."""

from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    DateTime,
    Index,
    Integer,
    MetaData,
    any_,
    bindparam,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

from inspection.errors import InspectionError


class Moment(TypeDecorator[datetime]):
    """An aware time, kept and given back in UTC: SQLite would forget the zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return the time in UTC.

        Raises:
            InspectionError: it has no zone and could be any of 24 moments.
        """
        del dialect
        if value is None:
            return None
        if value.tzinfo is None:
            raise InspectionError(f"the time {value} has no zone; the database takes aware times")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return the time as aware UTC."""
        del dialect
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

#: SQLite counts up by itself only for a column declared INTEGER.
Id = BigInteger().with_variant(Integer(), "sqlite")
#: Python's None becomes NULL, not JSON's null.
Json = JSON(none_as_null=True)


def ledger_key(*, index: bool = False) -> Column[int]:
    """Make the primary key of a table that says more about a row of the ledger.

    It is no foreign key: rows of the ledger go by whole partitions, and whoever removes them
    removes what refers to them.
    """
    return Column("ledger_id", Id, primary_key=True, autoincrement=False, index=index or None)


def among(
    connection: Connection, column: ColumnElement[Any], values: Collection[Any]
) -> ColumnElement[bool]:
    """Return the condition that `column` has one of some values.

    On PostgreSQL they go as one array, so that the statement is the same however many they are:
    nobody writes and reads a text with a place for every value.
    """
    if connection.dialect.name == "sqlite":
        return column.in_(values)
    array = bindparam(None, list(values), type_=ARRAY(column.type, dimensions=1))
    return column == any_(array)


def partial_index(name: str | None, *columns: str, where: str, unique: bool = False) -> Index:
    """Make an index of the rows for which `where` holds."""
    condition = text(where)
    return Index(name, *columns, unique=unique, sqlite_where=condition, postgresql_where=condition)
