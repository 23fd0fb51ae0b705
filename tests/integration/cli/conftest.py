"""Consoles on data directories of their own, empty or with a site and its database in it."""

import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from inspection.model.checkpoint_folder import (
    ADAPTERS_FILE,
    CONFIG_FILE,
    FORMAT,
    content_hash,
)
from inspection.store import lines, thresholds
from inspection.store.database import Database
from tests import factories, servers
from tests.conftest import REPOSITORY
from tests.factories import NOON
from tests.integration.cli.console import Console


@pytest.fixture(scope="session")
def preloaded() -> Iterator[Path]:
    """Socket of a process that has loaded the command line and runs commands in forks."""
    with _preloaded() as path:
        yield path


@pytest.fixture(scope="session")
def torch_preloaded() -> Iterator[Path]:
    """Like `preloaded`, of a process that has loaded what trains and evaluates as well."""
    modules = ("adaptation", "conversion", "evaluation", "report", "verification")
    with _preloaded(*(f"inspection.training.{name}" for name in modules)) as path:
        yield path


@contextmanager
def _preloaded(*modules: str) -> Iterator[Path]:
    # Not below pytest's folder: names of sockets allow 107 characters.
    with tempfile.TemporaryDirectory(prefix="inspection-cli-") as name:
        path, log = Path(name, "socket"), Path(name, "log")
        command = [sys.executable, "-m", "tests.integration.cli.preloaded", str(path), *modules]
        with (
            log.open("wb") as output,
            subprocess.Popen(command, cwd=REPOSITORY, stderr=output) as process,
        ):
            servers.wait_until(path.exists, 100, process=process, log=log)
            yield path
            process.terminate()


@pytest.fixture
def torch_console(torch_preloaded: Path, tmp_path: Path) -> Console:
    """A console for commands that train and evaluate."""
    return Console(socket=torch_preloaded, data_dir=tmp_path / "data")


@pytest.fixture
def console(preloaded: Path, tmp_path: Path) -> Console:
    """A console whose data directory is not there yet."""
    return Console(socket=preloaded, data_dir=tmp_path / "data")


@pytest.fixture
def site_console(console: Console, migrated_sqlite: Path) -> Console:
    """A console on a database with two lines, three cameras, and threshold 0.5 on line-1."""
    console.data_dir.mkdir()
    file = shutil.copy(migrated_sqlite, console.data_dir / "inspection.sqlite")
    site = factories.site(
        lines=(factories.line(), factories.line(name="line-2", product="label")),
        cameras=(
            factories.camera(),
            factories.camera(name="cam-2", station="station-2"),
            factories.camera(name="cam-3", line="line-2"),
        ),
    )
    with closing(Database.open(f"sqlite:///{file}")) as database, database.write() as connection:
        lines.create_missing(connection, site, at=NOON, by="test")
        thresholds.set_threshold(
            connection, factories.scope(), 0.5, at=NOON, by="test", reason="first"
        )
    return console


@pytest.fixture
def site_database(site_console: Console) -> Iterator[Database]:
    """The database of `site_console`."""
    url = f"sqlite:///{site_console.data_dir / 'inspection.sqlite'}"
    with closing(Database.open(url)) as database:
        yield database


@pytest.fixture(scope="session")
def evicting_redis_url() -> Iterator[str]:
    """URL of a Redis that throws old data away when its memory is full."""
    with servers.redis_server("maxmemory-policy allkeys-lru", "appendonly yes") as url:
        yield url


def checkpoint_in(folder: Path, **described: Any) -> Path:
    """Write a checkpoint that is whole as far as its files go; no detector could be made of it."""
    (folder / ADAPTERS_FILE).write_bytes(hashlib.sha256(b"adapters").digest())
    config = {"format": FORMAT, "name": "hollow", **described}
    named = {**config, "content_hash": content_hash(config, folder / ADAPTERS_FILE)}
    (folder / CONFIG_FILE).write_text(json.dumps(named))
    return folder


@pytest.fixture(scope="session")
def checkpoint_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint that refers to nothing outside."""
    return checkpoint_in(tmp_path_factory.mktemp("checkpoint"))


@pytest.fixture(scope="session")
def referring_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint with a backbone that nobody has downloaded, and a text tower that is gone."""
    return checkpoint_in(
        tmp_path_factory.mktemp("referring"),
        backbone={"source": "nobody/has-downloaded-this", "fingerprint": ""},
        text={"source": "./text", "fingerprint": ""},
    )
