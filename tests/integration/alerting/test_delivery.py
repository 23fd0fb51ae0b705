"""A notification reaches its channel at least once, under one id, or has failed with a reason."""

import base64
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from standardwebhooks import Webhook
from structlog.testing import capture_logs

from inspection.alerting import flips, worker
from inspection.domain.inspection import Verdict
from inspection.domain.notification import (
    ATTEMPT_LIMIT,
    LONGEST_DELAY_S,
    Delivery,
    Event,
    Failure,
    Telling,
)
from inspection.store import attempts, channels, deliveries, notifications
from inspection.store.database import Database
from inspection.store.notifications import LEASE_S
from tests import factories
from tests.integration.alerting.floor import Floor
from tests.integration.alerting.receiver import LOOPBACK, Receiver, refuse_until
from tests.integration.alerting.workers import running

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
UNUSABLE = "whsec_!"
#: Longer than any wait for the next attempt.
LONG = timedelta(seconds=2 * LONGEST_DELAY_S)


@pytest.fixture
def now() -> datetime:
    """The real time: receivers refuse old signatures."""
    return datetime.now(UTC)


@pytest.fixture
def hooked(empty_floor: Floor, receiver: Receiver) -> Floor:
    """A floor whose line tells the receiver, and has one NG part."""
    channel = factories.channel(name="hook", kind="webhook", url=receiver.url, secret=SECRET)
    line = factories.line(rules=factories.rules(off_delay_s=100 * LONGEST_DELAY_S))
    empty_floor.add(line, "cam-1", channels=(channel,))
    empty_floor.see(Verdict.NG)
    return empty_floor


def once(database: Database, now: datetime) -> None:
    worker.once(database, now, outbound=LOOPBACK)


def outcome(floor: Floor) -> Any:
    (row,) = floor.rows()
    return row


def tried(floor: Floor) -> list[attempts.Attempt]:
    with floor.database.read() as connection:
        return attempts.list_attempts(connection, outcome(floor).id)


def claim(floor: Floor, now: datetime, channel: str = "hook") -> Any:
    with floor.database.write() as connection:
        return notifications.claim(connection, channel, now)


def kill_between_claim_and_delivery(floor: Floor, now: datetime) -> None:
    flips.process(floor.database, floor.outbox()[:1], now)
    assert claim(floor, now) is not None


def test_notification_is_delivered_with_the_facts_of_the_database(
    hooked: Floor, receiver: Receiver, now: datetime
) -> None:
    once(hooked.database, now)

    (request,) = receiver.requests
    (alert,) = hooked.alerts()
    row = outcome(hooked)
    data = Webhook(SECRET).verify(request.body, request.headers)["data"]
    assert request.headers["webhook-id"] == row.id
    assert (data["alert_id"], data["summary"]) == (alert.alert_id, alert.summary)
    assert data["frame"]["score"] == 0.83
    assert data["frame"]["threshold"] == 0.41
    assert data["frame"]["part_serial"] == "S-0001"
    assert (row.state, row.delivered_at, row.attempt_count) == (Delivery.DELIVERED, now, 1)


def test_notification_keeps_its_id_and_body_when_the_first_attempt_fails(
    hooked: Floor, receiver: Receiver, now: datetime
) -> None:
    receiver.answer(500, 200)
    once(hooked.database, now)
    waiting = outcome(hooked)
    hooked.see(Verdict.NG)

    once(hooked.database, now + timedelta(seconds=60))

    first, second = receiver.requests
    assert waiting.state == Delivery.WAITING
    assert waiting.error == "answered 500: this is why"
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.body == second.body
    assert (outcome(hooked).state, outcome(hooked).error) == (Delivery.DELIVERED, None)


def test_notification_waits_as_long_as_the_receiver_asks_within_limits(
    hooked: Floor, receiver: Receiver, now: datetime
) -> None:
    receiver.answer(refuse_until("60"), refuse_until("9" * 400))
    once(hooked.database, now)

    once(hooked.database, now + timedelta(seconds=59))
    early = len(receiver.requests)
    once(hooked.database, now + timedelta(seconds=60))
    once(hooked.database, now + LONG)

    assert (early, len(receiver.requests)) == (1, 3)


def test_notification_waits_before_it_is_tried_again(
    hooked: Floor, receiver: Receiver, now: datetime
) -> None:
    receiver.answer(503)
    once(hooked.database, now)

    once(hooked.database, now + timedelta(seconds=3))

    assert len(receiver.requests) == 1


def test_notification_fails_at_once_when_the_refusal_is_permanent(
    hooked: Floor, receiver: Receiver, now: datetime
) -> None:
    receiver.answer(410)
    with capture_logs() as logs:
        once(hooked.database, now)

    once(hooked.database, now + LONG)

    row = outcome(hooked)
    assert len(receiver.requests) == 1
    assert (row.state, row.error) == (Delivery.FAILED, "answered 410: this is why")
    assert row.failure == Failure.PERMANENT
    assert [record["event"] for record in logs] == ["notification_failed"]


