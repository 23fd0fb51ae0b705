"""A floor with one line, and an HTTP receiver."""

import os
from collections.abc import Iterator
from contextlib import closing

import psycopg
import pytest
from sqlalchemy import delete
from sqlalchemy.engine import make_url

from inspection.store import tables
from inspection.store.database import Database
from tests import factories
from tests.integration.alerting.floor import Floor
from tests.integration.alerting.receiver import Receiver


@pytest.fixture(scope="session")
def emptied_postgres_url(postgres_url: str, migrated_postgres: str) -> Iterator[str]:
    """URL of a migrated PostgreSQL database that these tests share and empty."""
    name = f"inspection_alerting_{os.getpid()}"
    with psycopg.connect(postgres_url, autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name} TEMPLATE {migrated_postgres}")
        yield make_url(postgres_url).set(database=name).render_as_string(hide_password=False)
        server.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def postgres_database(emptied_postgres_url: str) -> Iterator[Database]:
    with closing(Database.open(emptied_postgres_url)) as database:
        with database.write() as connection:
            for table in reversed(tables.metadata.sorted_tables):
                connection.execute(delete(table))
        yield database


@pytest.fixture
def sqlite_database(sqlite_url: str) -> Iterator[Database]:
    with closing(Database.open(sqlite_url)) as database:
        yield database


@pytest.fixture(params=["sqlite_database", "postgres_database"])
def database(request: pytest.FixtureRequest) -> Database:
    """An empty database, once of each kind."""
    database: Database = request.getfixturevalue(request.param)
    return database


@pytest.fixture
def empty_floor(database: Database) -> Floor:
    """A floor on which nothing stands."""
    return Floor(database)


@pytest.fixture
def floor(empty_floor: Floor) -> Floor:
    """A floor with `line-1` (any NG), `cam-1` and `cam-2`, and the channel `log`."""
    empty_floor.add(factories.line(), "cam-1", "cam-2", channels=(factories.channel(),))
    return empty_floor


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with closing(Receiver()) as receiver:
        yield receiver
