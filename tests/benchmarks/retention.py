"""How fast rows go, and what whoever records meanwhile notices of it, on both databases.

    python -m tests.benchmarks.retention [--rows 60000]

Prints one JSON object a database: rows removed a second, each with its inspection, map and picture
noted, and the 50 % and 99 % quantiles of transactions that record eight frames, twenty a second,
before and meanwhile.
"""

import argparse
import contextlib
import itertools
import json
import multiprocessing
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from multiprocessing.synchronize import Event
from pathlib import Path

from inspection.domain.evidence import Limits
from inspection.domain.inspection import Verdict
from inspection.domain.ledger import Inspected
from inspection.keeping.keeper import Keeper
from inspection.store import ledger, lines, thresholds
from inspection.store.database import Database
from inspection.store.pictures import PictureStore
from tests import factories, servers

#: Map of the pocket checkpoint: taps, rows, columns.
GRID = (4, 16, 16)
CAMERAS = ("cam-1", "cam-2", "cam-3", "cam-4")
OLD = timedelta(days=400)
#: Frames of one transaction, and transactions a second.
FRAMES, RATE_HZ = 8, 20.0
BASELINE_S = 8.0


def frames(numbers: Iterator[int], count: int) -> list[Inspected]:
    anomaly_map = factories.anomaly_map(shape=GRID)
    entries = []
    for number in itertools.islice(numbers, count):
        is_ng = number % 50 == 0
        picture = factories.picture(sha256=f"{number:064x}", size_bytes=200_000)
        entries.append(
            factories.inspected(
                camera=CAMERAS[number % len(CAMERAS)],
                sequence_number=number,
                score=0.9 if is_ng else 0.1,
                verdict=Verdict.NG if is_ng else Verdict.OK,
                anomaly_map=anomaly_map,
                picture=picture if number % 20 == 0 else None,
            )
        )
    return entries


def keep(url: str, folder: str, is_ready: Event, stop: Event) -> None:
    """Remove what is old until `stop`, in a process of its own, as in a plant."""
    ended = threading.Event()
    with closing(Database.open(url)) as database:
        keeper = Keeper(
            database, PictureStore(folder), Limits(), clock=lambda: datetime.now(UTC), stop=ended
        )
        is_ready.set()
        while not stop.is_set():
            keeper.round()


def recorded(
    database: Database, numbers: Iterator[int], *, for_s: float, until: Event | None = None
) -> list[float]:
    """Record frames as an inspector does; return how long each transaction took, in seconds."""
    took_s: list[float] = []
    begun_s = time.perf_counter()
    for turn in itertools.count():
        wait_s = begun_s + turn / RATE_HZ - time.perf_counter()
        time.sleep(max(0.0, wait_s))
        if time.perf_counter() - begun_s > for_s or (until is not None and until.is_set()):
            return took_s
        entries = frames(numbers, FRAMES)
        before_s = time.perf_counter()
        with database.write() as connection:
            ledger.record(connection, entries, at=datetime.now(UTC))
        took_s.append(time.perf_counter() - before_s)
    return took_s


def watched(database: Database, old_count: int, is_over: Event, seconds: list[float]) -> None:
    """Set `is_over` once all old rows are gone; note how long that took."""
    begun_s = time.perf_counter()
    while not is_over.is_set():
        time.sleep(0.2)
        with database.read() as connection:
            first = connection.exec_driver_sql("SELECT min(id) FROM ledger").scalar()
        if (first or 0) > old_count:
            seconds.append(time.perf_counter() - begun_s)
            is_over.set()


def measure(url: str, folder: Path, row_count: int) -> dict[str, object]:
    context = multiprocessing.get_context("spawn")
    numbers = itertools.count(1)
    with closing(Database.open(url)) as database:
        database.migrate()
        with database.write() as connection:
            site = factories.site(cameras=[factories.camera(name=name) for name in CAMERAS])
            at = datetime.now(UTC) - OLD
            lines.create_missing(connection, site, at=at, by="benchmark")
            thresholds.set_threshold(
                connection, factories.scope(), 0.5, at=at, by="benchmark", reason="first"
            )
        for _ in range(0, row_count, 1_000):
            with database.write() as connection:
                ledger.record(connection, frames(numbers, 1_000), at=at)
        before_s = recorded(database, numbers, for_s=BASELINE_S)
        is_ready, is_over = context.Event(), context.Event()
        seconds: list[float] = []
        keeper = context.Process(target=keep, args=(url, str(folder), is_ready, is_over))
        keeper.start()
        is_ready.wait()
        watcher = threading.Thread(target=watched, args=(database, row_count, is_over, seconds))
        watcher.start()
        meanwhile_s = recorded(database, numbers, for_s=300, until=is_over)
        watcher.join()
        keeper.join()
    return {
        "database": url.partition(":")[0],
        "rows": row_count,
        "rows_per_second": round(row_count / seconds[0]),
        "record_before_ms": quantiles(before_s),
        "record_meanwhile_ms": quantiles(meanwhile_s),
    }


def quantiles(took_s: list[float]) -> dict[str, float]:
    ascending = sorted(took_s)
    return {
        name: round(1000 * ascending[int(share * (len(ascending) - 1))], 2)
        for name, share in (("p50", 0.5), ("p99", 0.99))
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=60_000)
    parser.add_argument("--database", choices=("sqlite", "postgresql", "both"), default="both")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        urls = {"sqlite": f"sqlite:///{folder}/inspection.sqlite"}
        if asked.database != "sqlite":
            server = stack.enter_context(servers.postgres_server())
            urls["postgresql"] = stack.enter_context(
                servers.postgres_database(server, "retention_benchmark")
            )
        for kind, url in urls.items():
            if asked.database in (kind, "both"):
                print(json.dumps(measure(url, folder / "pictures", asked.rows)))  # noqa: T201


if __name__ == "__main__":
    main()
