"""Cameras are looked at from outside: every state by its fault, on real servers."""

import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import structlog

from inspection.alerting.watch import CameraWatch
from inspection.domain.health import CameraHealth, CameraState, HealthState
from inspection.domain.ledger import Cause
from inspection.domain.line import OverflowPolicy
from inspection.domain.view import View, ViewState
from inspection.errors import UnavailableError
from inspection.store.database import Database
from inspection.store.health import list_camera_health
from inspection.store.lines import create_missing
from inspection.stream.codec import drops_key, frames_key, state_key
from inspection.stream.connection import Client, connect
from inspection.stream.embedded import EmbeddedServer
from inspection.stream.producer import Producer
from tests.conftest import Clock
from tests.factories import NOON, camera, frame, site

NO_STREAMS = "redis://127.0.0.1:1/0"


@dataclass
class Floor:
    """One simulated camera, its stream, and who looks at it once a second."""

    database: Database
    client: Client
    clock: Clock
    watch: CameraWatch
    producer: Producer
    said: CameraState
    seconds: float = 0.0
    number: int = 0

    def monotonic(self) -> float:
        return self.seconds

    def look(self, count: int = 1, *, is_captured: bool = True, **changes: Any) -> CameraHealth:
        """Let seconds pass; each time the camera says something, unless nobody captures it."""
        for _ in range(count):
            self.clock.advance(1)
            self.seconds += 1
            if is_captured:
                at = self.clock()
                self.said = replace(self.said, reported_at=at, last_frame_at=at, **changes)
                self.producer.report(self.said)
            self.watch.look()
        return self.health()

    def health(self) -> CameraHealth:
        with self.database.read() as connection:
            (health,) = list_camera_health(connection)
        return health

    def add_frame(self) -> None:
        self.number += 1
        self.producer.add(
            frame(camera="cam-1", sequence_number=self.number, captured_at=self.clock())
        )


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    with closing(Database.open(database_url)) as database:
        with database.write() as connection:
            create_missing(connection, site(cameras=(camera(),)), at=NOON, by="test")
        yield database


@pytest.fixture
def client(redis_url: str) -> Iterator[Client]:
    with connect(redis_url) as client:
        for key in (frames_key, state_key, drops_key):
            client.delete(key("cam-1"))
        yield client


@pytest.fixture
def floor(database: Database, client: Client, clock: Clock) -> Floor:
    floor = Floor(
        database=database,
        client=client,
        clock=clock,
        watch=CameraWatch(database, client, clock=clock, monotonic=lambda: floor.seconds),
        producer=Producer(
            client, camera="cam-1", overflow=OverflowPolicy.DROP_NEWEST, backlog_limit=100
        ),
        said=CameraState(
            state="live", detail="", reported_at=NOON, host="host-1", quiet_s=0.1, interval_s=0.25
        ),
    )
    return floor


def test_camera_that_never_said_anything_is_unknown(floor: Floor) -> None:
    health = floor.look(is_captured=False)

    assert (health.state, health.line) == (HealthState.UNKNOWN, "line-1")


def test_camera_that_works_is_live(floor: Floor) -> None:
    floor.add_frame()

    health = floor.look(2)

    assert (health.state, health.detail) == (HealthState.LIVE, "")
    assert (health.waiting_count, health.lag_s) == (1, pytest.approx(2.0))
    assert health.last_frame_at == health.checked_at == floor.clock()


def test_camera_whose_capture_was_killed_stalls_and_is_live_again_after_good_looks(
    floor: Floor,
) -> None:
    floor.look(2)

    assert floor.look(9, is_captured=False).state is HealthState.LIVE
    dead = floor.look(7, is_captured=False)
    back = [floor.look().state for _ in range(5)]

    assert dead.state is HealthState.STALLED
    assert "see that `inspection capture` runs on host-1" in dead.detail
    assert back == [HealthState.STALLED] * 4 + [HealthState.LIVE]


def test_camera_that_gives_no_picture_stalls(floor: Floor) -> None:
    floor.look(2)

    health = floor.look(state="reconnecting", detail="camera 7 is gone", quiet_s=12.0)

    assert health.state is HealthState.STALLED
    assert "camera 7 is gone" in health.detail


def test_camera_that_sees_nothing_is_blind(floor: Floor) -> None:
    floor.look(2)

    health = floor.look(view=View(state=ViewState.FROZEN, detail="the same picture"))

    assert (health.state, health.detail) == (HealthState.BLIND, "the same picture")


