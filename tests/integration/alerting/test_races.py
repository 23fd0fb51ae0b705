"""Several alert workers at one database open one alert and tell each channel once."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from typing import Any

from sqlalchemy import text

from inspection.alerting import flips, tellings, worker
from inspection.domain.inspection import Verdict
from inspection.domain.notification import Event
from inspection.store import openings, outbox, resolutions, rules
from inspection.store.database import Database
from inspection.store.openings import Finding
from tests import factories
from tests.factories import NOON
from tests.integration.alerting.floor import Floor

NG = Verdict.NG
LATER = NOON + timedelta(hours=1)


def test_two_workers_open_one_alert_when_they_race(floor: Floor) -> None:
    floor.add(factories.line(name="line-2"), "cam-3", channels=(factories.channel(name="second"),))
    floor.see(*[NG] * 12)
    floor.see(*[NG] * 12, camera="cam-3")
    start = threading.Barrier(2)

    def work(_number: int) -> None:
        start.wait()
        worker.once(floor.database, LATER)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(work, range(2)))

    assert [(alert.line, alert.frame_count) for alert in sorted_alerts(floor)] == [
        ("line-1", 12),
        ("line-2", 12),
    ]
    assert floor.notifications() == [("log", Event.OPENED)] * 2 + [("second", Event.OPENED)] * 2
    assert floor.outbox() == []


def test_frame_is_processed_once_when_two_workers_take_it(floor: Floor) -> None:
    floor.see(NG)
    (ledger_id,) = floor.outbox()

    first = flips.process(floor.database, [ledger_id], LATER)
    second = flips.process(floor.database, [ledger_id], LATER)

    assert (first, second) == (1, 0)
    assert floor.alerts()[0].frame_count == 1


def test_frame_joins_when_another_worker_opens_the_alert_at_the_same_moment(
    postgres_database: Database, wait_until: Callable[..., Any]
) -> None:
    floor = Floor(postgres_database)
    floor.add(factories.line(), "cam-1", channels=(factories.channel(),))
    floor.see(NG, NG)
    first, second = floor.outbox()

    with ThreadPoolExecutor(1) as pool:
        with postgres_database.write() as connection:
            (taken,) = outbox.take(connection, [first])
            rule = rules.get_rule(connection, "line-1", "ng")
            finding = Finding(summary="first", members=[first], frame=taken.frame)
            openings.open_alert(connection, rule, finding, LATER)
            other = pool.submit(flips.process, postgres_database, [second], LATER)
            # It cannot see the alert, tries to open one, and has to wait for this transaction.
            wait_until(lambda: is_somebody_waiting(postgres_database), 10)
        assert other.result(10) == 1

    (alert,) = floor.alerts()
    assert alert.summary == "first"
    assert floor.members(alert) == [1, 2]


def test_alert_is_resolved_once_when_two_workers_find_it_calm(floor: Floor) -> None:
    floor.see(NG)
    worker.once(floor.database, LATER)
    with floor.database.read() as connection:
        (calm,) = resolutions.calm_alerts(connection, LATER + timedelta(seconds=60))

    tellings.resolve_calm(floor.database, LATER + timedelta(seconds=60))
    with floor.database.write() as connection:
        again = resolutions.resolve(connection, calm, LATER + timedelta(seconds=61))

    assert again is None
    assert floor.alerts()[0].resolved_at == LATER + timedelta(seconds=60)
    assert floor.notifications() == [("log", Event.OPENED), ("log", Event.RESOLVED)]


def test_alert_is_not_resolved_when_a_frame_joins_between_look_and_update(floor: Floor) -> None:
    floor.see(NG)
    worker.once(floor.database, LATER)
    with floor.database.read() as connection:
        (calm,) = resolutions.calm_alerts(connection, LATER + timedelta(seconds=60))
    floor.see(NG)
    worker.once(floor.database, LATER + timedelta(seconds=60))

    with floor.database.write() as connection:
        resolved = resolutions.resolve(connection, calm, LATER + timedelta(seconds=61))

    assert resolved is None
    assert floor.alerts()[0].resolved_at is None


def test_alert_is_one_when_every_worker_has_connections_of_its_own(
    shared_sqlite_url: str, sqlite_database: Database
) -> None:
    floor = Floor(sqlite_database)
    floor.add(factories.line(), "cam-1", channels=(factories.channel(),))
    floor.see(*[NG] * 20)

    def work(_number: int) -> None:
        with closing(Database.open(shared_sqlite_url)) as database:
            worker.once(database, LATER)

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(work, range(3)))

    assert [alert.frame_count for alert in floor.alerts()] == [20]
    assert floor.notifications() == [("log", Event.OPENED)]


def sorted_alerts(floor: Floor) -> list[Any]:
    return sorted(floor.alerts(), key=lambda alert: alert.line)


def is_somebody_waiting(database: Database) -> bool:
    with database.read() as connection:
        return bool(connection.scalar(text("SELECT count(*) FROM pg_locks WHERE NOT granted")))
