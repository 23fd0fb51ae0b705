"""The ledger: rows a second on both databases, by the size of a transaction."""

import itertools
import time
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from inspection.domain.ledger import Inspected
from inspection.store import ledger, lines, thresholds
from inspection.store.database import Database
from tests import factories
from tests.factories import NOON

pytestmark = pytest.mark.benchmark

#: Seconds of each measurement.
MEASURED_S = 5.0

#: Map of the pocket checkpoint: taps, rows, columns.
GRID = (4, 16, 16)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    with closing(Database.open(database_url)) as opened:
        with opened.write() as connection:
            lines.create_missing(connection, factories.site(), at=NOON, by="benchmark")
            thresholds.set_threshold(
                connection, factories.scope(), 0.5, at=NOON, by="benchmark", reason="first"
            )
        yield opened


def inspected_frames() -> Iterator[Inspected]:
    anomaly_map = factories.anomaly_map(shape=GRID)
    for number in itertools.count(1):
        yield factories.inspected(sequence_number=number, anomaly_map=anomaly_map)


@pytest.mark.parametrize("batch", [1, 8, 64])
def test_ledger_records_batches(
    database: Database, report: Callable[..., None], batch: int
) -> None:
    frames = inspected_frames()
    count, busy_s = 0, 0.0

    while busy_s < MEASURED_S:
        entries = list(itertools.islice(frames, batch))
        begun_s = time.perf_counter()
        with database.write() as connection:
            count += ledger.record(connection, entries, at=NOON).inspected_count
        busy_s += time.perf_counter() - begun_s
    report(
        database="sqlite" if database.is_sqlite else "postgresql",
        rows_per_transaction=batch,
        rows_per_second=round(count / busy_s),
        transaction_ms=round(busy_s / (count / batch) * 1000, 2),
    )

    with database.read() as connection:
        account = ledger.account_rows(connection, "cam-1", up_to=count)
    assert account.inspected == count
    assert account.is_balanced