def test_camera_whose_frames_nobody_judges_lags(floor: Floor) -> None:
    floor.look(2)
    floor.add_frame()

    floor.look(10)
    health = floor.look(2)

    assert health.state is HealthState.LAGGING
    assert "1 frames wait" in health.detail
    assert health.lag_s == pytest.approx(12.0)


def test_camera_whose_frames_are_dropped_lags_until_a_while_after_the_last(floor: Floor) -> None:
    floor.look(2)
    for number in (1, 2):
        floor.producer.drop(
            frame(camera="cam-1", sequence_number=number).identity, Cause.DROP_NEWEST
        )

    assert floor.look(2).state is HealthState.LAGGING
    assert floor.look(20).state is HealthState.LIVE


def test_camera_at_its_end_has_ended_and_stays_so(floor: Floor) -> None:
    floor.look(2)
    floor.look(state="drained", detail="200 pictures")

    health = floor.look(60, is_captured=False)

    assert (health.state, health.detail) == (HealthState.ENDED, "200 pictures")


def test_watch_that_starts_anew_believes_no_old_word(
    floor: Floor, database: Database, client: Client
) -> None:
    floor.look(2)
    floor.look(16, is_captured=False)
    seconds = 0.0
    fresh = CameraWatch(database, client, clock=floor.clock, monotonic=lambda: seconds)

    states = []
    for _ in range(17):
        seconds += 1
        floor.clock.advance(1)
        fresh.look()
        states.append(floor.health().state)

    assert {*states} == {HealthState.STALLED}


@pytest.mark.parametrize("jump_s", [3600.0, -3600.0])
def test_clock_that_jumps_neither_stalls_a_camera_nor_makes_time_negative(
    floor: Floor, jump_s: float
) -> None:
    floor.add_frame()
    floor.look(3)

    floor.clock.advance(jump_s)
    floor.add_frame()
    states = []
    for _ in range(5):
        health = floor.look()
        states.append(health.state)
        assert health.lag_s >= 0
        assert health.since_at <= health.checked_at
        floor.client.delete(frames_key("cam-1"))

    assert floor.health().checked_at == floor.clock()
    assert {*states} == {HealthState.LIVE}


def test_clock_of_a_capture_machine_that_goes_wrong_makes_no_lag(floor: Floor) -> None:
    behind = timedelta(hours=1)
    for number in range(1, 6):
        floor.clock.advance(1)
        floor.seconds += 1
        at = floor.clock() - behind
        floor.producer.add(frame(camera="cam-1", sequence_number=number, captured_at=at))
        floor.producer.report(replace(floor.said, reported_at=at))
        floor.watch.look()
        floor.client.delete(frames_key("cam-1"))

    assert floor.health().state is HealthState.LIVE
    assert floor.health().lag_s < 2


def test_only_one_of_two_that_look_at_the_same_moment_writes(
    floor: Floor, database: Database, client: Client
) -> None:
    other = CameraWatch(database, client, clock=floor.clock, monotonic=floor.monotonic)
    with structlog.testing.capture_logs() as logs:
        floor.look(2)
        for _ in range(3):
            floor.look()
            other.look()

    changes = [record for record in logs if record["event"] == "camera_health"]
    assert [record["state"] for record in changes] == ["live"]
    assert floor.health().good_count == 4


def test_watch_goes_on_after_an_outage_of_the_streams(
    sqlite_url: str, clock: Clock, tmp_path: Path, wait_until: Callable[..., Any]
) -> None:
    server, stop = EmbeddedServer(tmp_path / "valkey"), threading.Event()
    with (
        closing(Database.open(sqlite_url)) as database,
        connect(server.start(), retries=0) as client,
        structlog.testing.capture_logs() as logs,
    ):
        with database.write() as connection:
            create_missing(connection, site(cameras=(camera(),)), at=NOON, by="test")
        watch = CameraWatch(database, client, clock=clock)
        server.stop()
        thread = threading.Thread(target=watch.run, args=[stop])
        thread.start()
        try:
            wait_until(lambda: "watch_waits" in [record["event"] for record in logs])
            server.start()
            wait_until(lambda: "watch_recovered" in [record["event"] for record in logs])
        finally:
            stop.set()
            thread.join()
            server.stop()
        with database.read() as connection:
            assert [one.state for one in list_camera_health(connection)] == [HealthState.UNKNOWN]


def test_look_says_unavailable_and_writes_nothing_while_the_streams_are_away(
    floor: Floor, database: Database
) -> None:
    before = floor.look(2)
    with connect(NO_STREAMS, retries=0) as nobody:
        watch = CameraWatch(database, nobody, clock=floor.clock, monotonic=floor.monotonic)
        floor.clock.advance(5)

        with pytest.raises(UnavailableError):
            watch.look()

    assert floor.health() == before
