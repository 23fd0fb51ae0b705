"""What every test may ask for: real servers and databases, a clock, pictures of real parts."""

import itertools
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from inspection.store.database import Database
from inspection.stream.embedded import EmbeddedServer
from tests import servers
from tests.factories import NOON

# The settings of whoever runs the tests are not those of the tests.
for _name in [name for name in os.environ if name.startswith("INSPECTION_")]:
    del os.environ[_name]

# How long an example takes says nothing on a machine that does other things as well.
hypothesis.settings.register_profile("patient", deadline=None)
hypothesis.settings.load_profile("patient")

REPOSITORY = Path(__file__).parent.parent
#: Pictures and reference values too large for the repository; a folder beside it.
SHARED = REPOSITORY.parent / "shared"

_numbers = itertools.count(1)


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self, now: datetime = NOON) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def advance(self, seconds: float) -> datetime:
        self.now += timedelta(seconds=seconds)
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="session")
def wait_until() -> Callable[..., Any]:
    """`wait_until(predicate, timeout_s)`: give what the predicate says once that is true."""
    return servers.wait_until


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """URL of a real Redis of this session; tests use names of their own in it."""
    if url := os.environ.get("TEST_REDIS_URL"):
        yield url
        return
    with servers.redis_server() as url:
        yield url


@pytest.fixture(scope="session")
def valkey_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of the Valkey that the product brings along and starts itself."""
    server = EmbeddedServer(tmp_path_factory.mktemp("valkey"))
    yield server.start()
    server.stop()


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """URL of a database on a real PostgreSQL, whose user may make databases."""
    if url := os.environ.get("TEST_DATABASE_URL"):
        yield url
        return
    with servers.postgres_server() as url:
        yield url


@pytest.fixture(scope="session")
def mosquitto() -> Iterator[servers.Mosquitto]:
    """A running MQTT broker of this session; tests use topics of their own in it."""
    with servers.mosquitto_server() as broker, broker.running():
        yield broker


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> servers.Certificate:
    """A certificate of `localhost` that only those trust who are told to."""
    return servers.certificate(tmp_path_factory.mktemp("certificate"), host="localhost")


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """SQLite file with all tables, to be copied."""
    file = tmp_path_factory.mktemp("template") / "inspection.sqlite"
    _migrate(f"sqlite:///{file}")
    return file


@pytest.fixture(scope="session")
def migrated_postgres(postgres_url: str) -> Iterator[str]:
    """Name of a PostgreSQL database with all tables, to be cloned."""
    name = f"inspection_template_{os.getpid()}"
    with servers.postgres_database(postgres_url, name) as url:
        _migrate(url)
        yield name


@pytest.fixture
def sqlite_url(migrated_sqlite: Path, tmp_path: Path) -> str:
    """URL of a migrated SQLite database of this test's own."""
    return f"sqlite:///{shutil.copy(migrated_sqlite, tmp_path / 'inspection.sqlite')}"


@pytest.fixture
def postgres_database_url(postgres_url: str, migrated_postgres: str) -> Iterator[str]:
    """URL of a migrated PostgreSQL database of this test's own."""
    name = f"inspection_test_{os.getpid()}_{next(_numbers)}"
    with servers.postgres_database(postgres_url, name, template=migrated_postgres) as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """URL of a migrated database of this test's own, once of each kind."""
    kind = "sqlite_url" if request.param == "sqlite" else "postgres_database_url"
    url: str = request.getfixturevalue(kind)
    return url


@pytest.fixture(scope="session")
def reference_dir() -> Path:
    """Folder of values computed by the published code of the methods."""
    return _shared("reference")


@pytest.fixture(scope="session")
def real_mini() -> Path:
    """Folder of photographs of real parts."""
    return _shared("datasets", "real-mini")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give tests with real processes the time these take to start."""
    for item in items:
        if item.get_closest_marker("e2e") and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(120))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Keep the closing counts for whoever runs several selections one after the other."""
    is_worker = hasattr(terminalreporter.config, "workerinput")
    if (path := os.environ.get("TEST_COUNTS")) and not is_worker:
        counts = ", ".join(
            f"{len(reports)} {outcome}"
            for outcome in ("passed", "failed", "error", "skipped", "deselected")
            if (reports := terminalreporter.stats.get(outcome))
        )
        selection = terminalreporter.config.option.markexpr or "all"
        with Path(path).open("a") as file:
            file.write(f"{selection}: {counts or 'no tests'}\n")


def _shared(*names: str) -> Path:
    folder = SHARED.joinpath(*names)
    if not folder.is_dir():
        servers.unavailable(f"the folder shared/{'/'.join(names)} is not beside the repository")
    return folder


def _migrate(url: str) -> None:
    with closing(Database.open(url)) as database:
        database.migrate()
