import shutil
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from inspection.capture.journal import journal_path
from inspection.domain.frame import Frame
from inspection.domain.health import CaptureState
from inspection.domain.ledger import Cause
from inspection.domain.line import OverflowPolicy, Source
from inspection.errors import CaptureError
from inspection.ingest.message import Beat, Making
from inspection.stream.admission import Admission
from inspection.stream.state import state
from tests.conftest import Clock
from tests.factories import NOON
from tests.integration.ingest.conftest import Line, Watchdog

Run = Callable[..., Beat]
Put = Callable[..., None]

SIMULATED = Source(kind="simulated", product="metal washer", seed=3, size_px=32)


def payloads(line: Line) -> list[str]:
    return [frame.payload.decode() for frame in line.stream.frames()]


def give(line: Line, key: str | None = None) -> Frame:
    """Give an identity and end, as a process does that is killed right then."""
    with line.journal() as journal:
        identity = journal.give(key, NOON)
    assert identity is not None
    return Frame(identity=identity, payload=b"a.jpg", media_type="image/jpeg")


def key_of(path: Path) -> str:
    status = path.stat()
    return f"{status.st_size}:{status.st_mtime_ns}:{path.name}"


def test_camera_sends_every_picture_once_in_order(
    folder_line: Line, put_pictures: Put, run: Run
) -> None:
    put_pictures("c.jpg", "a.jpg", "b.jpg")

    last = run(folder_line)

    assert last.state is CaptureState.DRAINED
    assert last.accepted_count == 3
    assert payloads(folder_line) == ["a.jpg", "b.jpg", "c.jpg"]
    assert folder_line.stream.numbers() == [1, 2, 3]


def test_camera_sends_a_file_without_bytes(folder_line: Line, pictures: Path, run: Run) -> None:
    (pictures / "a.jpg").touch()

    run(folder_line)

    assert payloads(folder_line) == [""]


def test_camera_that_is_started_again_sends_only_what_is_new(
    folder_line: Line, put_pictures: Put, run: Run
) -> None:
    put_pictures("b.jpg", "c.jpg")
    run(folder_line)

    put_pictures("a.jpg", "d.jpg")
    run(folder_line)

    assert payloads(folder_line) == ["b.jpg", "c.jpg", "a.jpg", "d.jpg"]
    assert folder_line.stream.numbers() == [1, 2, 3, 4]


def test_camera_says_why_an_empty_folder_is_drained(
    folder_line: Line, pictures: Path, run: Run
) -> None:
    last = run(folder_line)

    said = state(folder_line.client, folder_line.camera.name)
    assert last.detail == f"no pictures in {pictures}"
    assert said is not None
    assert (said.state, said.detail) == ("drained", f"no pictures in {pictures}")


def test_camera_goes_on_after_the_stream_when_its_journal_is_lost(
    folder_line: Line, put_pictures: Put, run: Run
) -> None:
    put_pictures("a.jpg", "b.jpg")
    run(folder_line)

    shutil.rmtree(folder_line.journal_dir)
    run(folder_line, ledger_sequence_number=1)

    assert folder_line.stream.numbers() == [1, 2, 3, 4]


def test_camera_goes_on_after_the_ledger_when_journal_and_stream_are_lost(
    folder_line: Line, put_pictures: Put, run: Run
) -> None:
    put_pictures("a.jpg")

    run(folder_line, ledger_sequence_number=41)

    assert folder_line.stream.numbers() == [42]


def test_camera_does_not_send_again_what_the_stream_took_before_the_end_came(
    folder_line: Line, put_pictures: Put, pictures: Path, run: Run
) -> None:
    put_pictures("a.jpg", "b.jpg")
    frame = give(folder_line, key_of(pictures / "a.jpg"))
    assert folder_line.producer().add(frame) is Admission.ADDED

    run(folder_line)

    assert payloads(folder_line) == ["a.jpg", "b.jpg"]
    assert folder_line.stream.numbers() == [1, 2]
    assert folder_line.held() == []


def test_camera_sends_what_was_held_first_and_as_the_same_frame(
    folder_line: Line, put_pictures: Put, pictures: Path, clock: Clock, run: Run
) -> None:
    put_pictures("b.jpg")
    held = give(folder_line, key_of(pictures / "b.jpg"))
    put_pictures("a.jpg")
    clock.advance(60)

    run(folder_line)

    assert payloads(folder_line) == ["b.jpg", "a.jpg"]
    assert folder_line.stream.frames()[0].identity == held.identity


