"""The alert worker: from a recorded frame to its alert, one by one and in a storm."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime

import pytest
from sqlalchemy import func, select

from inspection.alerting import worker
from inspection.domain.inspection import Verdict
from inspection.store import alert_tables, ledger, lines, tables, thresholds
from inspection.store.database import Database
from tests import factories
from tests.factories import NOON

pytestmark = pytest.mark.benchmark

#: Lines of which each opens one alert in a storm.
LINES = 1_000
#: Frames a second of the running line, and for how long.
RATE_HZ, RUN_S = 50, 20


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    with closing(Database.open(database_url)) as opened:
        yield opened


def stand(database: Database, count: int) -> None:
    """Put lines with a camera and a threshold each on the floor."""
    names = [str(number) for number in range(count)]
    site = factories.site(
        lines=tuple(factories.line(name=f"line-{name}") for name in names),
        cameras=tuple(factories.camera(name=f"cam-{name}", line=f"line-{name}") for name in names),
    )
    with database.write() as connection:
        lines.create_missing(connection, site, at=NOON, by="benchmark")
        for name in names:
            scope = factories.scope(line=f"line-{name}")
            thresholds.set_threshold(
                connection, scope, 0.5, at=NOON, by="benchmark", reason="first"
            )


def record(database: Database, frames: list[tuple[str, int, bool]]) -> None:
    """Record inspected frames, each given as camera, sequence number, and whether it is NG."""
    now = datetime.now(UTC)
    entries = []
    with database.write() as connection:
        for camera, number, is_ng in frames:
            who = {"camera": camera, "sequence_number": number, "captured_at": now}
            inspection = factories.inspection(
                **who,
                score=0.83 if is_ng else 0.2,
                verdict=Verdict.NG if is_ng else Verdict.OK,
                threshold=factories.threshold(threshold_id=1),
            )
            entries.append(factories.inspected(**who, inspection=inspection))
        ledger.record(connection, entries, at=now)


@contextmanager
def working(database: Database) -> Iterator[None]:
    stop = threading.Event()
    options = {"clock": lambda: datetime.now(UTC), "stop": stop}
    thread = threading.Thread(target=worker.run, args=(database,), kwargs=options)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(30)


def alert_count(database: Database) -> int:
    with database.read() as connection:
        return connection.scalar(select(func.count()).select_from(alert_tables.alerts)) or 0


def test_storm_of_alerts(database: Database, report: Callable[..., None]) -> None:
    stand(database, LINES)
    for first in range(0, LINES, 100):
        record(database, [(f"cam-{first + number}", 1, True) for number in range(100)])

    begun_s, worked_s = time.perf_counter(), time.process_time()
    with working(database):
        while alert_count(database) < LINES:
            time.sleep(0.05)
    took_s = time.perf_counter() - begun_s

    report(
        database="sqlite" if database.is_sqlite else "postgresql",
        alerts=alert_count(database),
        seconds=round(took_s, 1),
        processor_seconds=round(time.process_time() - worked_s, 1),
        alerts_per_minute=round(60 * LINES / took_s),
    )
    assert 60 * LINES / took_s >= 1_000


def test_alert_opens_soon_after_its_exposure(
    database: Database, report: Callable[..., None]
) -> None:
    stand(database, RUN_S)
    with working(database):
        begun_s = time.perf_counter()
        for number in range(RATE_HZ * RUN_S):
            # Each second another line has its first NG part, among those that others go on having.
            second, place = divmod(number, RATE_HZ)
            record(database, [(f"cam-{(place * (second + 1)) // RATE_HZ}", number + 1, place > 10)])
            time.sleep(max(0.0, begun_s + (number + 1) / RATE_HZ - time.perf_counter()))
        time.sleep(1)
    alert, member = alert_tables.alerts.c, alert_tables.alert_frames.c
    first_at = func.min(tables.ledger.c.captured_at)
    with database.read() as connection:
        rows = connection.execute(
            select(alert.opened_at, first_at)
            .join(alert_tables.alert_frames, member.alert_id == alert.id)
            .join(tables.ledger, tables.ledger.c.id == member.ledger_id)
            .group_by(alert.id, alert.opened_at)
        ).all()
    delays_s = [(opened_at - captured_at).total_seconds() for opened_at, captured_at in rows]

    report(
        database="sqlite" if database.is_sqlite else "postgresql",
        alerts=len(delays_s),
        longest_s=round(max(delays_s), 3),
    )
    assert max(delays_s) <= 1.0
