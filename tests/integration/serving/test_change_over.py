"""Thresholds change under load: each row is judged by what was in force when it was judged."""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from inspection.domain.inspection import Latencies, Verdict
from inspection.domain.ledger import Inspected
from inspection.domain.line import Threshold
from inspection.domain.what_if import Limit, Move, Question
from inspection.serving.recorder import Judged, Recorder
from inspection.serving.request import Scored
from inspection.store import in_force, lines, tables, thresholds, what_ifs
from inspection.store.database import Database
from inspection.store.pictures import PictureStore
from tests import factories
from tests.factories import CHECKPOINT_HASH, NOON

CAMERAS = ("cam-1", "cam-2", "cam-3")
LINE = factories.scope()


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """One line with three cameras and threshold 0.5."""
    site = factories.site(cameras=tuple(factories.camera(name=name) for name in CAMERAS))
    with closing(Database.open(database_url)) as database:
        with database.write() as connection:
            lines.create_missing(connection, site, at=NOON, by="test")
        change(database, 0.5)
        yield database


def change(database: Database, value: float | None, *, lead_s: float = 0) -> Threshold:
    with database.write() as connection:
        return thresholds.set_threshold(
            connection, LINE, value, at=NOON, by="test", reason="", lead_s=lead_s
        )


def recorder(database: Database, folder: Path) -> Recorder:
    return Recorder(database, PictureStore(str(folder)), clock=lambda: datetime.now(UTC))


def judged(camera: str, number: int) -> Judged:
    """Make a frame with a score between 0 and 0.99."""
    return Judged(
        frame=factories.frame(
            camera=camera, sequence_number=number, captured_at=NOON + timedelta(seconds=number)
        ),
        scored=Scored(
            score=number % 100 / 100,
            anomaly_map=factories.anomaly_map(),
            checkpoint_hash=CHECKPOINT_HASH,
            reference_hash=None,
        ),
        latencies=Latencies(waited_ms=1.0, inference_ms=2.0),
    )


def rows(database: Database) -> list[Any]:
    row = tables.inspections.c
    columns = (row.score, row.verdict, row.threshold_id, row.threshold_value, row.judged_at)
    with database.read() as connection:
        return list(connection.execute(select(*columns)))


def test_no_frame_is_judged_by_anything_but_the_version_in_force_when_it_was_judged(
    database: Database, tmp_path: Path
) -> None:
    stop, counts = threading.Event(), dict.fromkeys(CAMERAS, 0)

    def record(camera: str) -> None:
        mine = recorder(database, tmp_path / camera)
        while not stop.is_set():
            first = counts[camera] + 1
            mine.record([judged(camera, number) for number in range(first, first + 8)])
            counts[camera] += 8

    threads = [threading.Thread(target=record, args=(camera,)) for camera in CAMERAS]
    for thread in threads:
        thread.start()
    # One comes into force at once, the next soon, the third never: a newer one is there before.
    for place in range(12):
        change(database, (0.2, 0.4, None, 0.8)[place % 4], lead_s=(0, 0.03, 0.2)[place % 3])
        time.sleep(0.05)
    stop.set()
    for thread in threads:
        thread.join()

    with database.read() as connection:
        versions = thresholds.threshold_history(connection, LINE)
    found = rows(database)
    assert len(found) == sum(counts.values()) > 0
    for row in found:
        then = max(
            (version for version in versions if version.effective_at <= row.judged_at),
            key=lambda version: version.version,
        )
        has_value = then.value is not None
        assert row.threshold_id == (then.threshold_id if has_value else None)
        assert row.threshold_value == then.value
        is_ng = has_value and row.score > row.threshold_value
        assert row.verdict == (Verdict.NG if is_ng else Verdict.OK if has_value else "pending")
    assert len({row.threshold_value for row in found}) > 2
    for value in (0.2, 0.4, 0.8):
        assert asked(database, value) == recounted(found, value)


def asked(database: Database, value: float) -> Counter[Move]:
    question = Question(
        scope=LINE,
        limit=Limit(value=value),
        from_at=NOON - timedelta(days=1),
        to_at=NOON + timedelta(days=1),
    )
    with database.read() as connection:
        return Counter(what_ifs.ask(connection, question).tally.moves)


def recounted(found: list[Any], value: float) -> Counter[Move]:
    return Counter(
        (Verdict(row.verdict), Verdict.NG if row.score > value else Verdict.OK) for row in found
    )


def test_threshold_whose_setter_is_slow_judges_what_was_judged_since_it_is_in_force(
    database: Database, tmp_path: Path
) -> None:
    is_set, may_commit = threading.Event(), threading.Event()

    def set_slowly() -> None:
        with database.write() as connection:
            thresholds.set_threshold(connection, LINE, 0.9, at=NOON, by="test", reason="", lead_s=0)
            is_set.set()
            may_commit.wait(0.3)

    setter = threading.Thread(target=set_slowly)
    setter.start()
    assert is_set.wait(10)

    (entry,) = recorder(database, tmp_path).record([judged("cam-1", 70)])

    setter.join()
    assert isinstance(entry, Inspected)
    assert entry.inspection.verdict is Verdict.OK
    assert entry.inspection.threshold is not None
    assert entry.inspection.threshold.value == 0.9


def test_threshold_comes_into_force_a_second_after_it_is_set(database: Database) -> None:
    new = change(database, 0.7, lead_s=thresholds.LEAD_S)

    with database.read() as connection:
        before = in_force.in_force(connection, new.effective_at - timedelta(milliseconds=1))
        after = in_force.in_force(connection, new.effective_at)
        now = in_force.in_force_now(connection)
    assert [each.value for each in before.thresholds] == [0.5]
    assert [each.value for each in after.thresholds] == [0.7]
    assert timedelta(0) < new.effective_at - now.at <= timedelta(seconds=1)


def test_pending_frame_says_which_withdrawn_threshold_left_it_so(
    database: Database, tmp_path: Path
) -> None:
    withdrawn = change(database, None)

    (entry,) = recorder(database, tmp_path).record([judged("cam-1", 1)])

    assert isinstance(entry, Inspected)
    assert entry.inspection.threshold is None
    assert entry.inspection.decided_by_id == withdrawn.threshold_id
