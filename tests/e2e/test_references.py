"""References on real processes: built while the line runs, and supplied to replicas."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from inspection.capture.rendering import Conveyor
from inspection.domain.ledger import Account
from inspection.domain.reference import ReferencePlace, ReferenceSource
from inspection.errors import ConfigurationError, NotFoundError
from inspection.store import inspections, ledger, maps, references
from inspection.store.database import Database
from inspection.store.references import BuiltReference
from tests.e2e.conftest import Running, Start
from tests.factories import NOON

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

SITE = """
lines:
  - name: washers
    product: metal washer
    pictures: all
    stations:
      - name: top
        cameras: [{name: washers-top, folder: {path: parts, watch: true}}]
channels: [{name: log, kind: log}]
"""


class Parts:
    """A watched folder to which good parts are added."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.count = 0
        folder.mkdir()

    def add(self, count: int) -> int:
        """Add so many; return how many there are."""
        conveyor = Conveyor(product="metal washer", seed=11, size_px=128, defect_rate=0.0)
        for index in range(self.count, self.count + count):
            png = maps.png(conveyor.part(index).image)
            (self.folder / f"{index:04}.png").write_bytes(png)
        self.count += count
        return self.count


@pytest.fixture
def parts(tmp_path: Path) -> Parts:
    return Parts(tmp_path / "parts")


def config(folder: Path) -> str:
    path = folder / "site.yaml"
    path.write_text(SITE)
    return str(path)


def asked(running: Running, *arguments: str) -> Any:
    """Run a command that prints JSON, beside the running line."""
    done = subprocess.run(
        [sys.executable, "-m", "inspection", *arguments, "--json"],
        env=running.environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@contextmanager
def database(running: Running) -> Iterator[Database]:
    """Open the line's database here: a command for every look would keep the processors busy."""
    url = f"sqlite:///{running.data_dir / 'inspection.sqlite'}"
    with closing(Database.open(url)) as opened:
        yield opened


def reference_hashes(running: Running) -> list[str | None]:
    """Return what the frames were scored with, the newest first."""
    with database(running) as opened, opened.read() as connection:
        rows = inspections.history(connection, inspections.HistoryQuery(limit=100))
    return [row.reference_hash for row in rows]


def account(running: Running) -> Account:
    with database(running) as opened, opened.read() as connection:
        return ledger.account_rows(connection, "washers-top", up_to=1000)


def settled(running: Running) -> int:
    """Count the frames of which something has become."""
    try:
        rows = account(running)
    except (ConfigurationError, NotFoundError):
        return 0  # there are no tables yet, or no camera
    return rows.inspected + rows.uninspected_count


def put_rubbish(running: Running) -> None:
    built = BuiltReference(
        place=ReferencePlace(line="washers", station="top", product="metal washer"),
        data=b"no reference",
        checkpoint_hash="ab" * 32,
        images_count=1,
        source=ReferenceSource.FOLDER,
    )
    with database(running) as opened, opened.write() as connection:
        references.add_reference(connection, built, at=NOON, by="test", reason="")


def test_reference_reaches_replicas_again_after_a_kill_and_rubbish_judges_nothing(
    start: Start, parts: Parts, tmp_path: Path
) -> None:
    total = parts.add(4)
    with start("up", "--config", config(tmp_path)) as running:
        running.wait(lambda: settled(running) == total, 400)
        (built,) = asked(running, "reference", "build", "washers", "--from-last", "4")
        with_reference = [built["content_hash"]]

        def is_scored_with_it() -> bool:
            now = parts.add(1)
            running.wait(lambda: settled(running) == now, 60)
            return reference_hashes(running)[:1] == with_reference

        running.wait(is_scored_with_it, 60)
        running.kill("ServeReplica")
        total = parts.add(3)
        running.wait(lambda: settled(running) == total, 400)
        assert reference_hashes(running)[:3] == with_reference * 3
        before = account(running)

        put_rubbish(running)

        def is_uninspected() -> bool:
            now = parts.add(1)
            running.wait(lambda: settled(running) == now, 60)
            return account(running).uninspected_count > 0

        running.wait(is_uninspected, 60)
        running.verify()

    assert (built["images"], before.uninspected_count) == (4, 0)
    assert account(running).uninspected == {"reference": 1}
