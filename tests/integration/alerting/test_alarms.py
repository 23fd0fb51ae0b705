"""Alerts flood nobody and forget nothing: delays, repeats, escalation, shelves and pauses."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import update

from inspection.alerting import flips, worker
from inspection.domain.alert import AlertKind
from inspection.domain.inspection import Verdict
from inspection.domain.notification import Event
from inspection.errors import ConfigurationError, NotFoundError
from inspection.store import alerts, openings, outbox, responses, rules, shelves, tables
from inspection.store.responses import Response
from inspection.store.shelves import Silence
from tests import factories
from tests.factories import NOON
from tests.integration.alerting.floor import Floor

OK, NG = Verdict.OK, Verdict.NG
OPENED, UPDATED, ESCALATED, RESOLVED = Event.OPENED, Event.UPDATED, Event.ESCALATED, Event.RESOLVED


def after(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def floor_with(floor: Floor, kind: AlertKind = AlertKind.NG, **settings: Any) -> Floor:
    """Put a line with one rule of its own kind on an empty floor."""
    line = factories.line(rules=factories.rules(kind, **settings))
    floor.add(line, "cam-1", "cam-2", channels=(factories.channel(),))
    return floor


def work(floor: Floor, seconds: float) -> None:
    worker.once(floor.database, after(seconds))


def test_score_that_hovers_at_the_threshold_gives_one_alert(floor: Floor) -> None:
    for second in range(0, 600, 15):
        floor.see(NG if second % 2 else OK, at=after(second))
        work(floor, second)

    alert = floor.alert()
    assert alert.frame_count == 20
    assert alert.resolved_at is None
    assert floor.events == [OPENED]
    assert alert.growth(after(600)) == "19 more since 12:00 UTC"


def test_alert_opens_when_its_condition_has_held_for_the_on_delay(empty_floor: Floor) -> None:
    floor = floor_with(empty_floor, k=2, n=5, on_delay_s=10)
    floor.see(NG, NG)
    work(floor, 0)
    work(floor, 9)
    early = floor.alerts()

    work(floor, 10)

    assert early == []
    assert floor.alert().opened_at == after(10)
    assert floor.members(floor.alert()) == [1, 2]
    assert floor.events == [OPENED]


def test_alert_stays_closed_when_its_condition_was_gone_before_the_on_delay(
    empty_floor: Floor,
) -> None:
    floor = floor_with(empty_floor, on_delay_s=10)
    floor.see(NG)
    work(floor, 0)
    floor.see(OK, at=after(5))
    work(floor, 5)
    floor.see(NG, at=after(8))
    work(floor, 8)

    work(floor, 17)
    assert floor.alerts() == []

    work(floor, 18)
    assert floor.alert().opened_at == after(18)


def test_uninspected_frames_open_an_alert_while_they_go_on_for_the_on_delay(
    empty_floor: Floor,
) -> None:
    floor = floor_with(empty_floor, AlertKind.UNINSPECTED, on_delay_s=10)
    floor.fail_to_see()
    floor.see(OK, camera="cam-2", at=after(1))
    work(floor, 1)
    floor.see(OK, at=after(5))
    work(floor, 5)
    work(floor, 20)
    assert floor.alerts() == []

    floor.fail_to_see(at=after(21))
    floor.see(OK, camera="cam-2", at=after(22))
    work(floor, 22)
    work(floor, 32)

    assert floor.alert().frame_id == "cam-1/3"


def test_frames_join_an_alert_that_an_on_delay_has_opened(empty_floor: Floor) -> None:
    floor = floor_with(empty_floor, on_delay_s=10)
    floor.see(NG)
    work(floor, 0)
    work(floor, 10)
    floor.see(NG, at=after(11))

    work(floor, 11)

    assert floor.alert().frame_count == 2


def test_alert_that_grows_is_told_again_at_most_as_often_as_its_rule_says(
    empty_floor: Floor,
) -> None:
    floor = floor_with(empty_floor, repeat_s=600)
    for second in range(0, 1500, 30):
        floor.see(NG, at=after(second))
        work(floor, second)

    assert floor.events == [OPENED, UPDATED, UPDATED]
    assert [row.number for row in floor.rows() if row.event == UPDATED] == [0, 1]
    first = "line line-1: a part is NG: cam-1/1, score 0.83 > threshold 0.41"
    assert floor.told() == [
        first,
        f"{first}; 20 more since 12:00 UTC",
        f"{first}; 20 more since 12:10 UTC",
    ]


def test_alert_that_does_not_grow_is_not_told_again(empty_floor: Floor) -> None:
    floor = floor_with(empty_floor, repeat_s=10, off_delay_s=1000)
    floor.see(NG)
    work(floor, 0)

    work(floor, 500)

    assert floor.events == [OPENED]


def test_alert_that_was_acknowledged_is_not_told_again(empty_floor: Floor) -> None:
    floor = floor_with(empty_floor, repeat_s=10, escalate_after_s=20)
    floor.see(NG)
    work(floor, 0)
    with floor.database.write() as connection:
        responses.acknowledge(
            connection, floor.alert().alert_id, Response(at=after(5), by="mia", note="on it")
        )
    floor.see(NG, at=after(30))

    work(floor, 30)

    assert floor.events == [OPENED]
    assert floor.alert().acknowledged_note == "on it"


def test_alert_that_nobody_acknowledges_is_escalated_once(empty_floor: Floor) -> None:
    floor = floor_with(empty_floor, escalate_after_s=600, off_delay_s=10_000)
    floor.see(NG)
    for second in (0, 599, 600, 601, 2000):
        work(floor, second)

    assert floor.events == [OPENED, ESCALATED]
    assert floor.alert().escalated_at == after(600)
    assert floor.told()[1].endswith("; nobody has acknowledged it for 10 min")


def test_shelved_alert_is_opened_and_counted_and_told_when_the_shelf_ends(floor: Floor) -> None:
    floor.shelve(line="line-1", until_at=after(100))
    for second in range(0, 100, 20):
        floor.see(NG, at=after(second))
        work(floor, second)
    silent = floor.alert()

    work(floor, 99)
    assert (silent.told_at, silent.frame_count, floor.events) == (None, 5, [])

    work(floor, 100)
    assert floor.alert().told_at == after(100)
    assert floor.events == [OPENED]
    assert floor.told()[0].endswith("; 4 more since 12:00 UTC")


def test_alert_that_is_over_before_its_shelf_ends_is_never_told(floor: Floor) -> None:
    floor.shelve(line="line-1", until_at=after(1000))
    floor.see(NG)
    work(floor, 0)
    work(floor, 60)

    work(floor, 1000)

    assert floor.alert().resolved_at == after(60)
    assert floor.events == []


def test_end_of_an_alert_is_told_though_it_was_shelved_after_it_was_told(floor: Floor) -> None:
    floor.see(NG)
    work(floor, 0)
    floor.shelve(alert_id=floor.alert().alert_id, until_at=after(1000), at=after(1))

    work(floor, 60)

    assert floor.events == [OPENED, RESOLVED]


def test_shelved_alert_is_neither_repeated_nor_escalated(empty_floor: Floor) -> None:
    floor = floor_with(empty_floor, repeat_s=10, escalate_after_s=20)
    floor.see(NG)
    work(floor, 0)
    floor.shelve(alert_id=floor.alert().alert_id, until_at=after(40), at=after(1))
    floor.see(NG, at=after(30))

    work(floor, 30)
    silent = floor.events
    work(floor, 40)
    work(floor, 41)

    assert silent == [OPENED]
    assert floor.events == [OPENED, ESCALATED, UPDATED]


def test_shelf_of_a_rule_leaves_other_rules_alone(floor: Floor) -> None:
    floor.shelve(line="line-1", rule="ng", until_at=after(100))
    floor.see(NG)
    floor.fail_to_see()

    work(floor, 0)

    told = {alert.kind: alert.told_at for alert in floor.alerts()}
    assert told == {AlertKind.NG: None, AlertKind.UNINSPECTED: NOON}


def test_unshelved_alert_is_told_at_once(floor: Floor) -> None:
    floor.shelve(line="line-1", until_at=after(1000))
    floor.see(NG)
    work(floor, 0)
    with floor.database.write() as connection:
        scope = shelves.scope_of(connection, line="line-1")
        shelves.unshelve(connection, scope, at=after(5), by="ben")

    work(floor, 5)

    assert floor.alert().told_at == after(5)
    with floor.database.write() as connection, pytest.raises(NotFoundError, match="nothing is"):
        shelves.unshelve(connection, scope, at=after(6), by="ben")


def test_newer_shelf_replaces_the_one_of_the_same_scope(floor: Floor) -> None:
    floor.shelve(line="line-1", until_at=after(1000))
    floor.shelve(line="line-1", until_at=after(10), at=after(1))

    with floor.database.read() as connection:
        (shelf,) = shelves.list_shelves(connection, after(2))
        ended = shelves.list_shelves(connection, after(10))

    assert shelf.silence.until_at == after(10)
    assert ended == []


@pytest.mark.parametrize(
    ("until_at", "reason", "complaint"),
    [
        (None, "known", "needs an end"),
        (after(-1), "known", "is over already"),
        (after(1), " ", "needs a --reason"),
    ],
)
def test_shelf_without_end_or_reason_is_refused(
    floor: Floor, until_at: datetime | None, reason: str, complaint: str
) -> None:
    silence = Silence(at=NOON, by="mia", reason=reason, until_at=until_at)

    with (
        pytest.raises(ConfigurationError, match=complaint),
        floor.database.write() as connection,
    ):
        shelves.shelve(connection, shelves.scope_of(connection, line="line-1"), silence)


def test_paused_line_opens_no_alert_and_counts_everything(floor: Floor) -> None:
    floor.pause()
    floor.see(NG)
    floor.fail_to_see()

    work(floor, 0)

    assert floor.alerts() == []
    assert floor.outbox() == []


def test_pause_counts_from_the_moment_it_is_set(floor: Floor) -> None:
    floor.see(NG)
    floor.pause()

    work(floor, 0)

    assert floor.alerts() == []


def test_pause_ends_by_itself_or_when_the_line_is_resumed(floor: Floor) -> None:
    floor.pause(until_at=after(100))
    floor.see(NG)
    work(floor, 99)
    assert floor.alerts() == []

    floor.see(NG, at=after(100))
    work(floor, 100)
    assert floor.alert().frame_id == "cam-1/2"

    floor.pause()
    with floor.database.write() as connection:
        shelves.resume(connection, "line-1", at=after(101), by="ben")
        with pytest.raises(NotFoundError, match="line-1 is not paused"):
            shelves.resume(connection, "line-1", at=after(101), by="ben")


def test_frames_of_a_paused_line_join_the_alert_that_is_open(floor: Floor) -> None:
    floor.see(NG)
    work(floor, 0)
    floor.pause()
    floor.see(NG, at=after(50))
    work(floor, 50)

    work(floor, 100)

    assert (floor.alert().frame_count, floor.alert().resolved_at) == (2, None)


def test_worker_that_dies_between_opening_and_telling_loses_nothing(floor: Floor) -> None:
    floor.see(NG)
    (ledger_id,) = floor.outbox()
    with floor.database.write() as connection:
        (taken,) = outbox.take(connection, [ledger_id])
        rule = rules.get_rule(connection, "line-1", "ng")
        finding = openings.Finding(summary="first", members=[ledger_id], frame=taken.frame)
        openings.open_alert(connection, rule, finding, NOON)
    assert floor.events == []

    work(floor, 1)

    assert floor.events == [OPENED]
    assert floor.told() == ["first"]


def test_batch_of_one_line_is_one_alert_with_every_frame(floor: Floor) -> None:
    floor.add(factories.line(name="line-2"), "cam-3")
    floor.see(*[NG] * 30)
    floor.see(*[NG] * 5, camera="cam-3")

    taken_count = flips.process(floor.database, floor.outbox(), NOON)

    assert taken_count == 35
    assert {alert.line: alert.frame_count for alert in floor.alerts()} == {
        "line-1": 30,
        "line-2": 5,
    }
    assert floor.outbox() == []


def test_frame_that_was_judged_after_all_is_no_uninspected_one(floor: Floor) -> None:
    floor.see(OK)
    floor.fail_to_see()
    with floor.database.read() as connection:
        (waiting,) = outbox.waiting(connection, limit=9)
    _redeem(floor, waiting.ledger_id)

    work(floor, 0)

    assert floor.alerts() == []


def test_alerts_of_all_lines_are_listed_with_their_frames(floor: Floor) -> None:
    floor.see(NG, NG, at=NOON)
    work(floor, 0)

    with floor.database.read() as connection:
        assert alerts.frame_ids(connection, floor.alert().alert_id) == ["cam-1/2", "cam-1/1"]


def _redeem(floor: Floor, ledger_id: int) -> None:
    with floor.database.write() as connection:
        row = tables.ledger.c.id == ledger_id
        values = {"outcome": "inspected", "reason": None, "detail": None}
        connection.execute(update(tables.ledger).where(row).values(values))
