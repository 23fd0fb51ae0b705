"""A floor with one line, and an HTTP receiver."""

import os
import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import delete

from inspection.store.database import Database
from inspection.store.schema import metadata
from tests import factories
from tests.integration.alerting.floor import Floor
from tests.integration.alerting.receiver import Receiver
from tests.servers import postgres_database as postgres_database_of


@pytest.fixture(scope="session")
def shared_postgres_url(postgres_url: str, migrated_postgres: str) -> Iterator[str]:
    """URL of a migrated PostgreSQL database that these tests share and empty."""
    name = f"inspection_alerting_{os.getpid()}"
    with postgres_database_of(postgres_url, name, template=migrated_postgres) as url:
        yield url


@pytest.fixture(scope="session")
def shared_sqlite_url(migrated_sqlite: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """URL of a migrated SQLite database that these tests share and empty."""
    folder = tmp_path_factory.mktemp("alerting")
    return f"sqlite:///{shutil.copy(migrated_sqlite, folder / 'shared.sqlite')}"


@pytest.fixture(scope="session")
def shared_postgres(shared_postgres_url: str) -> Iterator[Database]:
    # Shared, because a new one would compile every statement again.
    with closing(Database.open(shared_postgres_url)) as database:
        yield database


@pytest.fixture(scope="session")
def shared_sqlite(shared_sqlite_url: str) -> Iterator[Database]:
    with closing(Database.open(shared_sqlite_url)) as database:
        yield database


@pytest.fixture
def postgres_database(shared_postgres: Database) -> Database:
    return _emptied(shared_postgres)


@pytest.fixture
def sqlite_database(shared_sqlite: Database) -> Database:
    return _emptied(shared_sqlite)


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


def _emptied(database: Database) -> Database:
    with database.write() as connection:
        for table in reversed(metadata.sorted_tables):
            connection.execute(delete(table))
    return database
