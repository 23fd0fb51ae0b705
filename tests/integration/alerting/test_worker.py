"""The alert worker goes on: past slow receivers, broken frames and outages, until it is stopped."""

import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest
from sqlalchemy import update
from sqlalchemy.engine import make_url
from structlog.testing import capture_logs

from inspection.alerting import flips, worker
from inspection.domain.inspection import Verdict
from inspection.domain.notification import Delivery
from inspection.store import alert_tables, lines, notifications
from inspection.store.database import Database
from inspection.store.notifications import LEASE_S
from tests import factories
from tests.factories import NOON
from tests.integration.alerting.floor import Floor
from tests.integration.alerting.receiver import LOOPBACK, Receiver
from tests.integration.alerting.workers import running

NG = Verdict.NG
WaitUntil = Callable[..., Any]


@pytest.fixture
def no_couriers_left(
    request: pytest.FixtureRequest, receiver: Receiver, wait_until: WaitUntil
) -> Iterator[None]:
    """Let couriers that hang on the receiver come back before the database goes."""
    if "floor" in request.fixturenames:
        request.getfixturevalue("floor")
    yield
    receiver.is_closing.set()
    wait_until(lambda: not any(t.name.startswith("courier-") for t in threading.enumerate()))


def delivered(floor: Floor) -> list[str]:
    """Return the names of the channels that have taken something."""
    return [row.channel for row in floor.rows() if row.state == Delivery.DELIVERED]


def test_worker_opens_and_delivers_what_is_recorded_while_it_runs(
    floor: Floor, wait_until: WaitUntil
) -> None:
    with running(floor.database):
        floor.see(NG)
        wait_until(lambda: delivered(floor))

    assert len(floor.alerts()) == 1


@pytest.mark.usefixtures("no_couriers_left")
def test_hanging_webhook_delays_neither_alerts_nor_other_channels(
    floor: Floor, receiver: Receiver, wait_until: WaitUntil
) -> None:
    hanging = factories.channel(name="a-hanging", kind="webhook", url=receiver.url)
    floor.add(factories.line(name="line-2"), "cam-3", channels=(hanging,))
    receiver.answer(receiver.hang)

    with running(floor.database):
        floor.see(NG)
        wait_until(lambda: receiver.requests)
        floor.see(NG, camera="cam-3")
        wait_until(lambda: delivered(floor) == ["log", "log"])

    assert len(floor.alerts()) == 2
    assert len(receiver.requests) == 1


@pytest.mark.usefixtures("no_couriers_left")
def test_worker_stops_soon_when_a_webhook_hangs(
    floor: Floor, receiver: Receiver, wait_until: WaitUntil
) -> None:
    hanging = factories.channel(name="hanging", kind="webhook", url=receiver.url)
    floor.add(factories.line(name="line-2"), "cam-3", channels=(hanging,))
    receiver.answer(receiver.hang)
    floor.see(NG)

    with running(floor.database):
        wait_until(lambda: receiver.requests)
        start = time.monotonic()

    # About a second; a webhook is given ten.
    assert time.monotonic() - start < 5


def test_broken_frame_does_not_keep_others_from_being_looked_at(
    floor: Floor, wait_until: WaitUntil
) -> None:
    floor.add(factories.line(name="line-2"), "cam-3")
    floor.see(NG)
    (broken,) = floor.outbox()
    floor.see(NG, camera="cam-3")
    with floor.database.write() as connection:
        line_id = lines.line_id(connection, "line-1")
        of_line = alert_tables.rules.c.line_id == line_id
        connection.execute(update(alert_tables.rules).where(of_line).values(settings={"k": 0}))

    with capture_logs() as logs, running(floor.database):
        wait_until(lambda: delivered(floor))

    assert [alert.line for alert in floor.alerts()] == ["line-2"]
    assert floor.outbox() == [broken]
    assert [record["event"] for record in logs].count("outbox_frame_put_aside") == 1


def test_worker_waits_out_an_outage_of_the_database_and_logs_it_once(
    postgres_database: Database, shared_postgres_url: str, postgres_url: str, wait_until: WaitUntil
) -> None:
    floor = Floor(postgres_database)
    floor.add(factories.line(), "cam-1", channels=(factories.channel(),))
    name = make_url(shared_postgres_url).database

    with capture_logs() as logs, running(postgres_database):
        with psycopg.connect(postgres_url, autocommit=True) as server:
            server.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
            server.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name]
            )
            wait_until(lambda: "alerter_waits" in [record["event"] for record in logs])
            server.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
        wait_until(lambda: "alerter_recovered" in [record["event"] for record in logs])
        floor.see(NG)
        wait_until(lambda: delivered(floor))

    actions = [record["event"] for record in logs]
    assert actions == ["alerter_waits", "alerter_recovered", "alert_opened"]


def test_worker_is_idle_only_when_nothing_is_to_be_done(floor: Floor) -> None:
    floor.see(NG)
    recorded = is_idle(floor, NOON)
    flips.process(floor.database, floor.outbox(), NOON)
    opened = is_idle(floor, NOON)
    with floor.database.write() as connection:
        claimed = notifications.claim(connection, "log", NOON)
    assert claimed is not None
    under_way = is_idle(floor, NOON)
    with floor.database.write() as connection:
        notifications.delivered(connection, claimed, NOON)

    assert (recorded, opened, under_way) == (False, False, False)
    assert is_idle(floor, NOON)


def test_worker_is_idle_when_a_refused_notification_waits_for_its_next_attempt(
    empty_floor: Floor, receiver: Receiver
) -> None:
    channel = factories.channel(name="hook", kind="webhook", url=receiver.url)
    empty_floor.add(factories.line(), "cam-1", channels=(channel,))
    empty_floor.see(NG)
    receiver.answer(500, 500)

    worker.once(empty_floor.database, NOON, outbound=LOOPBACK)
    waits = is_idle(empty_floor, NOON)

    assert waits
    assert not is_idle(empty_floor, NOON + timedelta(seconds=LEASE_S))


def is_idle(floor: Floor, now: datetime) -> bool:
    with floor.database.read() as connection:
        return worker.is_idle(connection, now)
