"""The server of the streams goes away and comes back: an embedded Valkey, really stopped."""

import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from inspection.capture.journal import journal_path, read_journal
from inspection.domain.health import CaptureState
from inspection.domain.ledger import Cause
from inspection.domain.line import OverflowPolicy, Source
from inspection.stream.connection import Client, connect
from inspection.stream.embedded import EmbeddedServer
from tests.conftest import Clock
from tests.integration.ingest.conftest import Line, Watchdog

SIMULATED = Source(kind="simulated", product="metal washer", seed=3, size_px=32)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EmbeddedServer]:
    server = EmbeddedServer(tmp_path / "valkey")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def own_client(server: EmbeddedServer) -> Iterator[Client]:
    with closing(connect(server.url, retries=1)) as client:
        yield client


class Running:
    """A camera that runs in a thread."""

    def __init__(self, line: Line, watchdog: Watchdog) -> None:
        self.line = line
        self.watchdog = watchdog
        self._thread = threading.Thread(
            target=line.run, kwargs={"link": watchdog.link, "clock": Clock(), "stop_s": 5.0}
        )
        self._thread.start()

    def stop(self) -> None:
        self.watchdog.link.stop()
        self._thread.join()

    def accepted_count(self) -> int:
        path = journal_path(self.line.journal_dir, self.line.camera.name)
        return read_journal(path).last_sequence_number if path.exists() else 0

    def dropped_count(self) -> int:
        path = journal_path(self.line.journal_dir, self.line.camera.name)
        return len(read_journal(path).dropped)


@pytest.fixture
def start(
    make_line: Callable[..., Line], make_watchdog: Callable[..., Watchdog], own_client: Client
) -> Callable[..., Running]:
    def start(**options: Any) -> Running:
        line = make_line(SIMULATED, client=own_client, backlog_limit=10_000, **options)
        return Running(line, make_watchdog())

    return start


@pytest.mark.timeout(60)
def test_camera_that_cannot_wait_counts_what_it_drops_while_the_stream_is_away(
    start: Callable[..., Running], server: EmbeddedServer, wait_until: Callable[..., Any]
) -> None:
    running = start(rate_hz=50, overflow=OverflowPolicy.DROP_NEWEST)
    wait_until(lambda: running.accepted_count() > 5)

    server.stop()
    wait_until(lambda: running.dropped_count() > 5)
    server.start()
    wait_until(lambda: running.dropped_count() == 0)
    running.stop()

    dropped = dict(running.line.stream.drops())
    numbers = sorted([*running.line.stream.numbers(), *dropped])
    assert set(dropped.values()) == {Cause.UNAVAILABLE}
    assert numbers == list(range(1, running.accepted_count() + 1))


@pytest.mark.timeout(60)
def test_camera_that_can_wait_loses_nothing_while_the_stream_is_away(
    start: Callable[..., Running], server: EmbeddedServer, wait_until: Callable[..., Any]
) -> None:
    running = start(rate_hz=50)
    wait_until(lambda: running.accepted_count() > 5)

    server.stop()
    running.watchdog.beats()
    wait_until(lambda: any(beat.state is CaptureState.WAITING for beat in running.watchdog.beats()))
    before = running.accepted_count()
    server.start()
    wait_until(lambda: running.accepted_count() > before + 5)
    running.stop()

    assert running.line.stream.numbers() == list(range(1, running.accepted_count() + 1))
    assert running.line.stream.drops() == []


@pytest.mark.timeout(60)
def test_camera_gives_no_identity_before_it_has_asked_the_stream(
    start: Callable[..., Running], server: EmbeddedServer, wait_until: Callable[..., Any]
) -> None:
    server.stop()

    running = start(rate_hz=50, overflow=OverflowPolicy.DROP_NEWEST)
    wait_until(running.watchdog.beats)
    accepted_count = running.accepted_count()
    server.start()
    wait_until(lambda: running.accepted_count() > 0)
    running.stop()

    assert accepted_count == 0
    assert running.line.stream.numbers()[0] == 1