def test_notification_fails_when_every_attempt_was_refused(
    hooked: Floor, receiver: Receiver, now: datetime
) -> None:
    receiver.answer(*[500] * ATTEMPT_LIMIT)

    for _ in range(ATTEMPT_LIMIT + 1):
        once(hooked.database, now)
        now += LONG

    assert len(receiver.requests) == ATTEMPT_LIMIT
    assert (outcome(hooked).state, outcome(hooked).failure) == (Delivery.FAILED, Failure.EXHAUSTED)


def test_every_attempt_is_written_down_with_what_came_of_it(
    hooked: Floor, receiver: Receiver, now: datetime
) -> None:
    receiver.answer(500, 503)
    for number in range(3):
        once(hooked.database, now + number * LONG)

    assert [(each.number, each.begun_at, each.ended_at, each.error) for each in tried(hooked)] == [
        (1, now, now, "answered 500: this is why"),
        (2, now + LONG, now + LONG, "answered 503: this is why"),
        (3, now + 2 * LONG, now + 2 * LONG, None),
    ]


def test_attempt_under_way_is_written_down_before_anything_is_known_of_it(
    hooked: Floor, now: datetime
) -> None:
    kill_between_claim_and_delivery(hooked, now)

    (attempt,) = tried(hooked)

    assert (attempt.begun_at, attempt.ended_at, attempt.error) == (now, None, None)


def test_failed_notification_that_is_asked_for_again_has_as_many_attempts_as_a_new_one(
    hooked: Floor, receiver: Receiver, now: datetime
) -> None:
    receiver.answer(410, *[500] * (ATTEMPT_LIMIT - 1))
    once(hooked.database, now)
    with hooked.database.write() as connection:
        deliveries.retry(connection, outcome(hooked).id, at=now, by="ann")

    for number in range(ATTEMPT_LIMIT):
        once(hooked.database, now + number * LONG)

    assert len({request.headers["webhook-id"] for request in receiver.requests}) == 1
    assert outcome(hooked).state == Delivery.DELIVERED
    assert [each.number for each in tried(hooked)] == list(range(1, ATTEMPT_LIMIT + 2))


def test_notification_is_delivered_under_the_same_id_when_its_worker_was_killed(
    hooked: Floor, receiver: Receiver, now: datetime
) -> None:
    kill_between_claim_and_delivery(hooked, now)

    once(hooked.database, now + timedelta(seconds=LEASE_S - 1))
    before = list(receiver.requests)
    once(hooked.database, now + timedelta(seconds=LEASE_S))

    assert before == []
    assert [request.headers["webhook-id"] for request in receiver.requests] == [outcome(hooked).id]


def test_notification_fails_when_every_worker_was_killed(
    hooked: Floor, receiver: Receiver, now: datetime
) -> None:
    kill_between_claim_and_delivery(hooked, now)
    for number in range(1, ATTEMPT_LIMIT):
        assert claim(hooked, now + number * LONG) is not None

    once(hooked.database, now + ATTEMPT_LIMIT * LONG)

    assert receiver.requests == []
    assert outcome(hooked).state == Delivery.FAILED
    assert "its worker ended" in outcome(hooked).error
    assert outcome(hooked).failure == Failure.ABANDONED
    assert {each.error for each in tried(hooked)} == {attempts.ABANDONED}


def test_notification_is_claimed_by_one_worker_only(hooked: Floor, now: datetime) -> None:
    kill_between_claim_and_delivery(hooked, now)

    assert claim(hooked, now) is None


def test_late_refusal_changes_nothing_when_another_worker_holds_the_claim(
    hooked: Floor, now: datetime
) -> None:
    kill_between_claim_and_delivery(hooked, now)
    later = now + LONG
    second = claim(hooked, later)
    first = replace(second, attempt_count=1)

    with hooked.database.write() as connection:
        is_postponed = notifications.postpone(
            connection, first, error="late", until=later + LONG, at=later
        )
        has_failed = notifications.give_up(
            connection, first, error="late", failure=Failure.EXHAUSTED, at=later
        )

    assert (is_postponed, has_failed) == (False, False)
    assert outcome(hooked).error is None


def test_resolved_is_told_after_opened_when_opened_had_to_wait(
    empty_floor: Floor, receiver: Receiver, now: datetime
) -> None:
    channel = factories.channel(name="hook", kind="webhook", url=receiver.url)
    line = factories.line(rules=factories.rules(off_delay_s=1.0))
    empty_floor.add(line, "cam-1", channels=(channel,))
    empty_floor.see(Verdict.NG)
    receiver.answer(500)
    once(empty_floor.database, now)

    once(empty_floor.database, now + timedelta(seconds=2))
    told_early = len(receiver.requests)
    once(empty_floor.database, now + LONG)

    assert told_early == 1
    assert [request.json["type"] for request in receiver.requests] == [
        "inspection.alert.opened",
        "inspection.alert.opened",
        "inspection.alert.resolved",
    ]


