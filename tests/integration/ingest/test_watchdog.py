"""Real processes, really killed."""

import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest

from inspection.capture.journal import journal_path, read_journal
from inspection.domain.ledger import Cause
from inspection.domain.line import Camera, OverflowPolicy, Source
from inspection.errors import ConfigurationError
from inspection.ingest.process import Times
from inspection.ingest.watchdog import CaptureOptions, CaptureReport, run
from inspection.store.database import Database
from inspection.store.lines import create_missing, make
from inspection.stream.connection import Client
from inspection.stream.state import state
from tests.factories import NOON, camera, line, site
from tests.integration.ingest.conftest import Stream

# A process takes a second or two to start on a busy machine.
pytestmark = pytest.mark.timeout(60)

SIMULATED = Source(kind="simulated", product="metal washer", seed=3, size_px=32)
#: Nobody listens there.
NO_DATABASE = "postgresql://nobody@127.0.0.1:9/none"
#: Impatient, so that tests need not wait; not so impatient that a busy machine looks hung.
TIMES = Times(hang_s=5.0, restart_first_s=0.05, restart_limit_s=0.1)

#: A capture process with one camera, to be killed as a whole.
CAPTURE = """
import sys
from pathlib import Path
from inspection.domain.line import Camera, Source
from inspection.ingest.watchdog import run

name, redis_url, database_url, folder = sys.argv[1:]
source = Source(kind="simulated", product="metal washer", size_px=32)
run(
    [Camera(name=name, line="line-1", station="station-1", source=source, rate_hz=20)],
    redis_url=redis_url,
    database_url=database_url,
    journal_dir=Path(folder),
    stop=lambda: False,
)
"""


@dataclass
class Capture:
    """The watchdog, running in a thread."""

    cameras: list[Camera]
    redis_url: str
    database_url: str
    journal_dir: Path
    client: Client
    report: CaptureReport | None = None
    _stop: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        self.report = run(
            self.cameras,
            redis_url=self.redis_url,
            database_url=self.database_url,
            journal_dir=self.journal_dir,
            stop=self._stop.is_set,
            options=CaptureOptions(times=TIMES),
        )

    def is_over(self) -> bool:
        return not self._thread.is_alive()

    def stop(self) -> CaptureReport:
        self._stop.set()
        return self.ended()

    def ended(self) -> CaptureReport:
        self._thread.join(30)
        assert self.report is not None
        return self.report

    def stream(self, index: int = 0) -> Stream:
        return Stream(client=self.client, camera=self.cameras[index].name)

    def process(self, index: int = 0) -> psutil.Process | None:
        """Return the process of a camera, None while there is none."""
        return next(iter(children(os.getpid(), self.cameras[index].name)), None)

    def said(self, index: int = 0) -> str:
        """Return what a camera says of itself."""
        said = state(self.client, self.cameras[index].name)
        return "" if said is None else f"{said.state}: {said.detail}"

    def held(self) -> list[int]:
        path = journal_path(self.journal_dir, self.cameras[0].name)
        if not path.exists():
            return []
        return [identity.sequence_number for identity in read_journal(path).held]


def children(parent_pid: int, camera_name: str) -> list[psutil.Process]:
    """Return the processes a watchdog runs for a camera."""
    found = []
    for process in psutil.Process(parent_pid).children():
        with contextlib.suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
            if process.cmdline()[-1:] == [camera_name]:
                found.append(process)
    return found


@pytest.fixture
def start(
    redis_url: str, sqlite_url: str, client: Client, tmp_path: Path
) -> Iterator[Callable[..., Capture]]:
    started: list[Capture] = []

    def start(*cameras: Camera, database_url: str = sqlite_url) -> Capture:
        if database_url == sqlite_url:
            with closing(Database.open(sqlite_url)) as database, database.write() as connection:
                described = site(lines=(line(product="washer"),), cameras=cameras)
                create_missing(connection, described, at=NOON, by="test")
        capture = Capture(
            cameras=list(cameras),
            redis_url=redis_url,
            database_url=database_url,
            journal_dir=tmp_path / "journals",
            client=client,
        )
        started.append(capture)
        return capture

    yield start
    for capture in started:
        capture.stop()


