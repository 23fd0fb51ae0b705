"""What Prometheus is told, and that it is told in an outage too."""

from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from inspection.domain.health import CameraHealth, HealthState
from inspection.domain.inspection import Verdict
from inspection.domain.line import OverflowPolicy
from inspection.errors import ConfigurationError
from inspection.metrics import InspectionCollector, served
from inspection.store import ledger, lines, thresholds
from inspection.store.database import Database
from inspection.store.health import record_camera_health
from inspection.stream.connection import connect
from inspection.stream.producer import Producer
from tests import factories
from tests.conftest import Clock
from tests.factories import NOON
from tests.servers import free_port

#: By name and values of labels.
Series = dict[tuple[str, frozenset[str]], float]
UP = ("inspection_up", frozenset[str]())


@pytest.fixture
def database(sqlite_url: str) -> Iterator[Database]:
    with closing(Database.open(sqlite_url)) as database:
        with database.write() as connection:
            lines.create_missing(connection, factories.site(), at=NOON, by="test")
            thresholds.set_threshold(
                connection, factories.scope(), 0.5, at=NOON, by="test", reason="first"
            )
        yield database


def scraped(address: str) -> Series:
    """Return what every series says."""
    text = httpx.get(f"http://{address}/metrics", timeout=20).raise_for_status().text
    return {
        (sample.name, frozenset(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def looked_at(database: Database, at: datetime, *, lag_s: float) -> None:
    """Write down what the alerter does when it has looked at the camera."""
    health = CameraHealth(
        camera="cam-1",
        line="line-1",
        state=HealthState.LIVE,
        detail="",
        since_at=at,
        checked_at=at,
        lag_s=lag_s,
        waiting_count=1,
        last_frame_at=None,
    )
    with database.write() as connection:
        assert record_camera_health(connection, health, before_at=None)


def test_metrics_say_what_became_of_every_frame(
    database: Database, redis_url: str, tmp_path: Path, clock: Clock
) -> None:
    with database.write() as connection:
        entries = [
            factories.inspected(sequence_number=1),
            factories.inspected(sequence_number=2, score=0.9, verdict=Verdict.NG),
            factories.uninspected(sequence_number=3),
            factories.dropped(sequence_number=4),
        ]
        ledger.record(connection, entries, at=NOON)
    with connect(redis_url) as client:
        client.flushdb()
        Producer(client, camera="cam-1", overflow=OverflowPolicy.BLOCK, backlog_limit=9).add(
            factories.frame(sequence_number=6, captured_at=NOON - timedelta(hours=1))
        )
        clock.advance(13.5)
        # The camera's clock is an hour behind; the alerter has compared its times alone.
        looked_at(database, clock(), lag_s=7.5)
        collector = InspectionCollector(database, client, tmp_path, clock=clock)

        with served(collector, "127.0.0.1:0") as address:
            series = scraped(address)

    def of_camera(name: str, *labels: str) -> float:
        return series[f"inspection_{name}", frozenset({"line-1", "cam-1", *labels})]

    assert series[UP] == 1
    assert of_camera("frames_accepted_total") == 6
    assert of_camera("frames_inspected_total", "OK") == 1
    assert of_camera("frames_inspected_total", "NG") == 1
    assert of_camera("frames_uninspected", "corrupt") == 1
    assert of_camera("frames_dropped_total", "drop_oldest") == 1
    assert of_camera("frames_removed_total") == 0
    assert of_camera("frames_in_flight") == 1
    assert of_camera("frames_missing") == 1
    assert of_camera("lag_seconds") == 7.5
    assert of_camera("dead_letters", "waiting") == 1
    assert of_camera("dead_letters", "redriven") == 0


def test_lag_is_no_figure_where_nobody_has_looked_lately(
    database: Database, redis_url: str, tmp_path: Path, clock: Clock
) -> None:
    lag = "inspection_lag_seconds", frozenset({"line-1", "cam-1"})
    with connect(redis_url) as client:
        collector = InspectionCollector(database, client, tmp_path, clock=clock)
        with served(collector, "127.0.0.1:0") as address:
            never = scraped(address)
            looked_at(database, clock(), lag_s=0.25)
            now = scraped(address)
            clock.advance(3600)
            long_ago = scraped(address)

    assert lag not in never
    assert now[lag] == 0.25
    assert lag not in long_ago


def test_outage_is_a_figure_and_ends_when_the_server_is_back(
    database: Database, tmp_path: Path, clock: Clock, redis_url: str
) -> None:
    nobody = f"redis://127.0.0.1:{free_port()}/0"
    with connect(nobody, retries=0) as away, connect(redis_url) as client:
        collector = InspectionCollector(database, away, tmp_path, clock=clock)
        with served(collector, "127.0.0.1:0") as address:
            during = scraped(address)
            collector._client = client
            after = scraped(address)

    assert during == {UP: 0}
    assert after[UP] == 1


def test_address_somebody_else_has_is_refused(
    database: Database, tmp_path: Path, clock: Clock, redis_url: str
) -> None:
    with connect(redis_url) as client:
        collector = InspectionCollector(database, client, tmp_path, clock=clock)
        with (
            served(collector, "127.0.0.1:0") as address,
            pytest.raises(ConfigurationError, match="nobody can listen at"),
            served(collector, address),
        ):
            pass
