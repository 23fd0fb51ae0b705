"""Drift withdraws a promise and is told like any other alert, whoever looks."""

import random
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from inspection.alerting import promises, worker
from inspection.domain.alert import AlertKind
from inspection.domain.calibration import Calibration, Promise, calibrated
from inspection.domain.inspection import Verdict
from inspection.domain.line import Scope, Threshold
from inspection.domain.notification import Event
from inspection.store import calibrations, ledger
from inspection.store.calibration_sets import CalibrationSet
from inspection.store.database import Database
from tests import factories
from tests.factories import CHECKPOINT_HASH, NOON
from tests.integration.alerting.floor import Floor

LATER = NOON + timedelta(hours=1)
SCOPE = Scope(line="line-1")


class Promised:
    """A calibrated line whose parts score as they are told to."""

    def __init__(self, floor: Floor) -> None:
        self.floor = floor
        self._rng = random.Random(1)
        self._number = 0
        self.threshold = self.calibrate()

    @property
    def database(self) -> Database:
        return self.floor.database

    def calibrate(self, mean: float = 0.5) -> Threshold:
        scores = tuple(self._rng.gauss(mean, 0.1) for _ in range(500))
        calibration = calibrated(scores, false_reject_rate=0.01, confidence=0.95)
        assert isinstance(calibration, Calibration)
        used = CalibrationSet(
            scope=SCOPE,
            scores=scores,
            checkpoint_hash=CHECKPOINT_HASH,
            reference_hash=None,
            others_count=0,
        )
        with self.database.write() as connection:
            self.threshold = calibrations.set_promise(
                connection, used, calibration, at=NOON, by="test", reason=""
            )
        return self.threshold

    def make(self, count: int, *, mean: float = 0.5) -> None:
        """Record parts; none is NG, so that nothing but drift is told."""
        entries = []
        for _ in range(count):
            self._number += 1
            score = min(self._rng.gauss(mean, 0.1), self.threshold.value or 0.0)
            inspection = factories.inspection(
                sequence_number=self._number, score=score, threshold=self.threshold
            )
            entries.append(factories.inspected(sequence_number=self._number, inspection=inspection))
        with self.database.write() as connection:
            ledger.record(connection, entries, at=NOON)

    @property
    def promise(self) -> Promise:
        number = self.threshold.threshold_id
        with self.database.read() as connection:
            return calibrations.promises(connection, [number])[number]

    @property
    def drift_alerts(self) -> list[Any]:
        return [alert for alert in self.floor.alerts() if alert.kind is AlertKind.DRIFT]


@pytest.fixture
def line(floor: Floor) -> Promised:
    return Promised(floor)


def test_promise_stands_while_scores_stay_as_they_were(line: Promised) -> None:
    for _ in range(3):
        line.make(300)
        worker.once(line.database, LATER)

    assert line.promise.withdrawn_at is None
    with line.database.read() as connection:
        (watched,) = calibrations.standing(connection)
    assert watched.state.seen_count == 900
    assert line.floor.alerts() == []


def test_promise_is_withdrawn_and_told_soon_after_scores_have_moved(line: Promised) -> None:
    line.make(100)
    line.make(60, mean=0.3)

    with capture_logs() as logs:
        worker.once(line.database, LATER)

    assert line.promise.withdrawn_at == LATER
    assert "scores have gone lower" in (line.promise.withdrawn_why or "")
    (alert,) = line.drift_alerts
    assert alert.summary.startswith(
        "line line-1: threshold line=line-1, version 2, no longer promises at most 1 % false "
        "rejects: scores have gone lower"
    )
    assert 100 < int(alert.frame_id.removeprefix("cam-1/")) <= 160
    assert line.floor.notifications() == [("log", Event.OPENED)]
    assert [record["event"] for record in logs] == ["promise_withdrawn", "alert_opened"]


def test_defects_that_the_threshold_finds_are_told_as_ng_and_not_as_drift(line: Promised) -> None:
    line.make(200)
    line.floor.see(*[Verdict.NG] * 3, camera="cam-2", at=NOON)
    line.make(200)

    worker.once(line.database, LATER)

    assert [alert.kind for alert in line.floor.alerts()] == [AlertKind.NG]
    assert line.promise.withdrawn_at is None


def test_drift_alert_stays_until_the_line_is_calibrated_again(line: Promised) -> None:
    line.make(60, mean=0.2)
    worker.once(line.database, LATER)
    much_later = LATER + timedelta(hours=1)
    worker.once(line.database, much_later)
    (still_open,) = line.drift_alerts

    line.calibrate(mean=0.2)
    worker.once(line.database, much_later)

    assert still_open.resolved_at is None
    (alert,) = line.drift_alerts
    assert alert.resolved_at == much_later
    assert line.floor.notifications() == [("log", Event.OPENED), ("log", Event.RESOLVED)]


def test_paused_line_loses_its_promise_without_an_alert(empty_floor: Floor) -> None:
    empty_floor.add(factories.line(), "cam-1", channels=(factories.channel(),))
    empty_floor.pause()
    line = Promised(empty_floor)
    line.make(60, mean=0.2)

    worker.once(line.database, LATER)

    assert line.promise.withdrawn_at == LATER
    assert line.floor.alerts() == []


def test_second_promise_that_is_lost_joins_the_alert_of_its_line(line: Promised) -> None:
    line.make(60, mean=0.2)
    worker.once(line.database, LATER)
    line.calibrate()
    line.make(60, mean=0.9)

    promises.look(line.database, LATER)

    (alert,) = line.drift_alerts
    assert alert.frame_count == 2
    assert line.floor.notifications() == [("log", Event.OPENED)]


def test_backlog_is_looked_at_in_bounded_steps_with_the_same_outcome(
    line: Promised, monkeypatch: pytest.MonkeyPatch
) -> None:
    line.make(100)
    monkeypatch.setattr(calibrations, "STRIDE", 30)

    steps = [promises.look(line.database, LATER) for _ in range(5)]

    assert steps == [True, True, True, False, False]
    with line.database.read() as connection:
        (watched,) = calibrations.standing(connection)
    assert watched.state.seen_count == 100


def test_workers_that_look_at_once_count_every_score_once_and_tell_once(line: Promised) -> None:
    line.make(200)
    line.make(100, mean=0.2)
    at_once = threading.Barrier(3)

    def work() -> None:
        at_once.wait()
        while promises.look(line.database, LATER):
            pass

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    (alert,) = line.drift_alerts
    assert alert.frame_count == 1
    assert line.promise.withdrawn_at == LATER


def test_running_worker_watches_promises(line: Promised, wait_until: Callable[..., Any]) -> None:
    stop = threading.Event()
    thread = threading.Thread(
        target=worker.run,
        args=(line.database,),
        kwargs={"clock": lambda: datetime.now(UTC), "stop": stop, "poll_s": 0.01},
    )
    thread.start()
    try:
        line.make(60, mean=0.2)
        wait_until(lambda: line.promise.withdrawn_at)
    finally:
        stop.set()
        thread.join(10)

    assert len(line.drift_alerts) == 1
