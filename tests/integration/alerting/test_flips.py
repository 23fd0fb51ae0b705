"""Alerts open when the rule of a line holds, gather what belongs to them, and end with calm."""

import contextlib
from datetime import timedelta

import pytest

from inspection.alerting import worker
from inspection.domain.alert import AlertKind
from inspection.domain.inspection import Verdict
from inspection.domain.ledger import Reason
from inspection.domain.notification import Event
from inspection.store import outbox
from tests import factories
from tests.factories import NOON
from tests.integration.alerting.floor import Floor

OK, NG, PENDING = Verdict.OK, Verdict.NG, Verdict.PENDING
LATER = NOON + timedelta(hours=1)


@pytest.fixture
def two_of_ten(empty_floor: Floor) -> Floor:
    """A floor whose line alerts on 2 NG of the last 10."""
    line = factories.line(rules=factories.rules(k=2, n=10))
    empty_floor.add(line, "cam-1", "cam-2", channels=(factories.channel(),))
    return empty_floor


def test_alert_opens_when_a_part_is_ng(floor: Floor) -> None:
    floor.see(OK, NG, OK)

    worker.once(floor.database, LATER)

    (alert,) = floor.alerts()
    assert alert.kind is AlertKind.NG
    assert alert.frame_id == "cam-1/2"
    assert alert.opened_at == LATER
    assert alert.last_at == NOON + timedelta(seconds=1)
    assert alert.summary == ("line line-1: a part is NG: cam-1/2, score 0.83 > threshold 0.41")
    assert floor.outbox() == []


def test_alert_stays_closed_when_all_parts_are_ok(floor: Floor) -> None:
    floor.see(OK, OK)

    worker.once(floor.database, LATER)

    assert floor.alerts() == []


def test_alert_stays_closed_when_fewer_than_k_of_the_last_n_are_ng(two_of_ten: Floor) -> None:
    two_of_ten.see(NG, *[OK] * 9, NG)

    worker.once(two_of_ten.database, LATER)

    assert two_of_ten.alerts() == []
    assert two_of_ten.outbox() == []


def test_alert_opens_with_the_ng_frames_of_the_window_when_k_of_the_last_n_are_ng(
    two_of_ten: Floor,
) -> None:
    two_of_ten.see(OK, NG, *[OK] * 8, NG)

    worker.once(two_of_ten.database, LATER)

    (alert,) = two_of_ten.alerts()
    assert two_of_ten.members(alert) == [2, 11]
    assert alert.frame_count == 2
    assert alert.summary == (
        "line line-1: 2 of the last 10 parts are NG; newest cam-1/11, score 0.83 > threshold 0.41"
    )


def test_alert_counts_a_frame_once_when_it_was_in_the_window_and_in_the_outbox(
    two_of_ten: Floor,
) -> None:
    two_of_ten.see(NG, NG, OK, NG)

    worker.once(two_of_ten.database, LATER)

    (alert,) = two_of_ten.alerts()
    assert two_of_ten.members(alert) == [1, 2, 4]
    assert alert.frame_count == 3


def test_alert_opens_when_another_camera_saw_an_ok_part_at_the_same_moment(floor: Floor) -> None:
    floor.see(OK, camera="cam-2")
    floor.see(NG)
    floor.see(OK, camera="cam-2")

    worker.once(floor.database, LATER)

    assert len(floor.alerts()) == 1


def test_alert_opens_when_an_earlier_exposure_is_recorded_after_a_later_one(
    two_of_ten: Floor,
) -> None:
    two_of_ten.see(NG, camera="cam-2", at=NOON + timedelta(seconds=5))
    worker.once(two_of_ten.database, LATER)
    two_of_ten.see(NG, at=NOON)

    worker.once(two_of_ten.database, LATER)

    (alert,) = two_of_ten.alerts()
    assert alert.frame_id == "cam-2/1"
    assert alert.frame_count == 2


def test_later_ng_frames_join_the_alert(floor: Floor) -> None:
    floor.see(NG)
    worker.once(floor.database, LATER)
    floor.see(NG, NG, at=NOON + timedelta(seconds=30))

    worker.once(floor.database, LATER + timedelta(seconds=30))

    (alert,) = floor.alerts()
    assert floor.members(alert) == [1, 2, 3]
    assert alert.frame_count == 3
    assert alert.last_at == NOON + timedelta(seconds=31)
    assert floor.notifications() == [("log", Event.OPENED)]