@pytest.fixture
def make_camera(camera_name: str) -> Callable[..., Camera]:
    def make_camera(suffix: str = "", **options: Any) -> Camera:
        return camera(name=camera_name + suffix, **options)

    return make_camera


def test_capture_ends_when_every_camera_is_drained_or_has_failed(
    start: Callable[..., Capture],
    make_camera: Callable[..., Camera],
    pictures: Path,
    put_pictures: Callable[..., None],
) -> None:
    put_pictures("a.jpg", "b.jpg")
    good = make_camera("-good", source=Source(kind="folder", path=pictures))
    bad = make_camera("-bad", source=Source(kind="folder", path=Path("/nowhere")))

    capture = start(good, bad)
    report = capture.ended()

    assert report.accepted == {good.name: 2, bad.name: 0}
    assert report.failed == {bad.name: "the folder /nowhere is not there"}
    assert [frame.product for frame in capture.stream().frames()] == ["washer"] * 2


def test_camera_killed_while_it_holds_a_frame_sends_that_very_frame_again(
    start: Callable[..., Capture],
    make_camera: Callable[..., Camera],
    pictures: Path,
    put_pictures: Callable[..., None],
    wait_until: Callable[..., Any],
) -> None:
    names = ["a.jpg", "b.jpg", "c.jpg", "d.jpg"]
    put_pictures(*names)
    capture = start(make_camera(source=Source(kind="folder", path=pictures), backlog_limit=2))
    wait_until(lambda: capture.held() == [3], 30)
    first = capture.process()
    assert first is not None
    held = read_journal(journal_path(capture.journal_dir, capture.cameras[0].name)).held

    first.kill()
    wait_until(lambda: capture.process() not in (None, first), 30)
    frames = []
    wait_until(lambda: frames.extend(capture.stream().take()) or capture.is_over(), 30)
    frames.extend(capture.stream().take())

    assert [frame.payload.decode() for frame in frames] == names
    assert [frame.identity.sequence_number for frame in frames] == [1, 2, 3, 4]
    assert frames[2].identity == held[0]
    assert capture.ended().accepted == {capture.cameras[0].name: 4}


def test_live_camera_killed_while_it_holds_a_frame_counts_it_as_dropped(
    start: Callable[..., Capture],
    make_camera: Callable[..., Camera],
    wait_until: Callable[..., Any],
) -> None:
    capture = start(make_camera(source=SIMULATED, backlog_limit=2, frames=5))
    wait_until(lambda: capture.held() == [3], 30)
    first = capture.process()
    assert first is not None

    first.kill()
    frames = []
    wait_until(lambda: capture.stream().drops(), 30)
    wait_until(lambda: frames.extend(capture.stream().take()) or capture.is_over(), 30)
    frames.extend(capture.stream().take())

    numbers = [frame.identity.sequence_number for frame in frames]
    assert numbers == [1, 2, 4, 5]
    assert capture.stream().drops() == [(3, Cause.INTERRUPTED)]
    assert frames[2].part_serial == f"{capture.cameras[0].name}-000004"


def test_camera_killed_again_and_again_loses_no_number(
    start: Callable[..., Capture],
    make_camera: Callable[..., Camera],
    wait_until: Callable[..., Any],
) -> None:
    one = make_camera(source=SIMULATED, overflow=OverflowPolicy.DROP_NEWEST, backlog_limit=1000)
    capture = start(one)

    for _ in range(2):
        before = len(capture.stream().numbers())
        wait_until(lambda before=before: len(capture.stream().numbers()) > before + 5, 30)
        process = capture.process()
        assert process is not None
        process.kill()
    accepted_count = capture.stop().accepted[one.name]

    # Whoever was killed last may have left a frame held; that is in flight, not lost.
    numbers = {*capture.stream().numbers(), *dict(capture.stream().drops()), *capture.held()}
    assert numbers == set(range(1, max(numbers) + 1))
    assert max(numbers) >= accepted_count


