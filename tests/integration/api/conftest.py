"""The interface as programs meet it: a real application on a real database, asked in-process."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from fastapi import Request
from fastapi.testclient import TestClient

from inspection.api.app import create_app
from inspection.api.installation import Installation
from inspection.domain.access import PERMISSIONS, Principal, Role
from inspection.errors import UnauthenticatedError
from inspection.store import lines, thresholds
from inspection.store.database import Database
from inspection.store.pictures import PictureStore
from tests import factories
from tests.conftest import Clock
from tests.factories import NOON

#: Makes a client that asks as a role; None asks as nobody.
Client = Callable[[Role | None], TestClient]


class RoleGate:
    """Takes the role out of the request's `Authorization`."""

    def principal(self, request: Request) -> Principal:
        role = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if role not in list(Role):
            raise UnauthenticatedError
        return Principal(name=f"the {role}", permissions=PERMISSIONS[Role(role)])


@pytest.fixture
def site_database(sqlite_url: str) -> Iterator[Database]:
    """A database with lines `line-1` and `line-2`, three cameras, and threshold 0.5 on line-1."""
    site = factories.site(
        lines=(factories.line(), factories.line(name="line-2", product="label")),
        cameras=(
            factories.camera(),
            factories.camera(name="cam-2", station="station-2"),
            factories.camera(name="cam-3", line="line-2"),
        ),
    )
    with closing(Database.open(sqlite_url)) as database:
        with database.write() as connection:
            lines.create_missing(connection, site, at=NOON, by="test")
            thresholds.set_threshold(
                connection, factories.scope(), 0.5, at=NOON, by="test", reason="first"
            )
        yield database


@pytest.fixture
def client(site_database: Database, clock: Clock, tmp_path: Path) -> Iterator[Client]:
    """`client(Role.ENGINEER)`: a client of the interface, with the sites of `site_database`."""
    installation = Installation(
        database=site_database,
        pictures=PictureStore(str(tmp_path / "pictures")),
        gate=RoleGate(),
        clock=clock,
    )
    app = create_app(installation)
    with ExitStack() as stack:

        def made(role: Role | None) -> TestClient:
            headers = {} if role is None else {"Authorization": f"Bearer {role.value}"}
            client = TestClient(app, headers=headers, raise_server_exceptions=False)
            return stack.enter_context(client)

        yield made