def test_frames_of_a_replay_join_one_alert_when_their_exposures_are_years_old(floor: Floor) -> None:
    for number in range(4):
        floor.see(NG, at=NOON - timedelta(days=1000 - 100 * number))
        worker.once(floor.database, LATER + timedelta(seconds=50 * number))

    (alert,) = floor.alerts()

    assert alert.frame_count == 4
    assert alert.resolved_at is None


def test_alert_resolves_and_says_so_when_the_line_was_calm(floor: Floor) -> None:
    floor.see(NG, NG)
    worker.once(floor.database, LATER)

    worker.once(floor.database, LATER + timedelta(seconds=60))

    (alert,) = floor.alerts()
    assert alert.resolved_at == LATER + timedelta(seconds=60)
    assert floor.notifications() == [("log", Event.OPENED), ("log", Event.RESOLVED)]
    assert floor.rows()[1].content["summary"] == (
        "line line-1: no NG part for 60 s; 2 frames in all, 1 more since 13:00 UTC"
    )


def test_alert_stays_open_when_the_calm_is_too_short(floor: Floor) -> None:
    floor.see(NG)
    worker.once(floor.database, LATER)

    worker.once(floor.database, LATER + timedelta(seconds=59))

    assert floor.alerts()[0].resolved_at is None


def test_calm_begins_anew_when_a_frame_joins(floor: Floor) -> None:
    floor.see(NG)
    worker.once(floor.database, LATER)
    floor.see(NG)
    worker.once(floor.database, LATER + timedelta(seconds=59))

    worker.once(floor.database, LATER + timedelta(seconds=118))

    assert floor.alerts()[0].resolved_at is None


def test_frames_that_waited_for_the_worker_join_before_the_alert_is_resolved(floor: Floor) -> None:
    floor.see(NG)
    worker.once(floor.database, LATER)
    floor.see(NG)

    worker.once(floor.database, LATER + timedelta(hours=1))

    (alert,) = floor.alerts()
    assert alert.frame_count == 2
    assert alert.resolved_at is None


def test_new_alert_opens_when_the_one_before_is_resolved(floor: Floor) -> None:
    floor.see(NG)
    worker.once(floor.database, LATER)
    worker.once(floor.database, LATER + timedelta(seconds=60))
    floor.see(NG)

    worker.once(floor.database, LATER + timedelta(seconds=61))

    newest, oldest = floor.alerts()
    assert (oldest.resolved_at is None, newest.resolved_at is None) == (False, True)
    assert newest.frame_id == "cam-1/2"


def test_uninspected_frame_opens_an_alert_with_its_reason(floor: Floor) -> None:
    floor.fail_to_see(reason=Reason.TRUNCATED, detail="the picture ends before its end")

    worker.once(floor.database, LATER)

    (alert,) = floor.alerts()
    assert alert.kind is AlertKind.UNINSPECTED
    assert alert.summary == (
        "line line-1: frame cam-1/1 could not be judged (truncated): "
        "the picture ends before its end"
    )


def test_uninspected_and_ng_frames_make_two_alerts(floor: Floor) -> None:
    floor.see(NG, NG)
    floor.fail_to_see()
    floor.fail_to_see()

    worker.once(floor.database, LATER)

    assert {alert.kind: alert.frame_count for alert in floor.alerts()} == {
        AlertKind.NG: 2,
        AlertKind.UNINSPECTED: 2,
    }


def test_lines_have_alerts_of_their_own(floor: Floor) -> None:
    floor.add(factories.line(name="line-2"), "cam-3")
    floor.see(NG)
    floor.see(NG, camera="cam-3")

    worker.once(floor.database, LATER)

    assert {alert.line for alert in floor.alerts()} == {"line-1", "line-2"}


def test_only_channels_that_serve_the_line_are_told(empty_floor: Floor) -> None:
    channels = (
        factories.channel(name="all"),
        factories.channel(name="this", lines=("line-1", "line-9")),
        factories.channel(name="other", lines=("line-2",)),
    )
    empty_floor.add(factories.line(), "cam-1", channels=channels)
    empty_floor.see(NG)

    worker.once(empty_floor.database, LATER)

    assert empty_floor.notifications() == [("all", Event.OPENED), ("this", Event.OPENED)]


def test_frame_stays_in_the_outbox_when_its_worker_dies(floor: Floor) -> None:
    floor.see(NG)
    (ledger_id,) = floor.outbox()
    with contextlib.suppress(KeyboardInterrupt), floor.database.write() as connection:
        outbox.take(connection, [ledger_id])
        raise KeyboardInterrupt

    worker.once(floor.database, LATER)

    assert len(floor.alerts()) == 1