def test_hung_camera_is_killed_and_started_again_without_disturbing_another(
    start: Callable[..., Capture],
    make_camera: Callable[..., Camera],
    tmp_path: Path,
    wait_until: Callable[..., Any],
) -> None:
    os.mkfifo(tmp_path / "hangs.mp4")  # opening it waits for a writer that never comes
    hung = make_camera("-hung", source=Source(kind="video", path=tmp_path / "hangs.mp4"))
    other = make_camera("-other", source=SIMULATED, rate_hz=20, backlog_limit=10_000)
    capture = start(hung, other)
    wait_until(lambda: capture.process(0) and capture.stream(1).numbers(), 30)
    first, beside = capture.process(0), capture.process(1)

    wait_until(lambda: capture.process(0) not in (None, first), 30)
    before = len(capture.stream(1).numbers())
    wait_until(lambda: len(capture.stream(1).numbers()) > before, 30)
    wait_until(lambda: "no sign of life" in capture.said(0), 30)

    assert capture.process(1) == beside
    assert capture.stop().failed == {}


def test_capture_that_is_stopped_ends_all_cameras_and_says_so(
    start: Callable[..., Capture],
    make_camera: Callable[..., Camera],
    wait_until: Callable[..., Any],
) -> None:
    capture = start(make_camera(source=SIMULATED, rate_hz=20))
    wait_until(lambda: capture.stream().numbers(), 30)

    report = capture.stop()

    assert capture.said() == "stopped: "
    assert capture.process() is None
    accepted_count = report.accepted[capture.cameras[0].name]
    assert capture.stream().numbers() == list(range(1, accepted_count + 1))


def test_frames_show_the_new_product_after_a_changeover(
    start: Callable[..., Capture],
    make_camera: Callable[..., Camera],
    sqlite_url: str,
    wait_until: Callable[..., Any],
) -> None:
    capture = start(make_camera(source=SIMULATED, rate_hz=20))
    wait_until(lambda: capture.stream().numbers(), 30)

    with closing(Database.open(sqlite_url)) as database, database.write() as connection:
        make(connection, "line-1", "nut", at=NOON, by="test")
    wait_until(lambda: capture.stream().frames()[-1].product == "nut")

    products = [frame.product for frame in capture.stream().frames()]
    assert products == sorted(products, reverse=True)
    assert set(products) == {"washer", "nut"}


def test_capture_goes_on_without_the_database(
    start: Callable[..., Capture], make_camera: Callable[..., Camera]
) -> None:
    start(make_camera(source=SIMULATED, frames=2)).ended()
    capture = start(make_camera(source=SIMULATED, frames=5), database_url=NO_DATABASE)

    report = capture.ended()

    assert list(report.accepted.values()) == [5]
    assert capture.stream().numbers() == [1, 2, 3, 4, 5]


def test_new_camera_takes_no_number_before_stream_or_ledger_have_told_theirs(
    start: Callable[..., Capture],
    make_camera: Callable[..., Camera],
    wait_until: Callable[..., Any],
) -> None:
    capture = start(make_camera(source=SIMULATED, frames=3), database_url=NO_DATABASE)

    wait_until(lambda: "the database does not answer" in capture.said(), 30)

    assert capture.stop().accepted == {capture.cameras[0].name: 0}
    assert capture.stream().numbers() == []


def test_capture_refuses_an_address_it_cannot_use(tmp_path: Path, redis_url: str) -> None:
    with pytest.raises(ConfigurationError, match="database"):
        run(
            [],
            redis_url=redis_url,
            database_url="oracle://host",
            journal_dir=tmp_path,
            stop=lambda: True,
        )


def test_cameras_end_when_their_watchdog_is_killed(
    redis_url: str,
    sqlite_url: str,
    client: Client,
    tmp_path: Path,
    camera_name: str,
    wait_until: Callable[..., Any],
) -> None:
    command = [sys.executable, "-c", CAPTURE, camera_name, redis_url, sqlite_url, str(tmp_path)]
    stream = Stream(client=client, camera=camera_name)
    with subprocess.Popen(command) as watchdog:
        try:
            wait_until(stream.numbers, 40, process=watchdog)
            (child,) = children(watchdog.pid, camera_name)
        finally:
            watchdog.kill()

    child.wait(timeout=15)

    assert stream.numbers() == list(range(1, len(stream.numbers()) + 1))