def test_camera_drops_what_was_held_when_its_file_is_gone(
    folder_line: Line, put_pictures: Put, pictures: Path, run: Run
) -> None:
    put_pictures("a.jpg", "b.jpg")
    give(folder_line, key_of(pictures / "a.jpg"))
    (pictures / "a.jpg").unlink()

    run(folder_line)

    assert folder_line.stream.drops() == [(1, Cause.INTERRUPTED)]
    assert payloads(folder_line) == ["b.jpg"]
    assert folder_line.stream.numbers() == [2]


def test_live_camera_drops_what_was_held(make_line: Callable[..., Line], run: Run) -> None:
    line = make_line(SIMULATED, frames=3)
    give(line)

    run(line)

    assert line.stream.drops() == [(1, Cause.INTERRUPTED)]
    assert [(f.identity.sequence_number, f.part_serial) for f in line.stream.frames()] == [
        (2, f"{line.camera.name}-000002"),
        (3, f"{line.camera.name}-000003"),
    ]


def test_camera_counts_its_frames_over_restarts(make_line: Callable[..., Line], run: Run) -> None:
    run(make_line(SIMULATED, frames=2))
    line = make_line(SIMULATED, frames=5)

    lasts = [run(line), run(line)]

    assert line.stream.numbers() == [1, 2, 3, 4, 5]
    assert {last.state for last in lasts} == {CaptureState.DRAINED}
    assert lasts[1].detail == "all 5 frames it was to give"


def test_camera_goes_on_when_its_clock_is_set_back(
    folder_line: Line, put_pictures: Put, run: Run
) -> None:
    put_pictures("a.jpg", "b.jpg", "c.jpg")
    minutes = iter([10, -60, 20, *range(100)])
    times: list[datetime] = []

    def clock() -> datetime:
        times.append(NOON + timedelta(minutes=next(minutes)))
        return times[-1]

    run(folder_line, clock=clock)

    entry_ids = folder_line.stream.entry_ids()
    captured = [frame.identity.captured_at for frame in folder_line.stream.frames()]
    assert [entry_id.sequence_number for entry_id in entry_ids] == [1, 2, 3]
    assert sorted(entry_ids, key=lambda e: (e.time_ms, e.sequence_number)) == entry_ids
    assert captured == [time for time in times if time in captured]
    assert captured != sorted(captured)


@pytest.mark.parametrize(
    ("own", "making", "product"),
    [
        ("washer", Making(product="nut"), "washer"),
        (None, Making(product="nut"), "nut"),
        (None, Making(product=None), None),
        (None, None, "bolt"),
    ],
)
def test_camera_knows_what_is_on_its_pictures(
    make_line: Callable[..., Line],
    run: Run,
    own: str | None,
    making: Making | None,
    product: str | None,
) -> None:
    line = make_line(SIMULATED, frames=1, product=own)
    with line.journal() as journal:
        journal.remember_product("bolt")

    run(line, making=making)

    assert [frame.product for frame in line.stream.frames()] == [product]


def test_camera_remembers_what_its_line_was_making(
    make_line: Callable[..., Line], run: Run
) -> None:
    run(make_line(SIMULATED, frames=1), making=Making(product="nut"))
    line = make_line(SIMULATED, frames=2)

    run(line)

    assert [frame.product for frame in line.stream.frames()] == ["nut", "nut"]


def test_camera_drops_the_newest_when_that_is_its_policy(
    make_line: Callable[..., Line], run: Run
) -> None:
    line = make_line(SIMULATED, frames=4, backlog_limit=2, overflow=OverflowPolicy.DROP_NEWEST)

    last = run(line)

    assert last.state is CaptureState.DRAINED
    assert line.stream.numbers() == [1, 2]
    assert line.stream.drops() == [(3, Cause.DROP_NEWEST), (4, Cause.DROP_NEWEST)]


def test_camera_whose_folder_is_not_there_says_so(make_line: Callable[..., Line], run: Run) -> None:
    line = make_line(Source(kind="folder", path=Path("/nowhere")))

    with pytest.raises(CaptureError, match="the folder /nowhere is not there"):
        run(line)


class Waiting:
    """A camera that runs in a thread until its stream is full."""

    def __init__(self, line: Line, watchdog: Watchdog, clock: Clock) -> None:
        self.line = line
        self.link = watchdog.link
        self._limit = line.camera.backlog_limit
        self._pool = ThreadPoolExecutor(1)
        self._future = self._pool.submit(line.run, link=watchdog.link, clock=clock)

    def until_full(self, wait_until: Callable[..., Any]) -> None:
        """Wait until the frame after those in the stream has its identity."""
        wait_until(lambda: self._future.done() or self._held() == [self._limit + 1])
        assert not self._future.done()

    def _held(self) -> list[int]:
        is_there = journal_path(self.line.journal_dir, self.line.camera.name).exists()
        return self.line.held() if is_there else []

    def last_word(self) -> Beat:
        return self._future.result(timeout=15)


