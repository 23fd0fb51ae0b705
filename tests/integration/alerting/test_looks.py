"""Rules that no single frame brings up: cameras, backlogs, rates and trends."""

import random
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import update
from structlog.testing import capture_logs

from inspection.alerting import worker
from inspection.alerting.looks import PUT_ASIDE_S, Looks
from inspection.domain.alert import AlertKind
from inspection.domain.health import HealthState
from inspection.domain.inspection import Verdict
from inspection.domain.notification import Event
from inspection.store import alert_tables, rules
from inspection.store.responses import Response, resolve
from inspection.store.rules import RuleChange
from tests import factories
from tests.factories import NOON
from tests.integration.alerting.floor import Floor

OK, NG = Verdict.OK, Verdict.NG


def after(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def floor_with(floor: Floor, kind: AlertKind, **settings: Any) -> Floor:
    """Put a line with one rule of its own kind on an empty floor."""
    line = factories.line(rules=factories.rules(kind, **settings))
    floor.add(line, "cam-1", "cam-2", channels=(factories.channel(),))
    return floor


def work(floor: Floor, seconds: float) -> None:
    worker.once(floor.database, after(seconds))


def feel(floor: Floor, *seconds: float, camera: str = "cam-1", **state: Any) -> None:
    """Look at a camera at these moments, and let the worker work at each."""
    for each in seconds:
        floor.feel(camera, at=after(each), **state)
        work(floor, each)


STALLED: dict[str, Any] = {"state": HealthState.STALLED.value, "detail": "no frame for 12 s"}


def test_camera_that_stays_stalled_opens_an_alert_after_the_time_to_recover(floor: Floor) -> None:
    feel(floor, 0, 10, 20, 29, **STALLED)
    assert floor.alerts() == []

    feel(floor, 30, 40, **STALLED)

    alert = floor.alert()
    assert (alert.kind, alert.subject, alert.opened_at) == (AlertKind.CAMERA, "cam-1", after(30))
    assert (alert.frame_id, alert.frame_count) == (None, 0)
    assert alert.summary == "line line-1: camera cam-1 is stalled: no frame for 12 s"
    assert floor.events == [Event.OPENED]


def test_camera_that_recovers_in_time_opens_no_alert(floor: Floor) -> None:
    feel(floor, 0, 20, **STALLED)
    feel(floor, 25)
    feel(floor, 40, 60, **STALLED)

    assert floor.alerts() == []


def test_alert_of_a_camera_resolves_when_it_has_been_well_for_the_off_delay(floor: Floor) -> None:
    feel(floor, 0, 30, **STALLED)
    feel(floor, 40, 60)
    feel(floor, 70, **STALLED)
    feel(floor, 80, 110, 139)
    assert floor.alert().resolved_at is None

    feel(floor, 140)

    assert floor.alert().resolved_at == after(140)
    assert floor.told()[1] == "line line-1, camera cam-1: neither stalled nor blind for 60 s"


def test_cameras_have_alerts_of_their_own(floor: Floor) -> None:
    for camera in ("cam-1", "cam-2"):
        floor.feel(camera, at=NOON, state=HealthState.BLIND.value, detail="black")
    work(floor, 0)
    work(floor, 30)

    assert sorted(alert.subject for alert in floor.alerts()) == ["cam-1", "cam-2"]


def test_camera_nobody_has_looked_at_for_long_opens_and_resolves_nothing(floor: Floor) -> None:
    floor.feel("cam-1", at=NOON, **STALLED)
    for second in (0, 29, 31, 500):
        work(floor, second)
    assert floor.alerts() == []

    feel(floor, 600, 630, **STALLED)
    feel(floor, 640)
    work(floor, 700)
    work(floor, 5000)

    assert floor.alert().resolved_at is None
    feel(floor, 5001, 5061)
    assert floor.alert().resolved_at == after(5061)


@pytest.mark.parametrize("state", [HealthState.LAGGING, HealthState.ENDED, HealthState.UNKNOWN])
def test_camera_that_is_neither_stalled_nor_blind_is_no_alert(
    floor: Floor, state: HealthState
) -> None:
    feel(floor, 0, 30, 60, state=state.value)

    assert floor.alerts() == []


def test_backlog_opens_an_alert_when_the_oldest_frame_waits_too_long(empty_floor: Floor) -> None:
    floor = floor_with(empty_floor, AlertKind.BACKLOG, limit_s=45, off_delay_s=10)
    feel(floor, 0, lag_s=45.0, waiting_count=8)
    assert floor.alerts() == []

    feel(floor, 1, lag_s=45.5, waiting_count=9)
    opened = floor.alert()
    feel(floor, 2, 12)

    assert (
        opened.summary
        == "line line-1: the oldest of 9 frames of camera cam-1 has waited for 45.5 s"
    )
    assert floor.alert().resolved_at == after(12)


def test_rate_opens_an_alert_when_more_parts_are_ng_than_chance_explains(
    empty_floor: Floor,
) -> None:
    floor = floor_with(
        empty_floor, AlertKind.RATE, expected_rate=0.05, window_s=100, confidence=0.99
    )
    _disable(floor, "ng")
    floor.see(*[OK] * 40, *[NG] * 5)
    work(floor, 44)
    # 5 of 45 with 5 % expected: probability 0.07; 8 of 48: 0.0024.
    assert floor.alerts() == []

    floor.see(*[NG] * 3, at=after(45))
    work(floor, 47)

    alert = floor.alert()
    assert (alert.kind, alert.frame_count, alert.frame_id) == (AlertKind.RATE, 8, "cam-1/48")
    assert alert.summary == (
        "line line-1: 8 of 48 parts within 100 s are NG (17 %), where 5 % are expected"
    )
    assert floor.members(alert) == list(range(41, 49))


def test_alert_of_a_rate_counts_further_ng_parts_and_ends_when_the_rate_is_back(
    empty_floor: Floor,
) -> None:
    floor = floor_with(
        empty_floor, AlertKind.RATE, expected_rate=0.05, window_s=100, off_delay_s=10
    )
    _disable(floor, "ng")
    floor.see(*[NG] * 5)
    work(floor, 5)
    floor.see(NG, NG, at=after(5))
    work(floor, 7)
    grown = floor.alert()
    floor.see(*[OK] * 100, at=after(100))
    work(floor, 200)
    work(floor, 210)

    assert (grown.frame_count, grown.growth(after(7))) == (7, "2 more since 12:00 UTC")
    assert floor.alert().resolved_at == after(210)
    assert floor.told()[-1].startswith("line line-1: no more NG parts than expected for 10 s")


def test_rate_counts_judged_parts_only_and_passes_over_exposures_to_come(
    empty_floor: Floor,
) -> None:
    floor = floor_with(empty_floor, AlertKind.RATE, expected_rate=0.2, window_s=100)
    _disable(floor, "ng")
    floor.see(*[OK] * 10)
    floor.see(*[NG] * 10, at=after(10_000))

    work(floor, 20)

    assert floor.alerts() == []


def test_trend_opens_an_alert_when_the_scores_of_a_camera_rise(empty_floor: Floor) -> None:
    floor = floor_with(empty_floor, AlertKind.TREND, n=100, blocks=10)
    rng = random.Random(1)
    floor.measure(*(rng.gauss(0.2, 0.01) for _ in range(100)), camera="cam-2")
    floor.measure(*(rng.gauss(0.2 + 0.001 * place, 0.01) for place in range(100)))

    work(floor, 100)

    alert = floor.alert()
    assert (alert.kind, alert.subject, alert.frame_id) == (AlertKind.TREND, "cam-1", "cam-1/100")
    assert alert.summary.startswith("line line-1: scores of camera cam-1 rise: from 0.20")


def test_trend_needs_scores_of_one_product(empty_floor: Floor) -> None:
    floor = floor_with(empty_floor, AlertKind.TREND, n=100, blocks=10)
    floor.measure(*(0.1 + 0.001 * place for place in range(60)))
    floor.measure(*(0.2 + 0.001 * place for place in range(60)), product="nut", at=after(60))

    work(floor, 120)

    assert floor.alerts() == []


def test_rule_that_cannot_be_looked_at_does_not_stop_the_others(floor: Floor) -> None:
    with floor.database.write() as connection:
        change = RuleChange(at=NOON, by="test")
        rate = factories.rule(AlertKind.RATE, expected_rate=0.1)
        number = rules.get_rule(connection, "line-1", "ng").line_id
        rules.set_rule(connection, number, rate, change)
        of_rate = alert_tables.rules.c.name == "rate"
        connection.execute(update(alert_tables.rules).where(of_rate).values(settings={"k": 1}))
    now_s = 0.0
    looks = Looks(floor.database, seconds=lambda: now_s)

    with capture_logs() as logs:
        for second in (0, 15, 30):
            floor.feel("cam-1", at=after(second), **STALLED)
            now_s = second
            looks.look(after(second))
        aside = [record["event"] for record in logs]
        now_s = PUT_ASIDE_S
        looks.look(after(60))

    assert floor.alert().kind is AlertKind.CAMERA
    assert aside == ["rule_put_aside"]
    assert [record["event"] for record in logs] == ["rule_put_aside"] * 2


def test_rule_that_takes_long_to_look_at_rests_in_proportion(empty_floor: Floor) -> None:
    floor = floor_with(empty_floor, AlertKind.BACKLOG, limit_s=1)
    clock = Ticking()
    looks = Looks(floor.database, seconds=clock)
    looks.look(after(0))
    floor.feel("cam-1", at=after(1), lag_s=5.0)

    looks.look(after(1))
    resting = floor.alerts()
    clock.now_s += 3
    looks.look(after(4))

    assert resting == []
    assert floor.alert().opened_at == after(4)


class Ticking:
    """A clock of which every look takes a tenth of a second."""

    now_s = 0.0

    def __call__(self) -> float:
        self.now_s += 0.1
        return self.now_s


def test_paused_line_arms_nothing(floor: Floor) -> None:
    feel(floor, 0, **STALLED)
    floor.pause(until_at=after(100))
    feel(floor, 30, 60, 99, **STALLED)
    feel(floor, 100, 129, **STALLED)
    assert floor.alerts() == []

    feel(floor, 130, **STALLED)

    assert floor.alert().opened_at == after(130)


def test_alert_that_was_resolved_by_hand_comes_back_while_its_condition_holds(
    floor: Floor,
) -> None:
    feel(floor, 0, 30, **STALLED)
    with floor.database.write() as connection:
        response = Response(at=after(31), by="mia", note="replaced")
        resolve(connection, floor.alert().alert_id, response)
    feel(floor, 32, 62, **STALLED)

    again, first = floor.alerts()
    assert (first.resolved_by, first.resolved_at) == ("mia", after(31))
    assert (again.opened_at, again.resolved_at) == (after(62), None)
    assert floor.told()[1] == "line line-1: resolved by mia: replaced"


def test_disabled_rule_resolves_its_alerts_and_opens_no_others(floor: Floor) -> None:
    feel(floor, 0, 30, **STALLED)
    _disable(floor, "camera", at=after(31))
    feel(floor, 40, 80, **STALLED)

    alert = floor.alert()
    assert (alert.resolved_by, alert.resolved_note) == ("mia", "not now")
    assert floor.events == [Event.OPENED, Event.RESOLVED]


def test_workers_that_look_at_once_open_one_alert_and_tell_once(floor: Floor) -> None:
    floor.feel("cam-1", at=NOON, **STALLED)
    floor.feel("cam-2", at=NOON, **STALLED)
    work(floor, 0)

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda _: work(floor, 30), range(3)))

    assert sorted(alert.subject for alert in floor.alerts()) == ["cam-1", "cam-2"]
    assert floor.events == [Event.OPENED] * 2


def _disable(floor: Floor, name: str, *, at: datetime = NOON) -> None:
    with floor.database.write() as connection:
        found = rules.get_rule(connection, "line-1", name)
        disabled = factories.rule(found.kind, **found.rule.settings, is_enabled=False)
        change = RuleChange(at=at, by="mia", reason="not now")
        rules.set_rule(connection, found.line_id, disabled, change)
