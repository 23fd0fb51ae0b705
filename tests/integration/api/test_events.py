"""Events: told as they happen, from where a client left off, to those who may listen."""

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
import uvicorn
from fastapi import FastAPI

from inspection.api import events, news
from inspection.api.installation import Installation
from inspection.domain.access import Role
from inspection.domain.health import CameraHealth, HealthState
from inspection.store import keys, ledger, openings, responses, rules, thresholds
from inspection.store.database import Database
from inspection.store.health import record_camera_health
from inspection.store.openings import Finding
from inspection.store.responses import Response
from tests import factories
from tests.conftest import Clock
from tests.factories import NOON
from tests.integration.api.conftest import Client, KeyHeaders, add_key

Event = dict[str, Any]


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(news, "LOOK_S", 0.02)
    monkeypatch.setattr(events, "KEEP_ALIVE_S", 0.2)


@pytest.fixture
def address(app: FastAPI, installation: Installation, wait_until: Any) -> Iterator[str]:
    """Where a real server answers: a test client would wait for the end of a stream."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, lifespan="off"))
    thread = threading.Thread(target=server.run)
    thread.start()
    wait_until(lambda: server.started)
    host, port = server.servers[0].sockets[0].getsockname()
    yield f"http://{host}:{port}/api/v1"
    installation.news.close()
    server.should_exit = True
    thread.join(10)


def inspect(database: Database, *numbers: int, camera: str = "cam-1", at: Any = NOON) -> None:
    entries = [
        factories.inspected(camera=camera, sequence_number=number, captured_at=at)
        for number in numbers
    ]
    with database.write() as connection:
        ledger.record(connection, entries, at=at)


@contextmanager
def listening(
    address: str, headers: dict[str, str], **query: Any
) -> Iterator[Callable[[], Event | None]]:
    """Open a stream, wait until it has begun; give what reads its next event, None at its end."""
    url = f"{address}/events"
    with httpx.stream("GET", url, headers=headers, params=query, timeout=20) as answer:
        assert answer.status_code == 200, answer.read()
        lines = answer.iter_lines()

        def next_event() -> Event | None:
            found: Event = {}
            for text in lines:
                name, _, value = text.partition(": ")
                if text and name:
                    found[name] = value
                elif "event" in found:
                    return found | {"data": json.loads(found["data"])}
                elif "id" in found or "retry" in found:
                    found = {"event": "begun", "data": "{}"} | found if "id" in found else {}
                    if found:
                        return found
            return None

        yield next_event


def after_begin(next_event: Callable[[], Event | None]) -> Event:
    event = next_event()
    assert event is not None
    assert event["event"] == "begun"
    return event


def test_inspection_and_threshold_are_told_as_they_happen(
    address: str, site_database: Database, key_headers: KeyHeaders
) -> None:
    with listening(address, key_headers(Role.VIEWER)) as next_event:
        after_begin(next_event)
        inspect(site_database, 7)
        inspected = next_event()
        with site_database.write() as connection:
            thresholds.set_threshold(
                connection, factories.scope(), 0.7, at=NOON, by="anna", reason="new lamp"
            )
        changed = next_event()

    assert inspected is not None
    assert inspected["event"] == "inspection"
    assert inspected["data"]["camera"] == "cam-1"
    assert inspected["data"]["verdict"] == "OK"
    assert inspected["data"]["captured_at"] == "2026-03-02T12:00:00Z"
    assert changed is not None
    assert changed["event"] == "threshold"
    assert (changed["data"]["value"], changed["data"]["set_by"]) == (0.7, "anna")


def test_alert_is_told_when_it_opens_and_when_somebody_has_seen_it(
    address: str, site_database: Database, key_headers: KeyHeaders, clock: Clock
) -> None:
    with listening(address, key_headers(Role.VIEWER), kind="alert") as next_event:
        after_begin(next_event)
        with site_database.write() as connection:
            rule = rules.get_rule(connection, "line-1", "ng")
            alert = openings.open_alert(connection, rule, Finding(summary="1 NG part"), NOON)
        assert alert is not None
        opened = next_event()
        response = Response(at=clock.advance(2), by="anna", note="")
        with site_database.write() as connection:
            responses.acknowledge(connection, alert.alert_id, response)
        seen = next_event()

    assert opened is not None
    assert (opened["data"]["summary"], opened["data"]["acknowledged_by"]) == ("1 NG part", None)
    assert seen is not None
    assert seen["data"]["acknowledged_by"] == "anna"


def test_change_of_a_cameras_health_is_told(
    address: str, site_database: Database, key_headers: KeyHeaders
) -> None:
    lost = CameraHealth(
        camera="cam-1",
        line="line-1",
        state=HealthState.STALLED,
        detail="no frame for a minute",
        since_at=NOON,
        checked_at=NOON,
        lag_s=0.0,
        waiting_count=0,
        last_frame_at=None,
    )
    with listening(address, key_headers(Role.VIEWER)) as next_event:
        after_begin(next_event)
        with site_database.write() as connection:
            record_camera_health(connection, lost, before_at=None)
        event = next_event()

    assert event is not None
    assert event["event"] == "health"
    assert event["data"]["detail"] == "no frame for a minute"


def test_stream_of_a_camera_tells_of_no_other(
    address: str, site_database: Database, key_headers: KeyHeaders
) -> None:
    with listening(address, key_headers(Role.VIEWER), camera="cam-2") as next_event:
        after_begin(next_event)
        inspect(site_database, 1, camera="cam-1")
        inspect(site_database, 2, camera="cam-2")
        event = next_event()

    assert event is not None
    assert event["data"]["camera"] == "cam-2"


def test_client_that_comes_back_is_told_what_it_missed(
    address: str, site_database: Database, key_headers: KeyHeaders, clock: Clock
) -> None:
    headers = key_headers(Role.VIEWER)
    with listening(address, headers) as next_event:
        after_begin(next_event)
        inspect(site_database, 1)
        seen = next_event()
    assert seen is not None

    inspect(site_database, 2, 3, at=clock.advance(60))

    with listening(address, headers | {"Last-Event-ID": seen["id"]}) as next_event:
        missed = []
        while (event := next_event()) is not None and event["event"] == "inspection":
            missed.append(event["data"]["sequence_number"])
    # What lies close before the interruption may be told twice.
    assert missed in ([2, 3], [1, 2, 3])


def test_what_happens_while_a_stream_begins_is_told(
    address: str,
    installation: Installation,
    site_database: Database,
    key_headers: KeyHeaders,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # The newsroom has told others what came while this one was still finding out where it stands.
    listen = installation.news.listen

    def late(listener: news.Listener, position: news.Position) -> bool:
        inspect(site_database, 7)
        return listen(listener, position)

    monkeypatch.setattr(installation.news, "listen", late)
    monkeypatch.setattr(installation.news, "_is_new", lambda _one: False)

    with listening(address, key_headers(Role.VIEWER)) as next_event:
        event = next_event()

    assert event is not None
    assert event["event"] == "inspection"


def test_more_than_can_be_told_are_asked_to_come_again(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(news, "LISTENERS", 0)

    answer = client(Role.VIEWER).get("/api/v1/events")

    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")


def test_client_that_missed_too_much_is_told_so(
    address: str,
    site_database: Database,
    key_headers: KeyHeaders,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(news, "CATCH_UP", 3)
    inspect(site_database, 1, 2, 3, 4)

    last = {"Last-Event-ID": f"0-1-{int(NOON.timestamp() * 1000)}"}
    with listening(address, key_headers(Role.VIEWER) | last) as next_event:
        event = next_event()

    assert event is not None
    assert event["event"] == "gap"


def test_stream_ends_when_its_key_is_revoked(
    address: str, installation: Installation, site_database: Database
) -> None:
    key, text = add_key(installation, *Role.VIEWER.permissions, name="screen")
    with listening(address, {"Authorization": f"Bearer {text}"}) as next_event:
        after_begin(next_event)
        with site_database.write() as connection:
            keys.revoke_key(connection, key.name, at=NOON, by="test")
        last = next_event()

        assert last is not None
        assert last["event"] == "over"
        assert next_event() is None


def test_stream_ends_at_once_when_the_server_stops(
    address: str, installation: Installation, key_headers: KeyHeaders
) -> None:
    with listening(address, key_headers(Role.VIEWER)) as next_event:
        after_begin(next_event)
        installation.news.close()
        last = next_event()

        assert last is not None
        assert last["event"] == "over"
        assert next_event() is None


async def test_listener_that_takes_nothing_is_cut_off_and_its_queue_emptied() -> None:
    listener = news.Listener(loop=asyncio.get_running_loop(), wants=lambda _one: True)
    one = news.News(
        kind="inspection",
        key=("inspection", 1, ""),
        line="line-1",
        camera=None,
        values={},
        position=news.Position(ledger_id=1, threshold_id=1, at=NOON),
    )

    listener.tell([one] * (news.QUEUE_LENGTH + 1))

    assert listener.is_cut_off
    assert listener.queue.qsize() == 1
    assert listener.queue.get_nowait() is None


@pytest.mark.parametrize(
    ("query", "headers", "status"),
    [
        ({"line": "line-9"}, {}, 404),
        ({"camera": "cam-9"}, {}, 404),
        ({"kind": "nonsense"}, {}, 422),
        ({}, {"Last-Event-ID": "yesterday"}, 400),
        ({}, {"Last-Event-ID": "1-2-99999999999999999999"}, 400),
    ],
)
def test_stream_that_makes_no_sense_is_refused(
    client: Client, query: dict[str, str], headers: dict[str, str], status: int
) -> None:
    answer = client(Role.VIEWER).get("/api/v1/events", params=query, headers=headers)

    assert answer.status_code == status


def test_nobody_listens_without_signing_in(client: Client) -> None:
    assert client(None).get("/api/v1/events").status_code == 401