def test_log_channel_writes_one_record_for_each_event(floor: Floor, now: datetime) -> None:
    floor.see(Verdict.NG)

    with capture_logs() as logs:
        once(floor.database, now)
        once(floor.database, now + timedelta(seconds=60))

    (alert,) = floor.alerts()
    known = {"line": "line-1", "alert_id": alert.alert_id, "frame_id": "cam-1/1"}
    assert logs == [
        {"event": "alert_opened", "log_level": "warning", "summary": alert.summary} | known,
        {
            "event": "alert_resolved",
            "log_level": "info",
            "summary": "line line-1: no NG part for 60 s; 1 frame in all",
        }
        | known,
    ]


def test_notification_fails_with_the_cure_when_the_secret_cannot_sign(
    empty_floor: Floor, receiver: Receiver, now: datetime
) -> None:
    channel = factories.channel(name="hook", kind="webhook", url=receiver.url, secret=UNUSABLE)
    empty_floor.add(factories.line(), "cam-1", channels=(channel,))
    empty_floor.see(Verdict.NG)

    once(empty_floor.database, now)

    assert outcome(empty_floor).state == Delivery.FAILED
    assert "take `whsec_`" in outcome(empty_floor).error


def test_events_of_one_alert_are_told_to_a_channel_once(floor: Floor, now: datetime) -> None:
    floor.see(Verdict.NG)

    for seconds in (0, 1, 60, 61):
        once(floor.database, now + timedelta(seconds=seconds))

    assert floor.notifications() == [("log", Event.OPENED), ("log", Event.RESOLVED)]


def test_channel_is_told_only_the_events_it_listens_to(empty_floor: Floor, now: datetime) -> None:
    heard = {
        "all": None,
        "manager": (Event.ESCALATED,),
        "ends": (Event.RESOLVED,),
        "starts": (Event.OPENED, Event.ESCALATED),
    }
    listening = tuple(factories.channel(name=name, events=some) for name, some in heard.items())
    empty_floor.add(factories.line(), "cam-1", channels=listening)
    empty_floor.see(Verdict.NG)

    once(empty_floor.database, now)
    once(empty_floor.database, now + timedelta(seconds=60))

    assert set(empty_floor.notifications()) == {
        ("all", Event.OPENED),
        ("all", Event.RESOLVED),
        ("ends", Event.RESOLVED),
        ("starts", Event.OPENED),
    }


def test_end_of_an_alert_is_not_told_where_nothing_of_it_was_told(
    empty_floor: Floor, now: datetime
) -> None:
    listening = (
        factories.channel(name="manager", events=(Event.ESCALATED, Event.RESOLVED)),
        factories.channel(name="deputy", events=(Event.ESCALATED, Event.RESOLVED)),
    )
    empty_floor.add(factories.line(), "cam-1", channels=listening[:1])
    empty_floor.see(Verdict.NG)
    once(empty_floor.database, now)
    (alert,) = empty_floor.alerts()
    escalated = Telling(event=Event.ESCALATED, summary="nobody came")
    with empty_floor.database.write() as connection:
        notifications.notify(connection, alert, escalated, at=now)
        channels.insert_channel(connection, listening[1])

    once(empty_floor.database, now + timedelta(seconds=60))

    assert empty_floor.notifications() == [
        ("manager", Event.ESCALATED),
        ("manager", Event.RESOLVED),
    ]


def test_changed_address_is_used_for_the_next_attempt(
    hooked: Floor, receiver: Receiver, now: datetime
) -> None:
    receiver.answer(500)
    once(hooked.database, now)
    with hooked.database.write() as connection:
        hook = channels.get_channel(connection, "hook")
        changed = replace(hook, url=f"http://127.0.0.1:{receiver.port}/new")
        channels.set_channel(connection, changed, at=now, by="ann")

    once(hooked.database, now + LONG)

    assert [request.path for request in receiver.requests] == ["/alerts", "/new"]


def test_courier_empties_a_full_channel_over_one_connection(
    empty_floor: Floor, receiver: Receiver, wait_until: Callable[..., Any], now: datetime
) -> None:
    hook = factories.channel(name="hook", kind="webhook", url=receiver.url, secret=SECRET)
    empty_floor.add(
        factories.line(rules=factories.rules(off_delay_s=1e6)), "cam-1", channels=(hook,)
    )
    empty_floor.see(Verdict.NG)
    flips.process(empty_floor.database, empty_floor.outbox()[:1], now)
    (alert,) = empty_floor.alerts()
    with empty_floor.database.write() as connection:
        for number in range(50):
            telling = Telling(event=Event.UPDATED, number=number, summary="more")
            notifications.notify(connection, alert, telling, at=now)

    with running(empty_floor.database):
        wait_until(lambda: len(receiver.requests) == 51)

    assert len({request.headers["webhook-id"] for request in receiver.requests}) == 51
    assert len(receiver.connections) == 1
