"""A live camera says what it sees; a device is opened again before anybody is called."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from inspection.capture.exposure import Exposure, Pause
from inspection.capture.journal import Journal
from inspection.capture.rendering import Conveyor
from inspection.domain.health import CameraState, CaptureState
from inspection.domain.line import Source
from inspection.domain.view import LEARN_COUNT, ViewState
from inspection.ingest.condition import Condition
from inspection.ingest.message import Beat
from inspection.ingest.recovery import Recovery
from inspection.ingest.watched_view import WatchedView
from inspection.stream.state import state
from tests.conftest import Clock
from tests.factories import NOON, camera, jpeg
from tests.integration.ingest.conftest import Line, Watchdog
from tests.unit.capture.test_view import encoded

RTSP = Source(kind="rtsp", url="rtsp://127.0.0.1/camera")


@dataclass
class Seconds:
    """A monotonic clock that stands still until it is moved."""

    now_s: float = 100.0

    def __call__(self) -> float:
        return self.now_s

    def advance(self, seconds: float) -> None:
        self.now_s += seconds


@pytest.fixture
def seconds() -> Seconds:
    return Seconds()


@pytest.fixture
def pictures() -> Callable[[], bytes]:
    """Give the next part below a camera that works."""
    conveyor = Conveyor(product="metal washer", seed=5, size_px=96)
    numbers = iter(range(1000))
    return lambda: encoded(conveyor.part(next(numbers)).image)


def learn(view: WatchedView, seconds: Seconds, pictures: Callable[[], bytes]) -> None:
    for _ in range(LEARN_COUNT + 1):
        seconds.advance(0.5)
        view.look(pictures(), "washer")


def test_view_is_looked_at_twice_a_second_and_no_more(
    folder_line: Line, seconds: Seconds, pictures: Callable[[], bytes]
) -> None:
    with folder_line.journal() as journal:
        view = WatchedView("cam-1", journal, monotonic=seconds)
        details = set()
        for _ in range(20):
            seconds.advance(0.1)
            details.add(view.look(pictures(), "washer").detail)

    assert len(details) == 4


def test_view_that_was_learnt_is_known_after_a_restart_and_of_its_product_alone(
    folder_line: Line, seconds: Seconds, pictures: Callable[[], bytes]
) -> None:
    with folder_line.journal() as journal:
        learn(WatchedView("cam-1", journal, monotonic=seconds), seconds, pictures)

    with folder_line.journal() as journal:
        view = WatchedView("cam-1", journal, monotonic=seconds)
        assert view.look(pictures(), "washer").state is ViewState.GOOD
        seconds.advance(1)
        assert view.look(pictures(), "nut").state is ViewState.LEARNING


def test_view_is_learnt_anew_once_when_somebody_accepts_it(
    folder_line: Line, seconds: Seconds, pictures: Callable[[], bytes]
) -> None:
    def accepted(journal: Journal) -> ViewState:
        view = WatchedView("cam-1", journal, monotonic=seconds)
        view.accept(NOON)
        return view.look(pictures(), "washer").state

    with folder_line.journal() as journal:
        learn(WatchedView("cam-1", journal, monotonic=seconds), seconds, pictures)
        assert accepted(journal) is ViewState.LEARNING
        learn(WatchedView("cam-1", journal, monotonic=seconds), seconds, pictures)
        assert accepted(journal) is ViewState.GOOD


@dataclass
class Device:
    """A device that gives what it is told, and counts how often it was opened."""

    give: Callable[[], Exposure | Pause]
    opened_count: int = 0
    _closed: threading.Event = field(default_factory=threading.Event)

    def open(self, _number: int) -> "Device":
        self.opened_count += 1
        return self

    def exposures(self) -> Iterator[Exposure | Pause]:
        while True:
            yield self.give()

    def repeat(self, key: str) -> None:
        del key

    def close(self) -> None:
        self._closed.set()


def exposure(payload: bytes) -> Exposure:
    return Exposure(payload=payload, media_type="image/jpeg", captured_at=NOON)


@pytest.fixture
def speak(
    make_line: Callable[..., Line],
    make_watchdog: Callable[..., Watchdog],
    clock: Clock,
    wait_until: Callable[..., Any],
) -> Callable[..., CameraState]:
    """Run a camera on a device until what it says fulfils a wish."""

    def speak(
        device: Device, wish: Callable[[CameraState], bool], source: Source = RTSP
    ) -> CameraState:
        line, watchdog = make_line(source, backlog_limit=10_000), make_watchdog()
        options = {"link": watchdog.link, "clock": clock, "source": device.open}
        thread = threading.Thread(target=line.run, kwargs=options)
        thread.start()

        def wished() -> CameraState | None:
            said = state(line.client, line.camera.name)
            return said if said is not None and wish(said) else None

        try:
            said: CameraState = wait_until(wished, 40)
        finally:
            watchdog.link.stop()
            thread.join()
        return said

    return speak


def test_frozen_device_is_opened_again_once_before_the_camera_is_called_blind(
    speak: Callable[..., CameraState], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("inspection.domain.view.FROZEN_S", 1.0)
    frozen = jpeg(64, 64)

    def give() -> Exposure:
        threading.Event().wait(0.05)
        return exposure(frozen)

    device = Device(give=give)
    said = speak(device, lambda said: said.view.state.is_blind)

    assert device.opened_count == 2
    assert said.view.state is ViewState.FROZEN
    assert "the device was opened again at 12:00:00 UTC" in said.view.detail


def test_simulated_camera_that_is_black_says_so_within_seconds(
    speak: Callable[..., CameraState],
) -> None:
    def give() -> Exposure:
        threading.Event().wait(0.05)
        return exposure(jpeg(64, 64, 2))

    device = Device(give=give)
    simulated = Source(kind="simulated", product="metal washer")
    said = speak(device, lambda said: said.view.state.is_blind, simulated)

    assert (said.view.state, said.state) == (ViewState.BLACK, CaptureState.LIVE)
    assert "look after lamp, lens cap and exposure" in said.view.detail


def test_device_that_lives_and_gives_no_picture_is_opened_again_once(seconds: Seconds) -> None:
    one = camera(source=RTSP, rate_hz=4)
    clock = Clock()
    condition = Condition(one, host="host-1", monotonic=seconds)
    recovery = Recovery(one, clock=clock, monotonic=seconds)

    def due_s(count: int, *, is_giving: bool = False) -> list[int]:
        due = []
        for number in range(count):
            seconds.advance(1)
            if is_giving:
                condition.note_exposure(clock())
            if recovery.is_due(condition):
                due.append(number)
        return due

    assert due_s(300) == [10]
    assert "opened again at 12:00:00 UTC" in recovery.tried
    assert due_s(130, is_giving=True) == []
    assert recovery.tried == ""
    assert due_s(300) == [10]


@pytest.mark.parametrize("kind", ["folder", "video", "simulated"])
def test_what_is_no_device_is_not_opened_again(seconds: Seconds, kind: Any) -> None:
    one = camera(source=Source(kind=kind))
    condition = Condition(one, host="host-1", monotonic=seconds)
    seconds.advance(1000)

    assert not Recovery(one, clock=Clock(), monotonic=seconds).is_due(condition)


def test_condition_knows_the_usual_interval_and_how_long_it_is_quiet(seconds: Seconds) -> None:
    condition = Condition(camera(rate_hz=None), host="host-1", monotonic=seconds)
    assert condition.interval_s is None

    for gap_s in (0.2, 0.2, 5.0, 0.2):
        seconds.advance(gap_s)
        condition.note_exposure(NOON)
    seconds.advance(3)
    beat = Beat(state=CaptureState.LIVE, detail="", accepted_count=4)
    said = condition.state(beat, NOON + timedelta(seconds=3))

    assert (said.quiet_s, said.interval_s) == (pytest.approx(3), pytest.approx(0.2))
    assert (said.host, said.last_frame_at) == ("host-1", NOON)
