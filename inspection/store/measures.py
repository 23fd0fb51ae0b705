"""Measures of a store: how long questions take on a specimen, how fast rows come, how big they are.

Each question has a function that takes the database and its specimen and returns how long it took
each time, in milliseconds.
"""

import hashlib
import itertools
import math
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import numpy as np
from sqlalchemy import Connection, text

from inspection.domain.frame import Frame, FrameIdentity
from inspection.domain.inspection import AnomalyMap, Inspection, Latencies, judge
from inspection.domain.ledger import Inspected
from inspection.domain.line import Threshold
from inspection.store import ledger, thresholds
from inspection.store.database import Database
from inspection.store.specimen import Specimen

#: Shape of the maps of the small checkpoint: taps, rows, columns.
GRID: Final = (4, 16, 16)


def p95(latencies_ms: Sequence[float]) -> float | None:
    """Return what 95 of 100 do not exceed, None without any."""
    if not latencies_ms:
        return None
    return round(sorted(latencies_ms)[math.ceil(0.95 * len(latencies_ms)) - 1], 2)


def timed_ms(ask: Callable[[], object]) -> float:
    """Return how long a question took."""
    begun_s = time.perf_counter()
    ask()
    return (time.perf_counter() - begun_s) * 1000


def inserts(
    database: Database, specimen: Specimen, *, sample_count: int, batch: int, at: datetime
) -> dict[str, float]:
    """Record frames with maps as an inspector does, of all cameras in turn.

    Returns:
        How many a second, and the bytes of each in the database, indexes and counters included.
    """
    before_bytes = _size_bytes(database)
    with database.read() as connection:
        in_force = {each.scope.line: each for each in thresholds.list_thresholds(connection)}
        numbers = {
            camera: ledger.last_sequence_number(connection, camera) for camera in specimen.cameras
        }
    frames = _frames(specimen, numbers, in_force, at)
    left, busy_s = sample_count, 0.0
    while left > 0:
        entries = list(itertools.islice(frames, min(batch, left)))
        left -= len(entries)
        begun_s = time.perf_counter()
        with database.write() as connection:
            ledger.record(connection, entries, at=entries[-1].identity.captured_at)
        busy_s += time.perf_counter() - begun_s
    grown_bytes = _size_bytes(database) - before_bytes
    return {
        "inserts_per_second": round(sample_count / busy_s),
        "bytes_per_inspection": round(grown_bytes / sample_count),
    }


def _frames(
    specimen: Specimen, numbers: dict[str, int], in_force: dict[str, Threshold], at: datetime
) -> Iterator[Inspected]:
    random = np.random.default_rng(2)
    of_line = len(specimen.cameras) // len(specimen.lines)
    # Bytes like those of real maps: they cannot be pressed together.
    grids = [random.normal(-4, 1, GRID).astype("<f2").tobytes() for _ in range(64)]
    for count in itertools.count():
        place = count % len(specimen.cameras)
        camera, line = specimen.cameras[place], specimen.lines[place // of_line]
        part = count // len(specimen.cameras)
        numbers[camera] += 1
        identity = FrameIdentity(
            camera=camera,
            sequence_number=numbers[camera],
            captured_at=at + timedelta(milliseconds=count),
        )
        product = specimen.products[place // of_line * (len(specimen.products) // 4)]
        score = float(np.clip(random.normal(0.25, 0.08), 0, 1))
        threshold = in_force[line]
        yield Inspected(
            frame=Frame(
                identity=identity,
                payload=b"",
                media_type="image/jpeg",
                product=product,
                part_serial=f"B{place // of_line + 1}-{part:08d}",
                lot=f"B{place // of_line + 1}-{part // 300:05d}",
            ),
            inspection=Inspection(
                identity=identity,
                product=product,
                score=score,
                verdict=judge(score, threshold),
                threshold=threshold,
                checkpoint_hash=hashlib.sha256(b"bench").hexdigest(),
                latencies=Latencies(waited_ms=100.0, inference_ms=60.0),
            ),
            anomaly_map=AnomalyMap(shape=GRID, data=grids[count % len(grids)]),
        )


def _size_bytes(database: Database) -> int:
    with database.read() as connection:
        return _sqlite_bytes(connection) if database.is_sqlite else _postgres_bytes(connection)


def _sqlite_bytes(connection: Connection) -> int:
    count, size, free = (
        int(connection.exec_driver_sql(f"PRAGMA {name}").scalar_one())
        for name in ("page_count", "page_size", "freelist_count")
    )
    return (count - free) * size


def _postgres_bytes(connection: Connection) -> int:
    found: Any = connection.scalar(text("SELECT pg_database_size(current_database())"))
    return int(found)
