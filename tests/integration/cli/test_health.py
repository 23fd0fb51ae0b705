"""`inspection health`, and the heartbeats it shows, tell what is not as it should be."""

import os
import socket
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from inspection.cli.heartbeat import beating
from inspection.domain.health import CameraHealth, HealthState
from inspection.domain.heartbeat import Heartbeat
from inspection.store.database import Database
from inspection.store.health import list_camera_health, record_camera_health
from inspection.store.heartbeats import beat, list_heartbeats
from inspection.store.views import accepted_views
from tests.conftest import Clock
from tests.factories import NOON
from tests.integration.cli.console import Console

pytestmark = pytest.mark.timeout(120)

KINDS = ("alerter", "capture", "inspector", "serve")


def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture
def record(site_database: Database) -> Callable[..., None]:
    """Write down that every camera is live, but for what the test says of cam-2."""

    def record(checked_at: datetime, **of_cam_2: Any) -> None:
        with site_database.write() as connection:
            before = {one.camera: one.checked_at for one in list_camera_health(connection)}
            for name, line in (("cam-1", "line-1"), ("cam-2", "line-1"), ("cam-3", "line-2")):
                live = CameraHealth(
                    camera=name,
                    line=line,
                    state=HealthState.LIVE,
                    detail="",
                    since_at=NOON,
                    checked_at=checked_at,
                    lag_s=0.4,
                    waiting_count=1,
                    last_frame_at=NOON,
                )
                health = replace(live, **of_cam_2) if name == "cam-2" else live
                assert record_camera_health(connection, health, before_at=before.get(name))

    return record


@pytest.fixture
def run_processes(site_database: Database) -> Callable[..., None]:
    """Write down heartbeats of every kind of process, but for what the test says of inspectors."""

    def run(at: datetime, **of_inspector: Any) -> None:
        with site_database.write() as connection:
            for kind in KINDS:
                alive = Heartbeat(
                    process=kind,
                    host="host-1",
                    slot=0,
                    pid=7,
                    started_at=NOON,
                    beat_at=at,
                    turned_at=at,
                    done_count=12,
                )
                beat(connection, replace(alive, **of_inspector) if kind == "inspector" else alive)

    return run


def test_health_is_good_when_everything_is_as_it_should_be(
    site_console: Console, record: Callable[..., None], run_processes: Callable[..., None]
) -> None:
    record(now(), lag_s=1.26)
    run_processes(now())

    ended = site_console.run("health", "--json")
    shown = site_console.run("health")

    assert (ended.code, shown.code) == (0, 0)
    found = ended.json
    assert (found["lag_s"], found["is_well"], found["missing"]) == (1.26, True, [])
    assert [(one["camera"], one["state"]) for one in found["cameras"]] == [
        ("cam-1", "live"),
        ("cam-2", "live"),
        ("cam-3", "live"),
    ]
    assert [(one["process"], one["state"]) for one in found["processes"]] == [
        (kind, "alive") for kind in KINDS
    ]
    assert "oldest unjudged frame" in shown.out
    assert "1.3 s" in shown.out


def test_health_says_what_is_not_as_it_should_be(
    site_console: Console, record: Callable[..., None], run_processes: Callable[..., None]
) -> None:
    record(now(), state=HealthState.BLIND, detail="its pictures are black")
    run_processes(now(), turned_at=now() - timedelta(minutes=3))

    ended = site_console.run("health", "--json")

    assert ended.code == 1
    assert ended.json["cameras"][1]["state"] == "blind"
    assert ended.json["cameras"][1]["detail"] == "its pictures are black"
    assert ended.json["processes"][2]["state"] == "stands still"


def test_health_does_not_believe_what_was_found_long_ago(
    site_console: Console, record: Callable[..., None], run_processes: Callable[..., None]
) -> None:
    record(now() - timedelta(minutes=1))
    run_processes(now() - timedelta(minutes=1))

    ended = site_console.run("health", "--json")

    assert ended.code == 1
    assert {one["state"] for one in ended.json["cameras"]} == {"unknown"}
    assert "nobody has looked since" in ended.json["cameras"][0]["detail"]
    assert {one["state"] for one in ended.json["processes"]} == {"silent"}
    assert ended.json["lag_s"] is None


def test_view_of_a_camera_is_accepted(site_console: Console, site_database: Database) -> None:
    ended = site_console.run("health", "accept", "cam-2")
    unknown = site_console.run("health", "accept", "cam-9")

    assert (ended.code, ended.sentence) == (
        0,
        "what cam-2 normally sees is learnt anew from its next pictures",
    )
    assert (unknown.code, "there is no camera 'cam-9'" in unknown.sentence) == (1, True)
    with site_database.read() as connection:
        assert [*accepted_views(connection)] == ["cam-2"]


@pytest.fixture
def beats(database_url: str) -> Iterator[tuple[Database, Callable[[], list[Heartbeat]]]]:
    with closing(Database.open(database_url)) as database:

        def read() -> list[Heartbeat]:
            with database.read() as connection:
                return list_heartbeats(connection)

        yield database, read


def test_process_beats_from_a_thread_of_its_own_and_says_when_its_work_came_round(
    beats: tuple[Database, Callable[[], list[Heartbeat]]], wait_until: Callable[..., Any]
) -> None:
    (database, read), clock = beats, Clock()

    with beating(database, "inspector", clock=clock, slot=2, every_s=0.02) as pulse:
        wait_until(read)
        pulse.turn(3)
        clock.advance(60)
        still = wait_until(lambda: [one for one in read() if one.beat_at > NOON])
        pulse.turn(4)
        turned = wait_until(lambda: [one for one in read() if one.turned_at > NOON])

    (one,) = still
    assert (one.process, one.slot, one.pid) == ("inspector", 2, os.getpid())
    assert (one.host, one.turned_at, one.done_count) == (socket.gethostname(), NOON, 3)
    assert turned[0].done_count == 7
    assert read() == []


def test_heart_goes_on_beating_when_the_database_can_be_used_again(
    sqlite_url: str, wait_until: Callable[..., Any]
) -> None:
    file = sqlite_url.removeprefix("sqlite:///")

    def rename(before: str, after: str) -> None:
        with closing(sqlite3.connect(file)) as other:
            other.execute(f"ALTER TABLE {before} RENAME TO {after}")

    def read() -> list[Heartbeat]:
        with database.read() as connection:
            return list_heartbeats(connection)

    with closing(Database.open(sqlite_url)) as database:
        rename("heartbeats", "away")
        with beating(database, "alerter", clock=Clock(), every_s=0.02):
            threading.Event().wait(0.1)
            rename("away", "heartbeats")

            assert wait_until(read)[0].process == "alerter"
