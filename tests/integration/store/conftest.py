"""Databases of tests of the store, empty or with a site in it."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from inspection.store import lines, thresholds
from inspection.store.database import Database
from tests import factories
from tests.factories import NOON


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A migrated database without rows."""
    with closing(Database.open(database_url)) as database:
        yield database


@pytest.fixture
def site_database(database: Database) -> Database:
    """A database with two lines, three cameras, and threshold 0.5 (id 1) on line-1."""
    site = factories.site(
        lines=(factories.line(), factories.line(name="line-2", product="label")),
        cameras=(
            factories.camera(),
            factories.camera(name="cam-2", station="station-2"),
            factories.camera(name="cam-3", line="line-2"),
        ),
    )
    with database.write() as connection:
        lines.create_missing(connection, site, at=NOON, by="test")
        thresholds.set_threshold(
            connection, factories.scope(), 0.5, at=NOON, by="test", reason="first"
        )
    return database