@pytest.fixture
def start_waiting(
    make_watchdog: Callable[..., Watchdog], clock: Clock, wait_until: Callable[..., Any]
) -> Callable[[Line], Waiting]:
    def start(line: Line) -> Waiting:
        waiting = Waiting(line, make_watchdog(), clock)
        waiting.until_full(wait_until)
        return waiting

    return start


@pytest.fixture
def full_line(make_line: Callable[..., Line], pictures: Path, put_pictures: Put) -> Line:
    """A camera with three pictures whose stream holds one frame."""
    put_pictures("a.jpg", "b.jpg", "c.jpg")
    return make_line(Source(kind="folder", path=pictures), backlog_limit=1)


def taken_until_done(waiting: Waiting, wait_until: Callable[..., Any]) -> list[Frame]:
    """Take frames out of the stream until the camera ends."""
    frames: list[Frame] = []

    def is_done() -> bool:
        frames.extend(waiting.line.stream.take())
        return waiting._future.done() and not waiting.line.stream.numbers()

    wait_until(is_done)
    return frames


def test_camera_waits_while_its_stream_is_full(
    full_line: Line, start_waiting: Callable[[Line], Waiting], wait_until: Callable[..., Any]
) -> None:
    waiting = start_waiting(full_line)

    frames = taken_until_done(waiting, wait_until)

    assert [frame.payload for frame in frames] == [b"a.jpg", b"b.jpg", b"c.jpg"]
    assert waiting.last_word().state is CaptureState.DRAINED


def test_camera_that_is_stopped_at_a_full_stream_sends_the_same_frame_next_time(
    full_line: Line,
    start_waiting: Callable[[Line], Waiting],
    clock: Clock,
    run: Run,
) -> None:
    waiting = start_waiting(full_line)

    waiting.link.stop()
    stopped = waiting.last_word()
    held = full_line.held()
    clock.advance(60)
    run(replace(full_line, camera=replace(full_line.camera, backlog_limit=10)))

    assert stopped.state is CaptureState.STOPPED
    assert held == [2]
    assert payloads(full_line) == ["a.jpg", "b.jpg", "c.jpg"]
    times = [frame.identity.captured_at for frame in full_line.stream.frames()]
    assert times == [NOON, NOON, NOON + timedelta(minutes=1)]


def test_live_camera_that_is_stopped_at_a_full_stream_drops_its_frame(
    make_line: Callable[..., Line], start_waiting: Callable[[Line], Waiting]
) -> None:
    line = make_line(SIMULATED, backlog_limit=2)
    waiting = start_waiting(line)

    waiting.link.stop()
    last = waiting.last_word()

    assert last.state is CaptureState.STOPPED
    assert last.accepted_count == 3
    assert line.stream.drops() == [(3, Cause.INTERRUPTED)]
    assert line.held() == []


def test_camera_whose_folder_vanishes_on_the_way_says_so(
    full_line: Line,
    pictures: Path,
    start_waiting: Callable[[Line], Waiting],
    wait_until: Callable[..., Any],
) -> None:
    waiting = start_waiting(full_line)

    shutil.rmtree(pictures)
    frames = taken_until_done(waiting, wait_until)

    assert [frame.payload for frame in frames] == [b"a.jpg", b"b.jpg"]
    with pytest.raises(CaptureError, match="is not there"):
        waiting.last_word()


def test_watching_camera_outlasts_its_folder(
    make_line: Callable[..., Line],
    pictures: Path,
    put_pictures: Put,
    make_watchdog: Callable[..., Watchdog],
    clock: Clock,
    wait_until: Callable[..., Any],
) -> None:
    put_pictures("a.jpg")
    line = make_line(Source(kind="folder", path=pictures, is_watched=True))
    watchdog = make_watchdog()
    thread = threading.Thread(target=line.run, kwargs={"link": watchdog.link, "clock": clock})
    thread.start()
    wait_until(lambda: payloads(line) == ["a.jpg"])

    shutil.rmtree(pictures)
    wait_until(lambda: any(beat.state is CaptureState.RECONNECTING for beat in watchdog.beats()))
    pictures.mkdir()
    put_pictures("b.jpg")
    wait_until(lambda: payloads(line) == ["a.jpg", "b.jpg"])

    watchdog.link.stop()
    thread.join()
