"""The whole program under measurement: started as a user does, watched from outside."""

import contextlib
import json
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
import pytest
from sqlalchemy import select

from inspection.domain.ledger import Outcome
from inspection.store import tables
from inspection.store.database import Database

REPOSITORY = Path(__file__).parents[2]

#: Seconds between two looks at all processes' memory; each costs the system some milliseconds.
MEMORY_S = 3.0

#: Seconds between two looks for a commit.
COMMIT_S = 0.001

#: Seconds a measured run may take at all.
PATIENCE_S = 3600.0


@dataclass(frozen=True, kw_only=True)
class Row:
    """One row of the ledger."""

    ledger_id: int
    captured_at: datetime
    recorded_at: datetime
    is_inspected: bool


@dataclass(frozen=True, kw_only=True)
class Memory:
    """Memory of all processes at one moment."""

    at: datetime
    #: Proportional set size by name of the process, in MB.
    by_process: dict[str, float]

    @property
    def total_mb(self) -> float:
        return sum(self.by_process.values())


@dataclass(frozen=True, kw_only=True)
class Run:
    """What a finished run has left."""

    #: What the command printed.
    account: dict[str, Any]
    #: In the order of recording.
    rows: Sequence[Row]
    memory: Sequence[Memory]
    #: By ledger id: when another process could see the row.
    committed_at: dict[int, datetime]

    @property
    def resident_mb(self) -> float:
        """Most memory all processes had together."""
        return max(moment.total_mb for moment in self.memory)

    @property
    def is_whole(self) -> bool:
        """Whether every frame was inspected, and the account says so."""
        inspected_count = sum(row.is_inspected for row in self.rows)
        said = (self.account["accepted"], self.account["inspections"])
        return {*said, inspected_count} == {len(self.rows)} and not self.account["in_flight"]


@contextlib.contextmanager
def started(*arguments: str, data_dir: Path, checkpoint: str) -> Iterator["subprocess.Popen[str]"]:
    """Run `inspection ARGUMENTS` until the block ends; its log goes to DATA_DIR/program.log."""
    data_dir.mkdir(parents=True, exist_ok=True)
    settings = [f"INSPECTION_DATA_DIR={data_dir}", f"INSPECTION_CHECKPOINT={checkpoint}"]
    with (
        (data_dir.parent / f"{data_dir.name}.log").open("w") as log,
        subprocess.Popen(
            ["env", *settings, sys.executable, "-m", "inspection", *arguments],
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            cwd=REPOSITORY,
        ) as process,
    ):
        try:
            yield process
        finally:
            if process.poll() is None:
                process.terminate()


def run(site: str, *, data_dir: Path, checkpoint: str) -> Run:
    """Run the lines of a configuration file, given as text, until every camera is drained."""
    data_dir.mkdir(parents=True)
    config = data_dir.parent / f"{data_dir.name}.yaml"
    config.write_text(site)
    arguments = ("up", "--config", str(config), "--until-drained", "--json")
    with started(*arguments, data_dir=data_dir, checkpoint=checkpoint) as process:
        watch = Watch(process.pid, data_dir / "inspection.sqlite")
        with watch.watching():
            printed, _ = process.communicate(timeout=PATIENCE_S)
    if process.returncode:
        log = (data_dir.parent / f"{data_dir.name}.log").read_text()
        pytest.fail(f"inspection up ended with {process.returncode}\n{log[-4000:]}", pytrace=False)
    return Run(
        account=json.loads(printed),
        rows=recorded(data_dir / "inspection.sqlite"),
        memory=watch.memory,
        committed_at=watch.committed_at,
    )


def recorded(database_file: Path) -> list[Row]:
    """Return all rows of the ledger."""
    ledger = tables.ledger.c
    statement = select(ledger.id, ledger.captured_at, ledger.recorded_at, ledger.outcome)
    with (
        contextlib.closing(Database.open(f"sqlite:///{database_file}")) as database,
        database.read() as connection,
    ):
        rows = connection.execute(statement.order_by(ledger.id)).all()
    return [
        Row(
            ledger_id=row.id,
            captured_at=row.captured_at,
            recorded_at=row.recorded_at,
            is_inspected=row.outcome == Outcome.INSPECTED.value,
        )
        for row in rows
    ]


def frames_per_second(rows: Sequence[Row]) -> float:
    """Return the frames recorded a second from the first to the last of `rows`."""
    begin_at, end_at = rows[0].recorded_at, rows[-1].recorded_at
    count = sum(begin_at < row.recorded_at <= end_at for row in rows)
    return count / (end_at - begin_at).total_seconds()


class Watch:
    """Two threads that look at a program from outside."""

    def __init__(self, pid: int, database_file: Path) -> None:
        self._pid = pid
        self._file = database_file
        self._is_over = threading.Event()
        self.memory: list[Memory] = []
        self.committed_at: dict[int, datetime] = {}

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Look until the block ends."""
        threads = [threading.Thread(target=look) for look in (self._weigh, self._see_commits)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._is_over.set()
            for thread in threads:
                thread.join()

    def _weigh(self) -> None:
        while not self._is_over.wait(MEMORY_S):
            by_process: dict[str, float] = {}
            with contextlib.suppress(psutil.NoSuchProcess):
                root = psutil.Process(self._pid)
                for process in [root, *root.children(recursive=True)]:
                    with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                        name, size = named(process), process.memory_full_info().pss / 1e6
                        by_process[name] = by_process.get(name, 0) + size
            if by_process:
                self.memory.append(Memory(at=datetime.now(UTC), by_process=by_process))

    def _see_commits(self) -> None:
        """Note when rows can be seen: SQLite counts what others have committed."""
        while not self._file.exists():
            if self._is_over.wait(COMMIT_S):
                return
        uri = f"{self._file.as_uri()}?mode=ro"
        with contextlib.closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as connection:
            version, newest = 0, 0
            while not self._is_over.is_set():
                time.sleep(COMMIT_S)
                with contextlib.suppress(sqlite3.OperationalError):
                    seen = connection.execute("PRAGMA data_version").fetchone()[0]
                    if seen == version:
                        continue
                    now = datetime.now(UTC)
                    query = "SELECT id FROM ledger WHERE id > ?"
                    fresh = [number for (number,) in connection.execute(query, (newest,))]
                    self.committed_at.update(dict.fromkeys(fresh, now))
                    version, newest = seen, max(fresh, default=newest)


def named(process: psutil.Process) -> str:
    """Say which part of the program a process is."""
    words = process.cmdline()
    if "inspection.ingest.child" in words:
        return "camera"
    if "-m" in words and "inspection" in words:
        return words[words.index("inspection") + 1]
    scripts = [Path(word) for word in words[1:] if word.endswith(".py")]
    if scripts:
        return f"ray {scripts[0].parent.name}/{scripts[0].stem}"
    return Path(words[0].split()[0]).name if words else process.name()
