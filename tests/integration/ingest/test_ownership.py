"""Two machines with the same camera name: the second is refused, the first goes on."""

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from inspection.domain.health import CaptureState
from inspection.domain.line import Source
from inspection.errors import ConfigurationError
from inspection.ingest.message import Beat, Making
from inspection.stream.codec import owner_key
from inspection.stream.ownership import refused
from inspection.stream.state import state
from tests.conftest import Clock
from tests.integration.ingest.conftest import Line, Watchdog

Run = Callable[..., Beat]

SIMULATED = Source(kind="simulated", product="metal washer", seed=3, size_px=32)


@pytest.fixture
def first(make_line: Callable[..., Line]) -> Line:
    return make_line(SIMULATED, rate_hz=50, backlog_limit=10_000)


@pytest.fixture
def second(first: Line, tmp_path: Path) -> Line:
    """The same camera on another machine."""
    return replace(first, journal_dir=tmp_path / "elsewhere", host="host-2")


def test_second_machine_is_refused_while_the_first_goes_on(
    first: Line,
    second: Line,
    run: Run,
    make_watchdog: Callable[..., Watchdog],
    clock: Clock,
    wait_until: Callable[..., Any],
) -> None:
    watchdog = make_watchdog()
    thread = threading.Thread(target=first.run, kwargs={"link": watchdog.link, "clock": clock})
    thread.start()
    try:
        wait_until(lambda: len(first.stream.numbers()) > 3)
        with pytest.raises(ConfigurationError, match="is being captured on host-1 already"):
            run(second, stop_s=1.0)
        before = len(first.stream.numbers())
        wait_until(lambda: len(first.stream.numbers()) > before)
        said = state(first.client, first.camera.name)
    finally:
        watchdog.link.stop()
        thread.join()

    numbers = first.stream.numbers()
    assert numbers == list(range(1, len(numbers) + 1))
    assert said is not None
    assert (said.state, said.host) == (CaptureState.LIVE, "host-1")
    assert refused(first.client, first.camera.name) == "host-2"
    assert second.held() == []


def test_camera_is_taken_over_when_the_other_machine_ended_properly(
    make_line: Callable[..., Line], tmp_path: Path, run: Run
) -> None:
    line = make_line(SIMULATED, frames=2)
    run(line)
    elsewhere = replace(
        line,
        camera=replace(line.camera, frames=4),
        journal_dir=tmp_path / "elsewhere",
        host="host-2",
    )

    run(elsewhere)

    assert line.stream.numbers() == [1, 2, 3, 4]


def test_second_machine_waits_for_the_lease_of_one_that_is_gone(
    make_line: Callable[..., Line], run: Run
) -> None:
    line = make_line(SIMULATED, frames=2)
    line.client.set(owner_key(line.camera.name), "0 host-0", px=1500)

    run(line, stop_s=10.0)

    assert line.stream.numbers() == [1, 2]


def test_camera_ends_when_another_machine_has_taken_it_meanwhile(
    first: Line,
    make_watchdog: Callable[..., Watchdog],
    clock: Clock,
    wait_until: Callable[..., Any],
) -> None:
    ended: list[str] = []

    def capture() -> None:
        try:
            first.run(link=make_watchdog().link, clock=clock)
        except ConfigurationError as error:
            ended.append(str(error))

    thread = threading.Thread(target=capture)
    thread.start()
    wait_until(lambda: len(first.stream.numbers()) > 3)
    first.client.set(owner_key(first.camera.name), "0 host-0")
    thread.join(10)

    assert "is being captured on host-0 already" in ended[0]


def test_new_camera_begins_after_the_ledger_when_that_answers_late(
    make_line: Callable[..., Line],
    make_watchdog: Callable[..., Watchdog],
    clock: Clock,
    wait_until: Callable[..., Any],
) -> None:
    line, watchdog = make_line(SIMULATED, frames=43), make_watchdog()
    options = {"link": watchdog.link, "clock": clock, "ledger_sequence_number": None}
    thread = threading.Thread(target=line.run, kwargs=options)
    thread.start()
    wait_until(lambda: any("database" in beat.detail for beat in watchdog.beats()))
    assert line.stream.numbers() == []

    watchdog.link._making = Making(product=None, ledger_sequence_number=41)
    thread.join(10)

    assert line.stream.numbers() == [42, 43]
