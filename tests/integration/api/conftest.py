"""The interface as programs meet it: a real application on a real database, asked in-process."""

import functools
import itertools
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from starlette.routing import Mount

from inspection.api import cookies, forgery
from inspection.api.app import create_app
from inspection.api.gate import Doorkeeper
from inspection.api.installation import Installation
from inspection.domain.access import Permission, Role
from inspection.domain.key import Key, KeyWish
from inspection.store import keys, lines, sessions, thresholds, users
from inspection.store.database import Database
from inspection.store.passwords import Passwords
from inspection.store.pictures import PictureStore
from tests import factories
from tests.conftest import Clock
from tests.factories import NOON

#: Makes a client that asks as a role; None asks as nobody.
Client = Callable[[Role | None], TestClient]
#: Makes a client that asks with a key of some scopes.
KeyClient = Callable[..., TestClient]
#: Makes the headers that show a key of a role.
KeyHeaders = Callable[[Role], dict[str, str]]
#: Hashes as little as Argon2 lets one.
QUICK = Passwords(memory_kib=8, passes=1)

_numbers = itertools.count(1)
#: By the largest body they take.
_apps: dict[int, FastAPI] = {}


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
                connection, factories.scope(), 0.5, at=NOON, by="test", reason="first", lead_s=0
            )
        yield database


@pytest.fixture
def installation(site_database: Database, clock: Clock, tmp_path: Path) -> Installation:
    """What the routes of `client` work with."""
    return Installation(
        database=site_database,
        pictures=PictureStore(str(tmp_path / "pictures")),
        gate=Doorkeeper(site_database, clock),
        clock=clock,
        passwords=QUICK,
    )


@pytest.fixture
def app(installation: Installation) -> FastAPI:
    """The application that `client` asks."""
    return serving(installation)


@pytest.fixture
def ask(app: FastAPI) -> Iterator[Callable[[dict[str, str]], TestClient]]:
    """Makes a client that sends these headers with everything."""
    with ExitStack() as stack:

        def made(headers: dict[str, str]) -> TestClient:
            client = TestClient(app, headers=headers, raise_server_exceptions=False)
            return stack.enter_context(client)

        yield made


@pytest.fixture
def key_headers(installation: Installation) -> KeyHeaders:
    """`key_headers(Role.ENGINEER)`: what shows a key that may do what engineers may."""

    @functools.cache
    def made(role: Role) -> dict[str, str]:
        _, text = add_key(installation, *role.permissions, name=role.value)
        return {"Authorization": f"Bearer {text}"}

    return made


@pytest.fixture
def client(ask: Callable[[dict[str, str]], TestClient], key_headers: KeyHeaders) -> Client:
    """`client(Role.ENGINEER)`: a program with a real key that may do what engineers may.

    The key is called `engineer` and does not expire, however far the clock is moved.
    """
    return lambda role: ask({} if role is None else key_headers(role))


@pytest.fixture
def browser(ask: Callable[[dict[str, str]], TestClient], installation: Installation) -> Client:
    """`browser(Role.ENGINEER)`: a browser in which the user `engineer` is signed in.

    The session is real; only the sign-in before it is left out, which takes time on purpose.
    """

    def made(role: Role | None) -> TestClient:
        browser = ask({})
        if role is not None:
            sign_in(browser, installation, role)
        return browser

    return made


@pytest.fixture
def key_client(
    ask: Callable[[dict[str, str]], TestClient], installation: Installation
) -> KeyClient:
    """`key_client(Permission.PUSH, cameras={"cam-1"})`: a program with a key of these scopes."""

    def made(*scopes: Permission, **wished: Any) -> TestClient:
        _, text = add_key(installation, *scopes, **wished)
        return ask({"Authorization": f"Bearer {text}"})

    return made


def serving(installation: Installation) -> FastAPI:
    """Return the application of an installation: of this one from now on.

    Made once: its ninety routes cost more than most tests.
    """
    limit = installation.body_limit_bytes
    app = _apps.get(limit) or _apps.setdefault(limit, create_app(installation))
    inner = [each.app for each in app.routes if isinstance(each, Mount)]
    for each in (app, *inner):
        if isinstance(each, FastAPI):
            each.state.installation = installation
    return app


def sign_in(
    client: TestClient, installation: Installation, role: Role, *, is_temporary: bool = False
) -> None:
    """Sign a browser in as the user who is called like the role, with or without a temporary
    password."""
    at = installation.clock()
    with installation.database.write() as connection:
        if users.find_credentials(connection, role) is None:
            until_at = at + timedelta(days=1) if is_temporary else None
            new = users.NewUser(name=role, role=role, temporary_until_at=until_at)
            users.add_user(connection, new, at=at, by="test")
        found = users.find_credentials(connection, role)
        assert found is not None
        cookie = sessions.begin_session(connection, found.user_id, at).text
    client.cookies.set(cookies.SESSION, cookie)
    client.headers[forgery.HEADER] = forgery.csrf_token(cookie)


def add_key(installation: Installation, *scopes: Permission, **wished: Any) -> tuple[Key, str]:
    """Make a key; return it and what opens."""
    name = wished.pop("name", f"key-{next(_numbers)}")
    wish = KeyWish(name=name, scopes=frozenset(scopes), **wished)
    with installation.database.write() as connection:
        key, token = keys.add_key(connection, wish, at=installation.clock(), by="test")
    return key, token.text
