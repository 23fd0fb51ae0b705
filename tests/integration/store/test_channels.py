"""Channels come back as they were, are changed on purpose, and are shown without secrets."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from inspection.domain.alert import AlertKind
from inspection.domain.channel import Broker, Channel, LineState
from inspection.domain.notification import Event
from inspection.errors import NotFoundError
from inspection.store import audit, channels
from inspection.store.alert_tables import alerts, rules
from inspection.store.channels import address
from inspection.store.database import Database
from inspection.store.line_states import line_states
from inspection.store.lines import line_id
from tests import factories
from tests.factories import NOON

LATER = NOON + timedelta(hours=1)
BROKER = Broker(
    host="broker.example",
    port=8883,
    username="line",
    has_tls=True,
    ca_file=Path("/pki/plant.pem"),
    prefix="plant",
)
BOARD = factories.channel(
    name="board",
    kind="mqtt",
    broker=BROKER,
    secret="hush",  # noqa: S106 - nobody's
    lines=("line-1",),
    events=(Event.OPENED, Event.RESOLVED),
)


def test_broker_comes_back_as_it_was_and_is_changed_with_a_trace(database: Database) -> None:
    changed = replace(BOARD, broker=replace(BROKER, port=1883), secret="hush!", events=None)  # noqa: S106
    with database.write() as connection:
        channels.insert_channel(connection, BOARD)
        stored = channels.get_channel(connection, "board")
        channels.set_channel(connection, changed, at=LATER, by="ann")
        channels.set_channel(connection, changed, at=LATER, by="ben")

    with database.read() as connection:
        now = channels.get_channel(connection, "board")
        (change,) = audit.list_changes(connection, thing="channel")
    assert (stored, now) == (BOARD, changed)
    assert (change.who, change.at) == ("ann", LATER)
    assert change.before == {
        "address": "mqtts://broker.example:8883/plant",
        "events": ["opened", "resolved"],
    }
    assert change.after == {
        "address": "mqtts://broker.example:1883/plant",
        "events": None,
        "secret": "changed",
    }


def test_of_two_who_change_a_channel_at_once_the_second_sees_what_the_first_made(
    database: Database,
) -> None:
    with database.write() as connection:
        channels.insert_channel(connection, BOARD)
    together = threading.Barrier(2)

    def add_event(event: Event) -> None:
        together.wait(10)
        with database.write() as connection:
            before = channels.lock_channel(connection, "board")
            changed = replace(before, events=(*(before.events or ()), event))
            channels.set_channel(connection, changed, at=LATER, by="ann")

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(add_event, (Event.UPDATED, Event.ESCALATED)))

    with database.read() as connection:
        events = channels.get_channel(connection, "board").events
    assert events is not None
    assert set(events) == {Event.OPENED, Event.RESOLVED, Event.UPDATED, Event.ESCALATED}


def test_unknown_channel_is_answered_with_those_there_are(database: Database) -> None:
    with database.write() as connection:
        channels.insert_channel(connection, BOARD)
        for attempt in (
            lambda: channels.get_channel(connection, "nobody"),
            lambda: channels.set_channel(
                connection, replace(BOARD, name="nobody"), at=NOON, by="ann"
            ),
            lambda: channels.remove_channel(connection, "nobody", at=NOON, by="ann"),
        ):
            with pytest.raises(NotFoundError, match="no channel 'nobody'; there are: board"):
                attempt()


@pytest.mark.parametrize(
    ("channel", "shown"),
    [
        (factories.channel(), None),
        (BOARD, "mqtts://broker.example:8883/plant"),
        (
            factories.channel(kind="webhook", url="https://u:hush@a.example:8443/hush?k=hush#hush"),
            "https://a.example:8443",
        ),
        (factories.channel(kind="webhook", url="http://[::1]?hush"), "http://[::1]"),
        (factories.channel(kind="apprise", url="slack://hush/hush/hush"), "slack://…"),
    ],
)
def test_address_is_shown_as_far_as_everybody_may_know_it(
    channel: Channel, shown: str | None
) -> None:
    assert address(channel) == shown
    assert "hush" not in str(channels.public_values(channel))


def test_state_of_a_line_counts_what_is_unresolved_and_names_the_worst(
    site_database: Database,
) -> None:
    def row(kind: AlertKind, **changes: object) -> dict[str, object]:
        opened = {"opened_at": NOON, "last_at": NOON, "resolved_at": None, "acknowledged_at": None}
        counts = {"opened_count": 1, "frame_count": 1, "told_count": 1, "repeat_count": 0}
        words = {"summary": "", "subject": "", "acknowledged_note": "", "resolved_note": ""}
        rest = {"frame_id": "cam-1/1", "is_dismissed": False, "rule_id": rule_ids[kind]}
        return {"line_id": line, "kind": kind, **opened, **counts, **words, **rest, **changes}

    with site_database.write() as connection:
        line = line_id(connection, "line-1")
        of_line = select(rules.c.kind, rules.c.id).where(rules.c.line_id == line)
        rule_ids = {found.kind: found.id for found in connection.execute(of_line)}
        for each in (
            row(AlertKind.DRIFT, opened_at=NOON - timedelta(hours=1), acknowledged_at=NOON),
            row(AlertKind.NG),
            row(AlertKind.NG, opened_at=NOON - timedelta(days=1), resolved_at=NOON),
        ):
            connection.execute(alerts.insert().values(each))

    with site_database.read() as connection:
        states = line_states(connection)
    assert states == [
        LineState(
            line="line-1",
            open_count=2,
            unacknowledged_count=1,
            worst_kind=AlertKind.NG,
            since_at=NOON - timedelta(hours=1),
        ),
        LineState(
            line="line-2",
            open_count=0,
            unacknowledged_count=0,
            worst_kind=None,
            since_at=None,
        ),
    ]
