"""A camera's surroundings: a real stream, a journal, a folder of pictures, and a link."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest

from inspection.capture.journal import Journal, journal_path, read_journal
from inspection.capture.source import ExposureSource, open_source
from inspection.domain.frame import EntryId, Frame
from inspection.domain.ledger import Cause
from inspection.domain.line import Camera, Source
from inspection.ingest.camera import CameraCapture
from inspection.ingest.link import WatchdogLink
from inspection.ingest.message import Beat, Making
from inspection.ingest.outlet import Outlet
from inspection.ingest.recovery import Recovery
from inspection.stream import codec
from inspection.stream.connection import Client, connect
from inspection.stream.ownership import Owner
from inspection.stream.producer import Producer
from tests.conftest import Clock
from tests.factories import camera

_numbers = itertools.count(1)


@dataclass(frozen=True, kw_only=True)
class Stream:
    """What an inspector would see of one camera's stream."""

    client: Client
    camera: str

    def entry_ids(self) -> list[EntryId]:
        return [entry_id for entry_id, _ in self._entries()]

    def frames(self) -> list[Frame]:
        return [codec.decode(self.camera, entry_id, fields) for entry_id, fields in self._entries()]

    def take(self) -> list[Frame]:
        """Return the frames and remove them, as inspectors do."""
        taken = self._entries()
        for entry_id, _ in taken:
            self.client.xdel(codec.frames_key(self.camera), str(entry_id))
        return [codec.decode(self.camera, entry_id, fields) for entry_id, fields in taken]

    def numbers(self) -> list[int]:
        return [entry_id.sequence_number for entry_id in self.entry_ids()]

    def drops(self) -> list[tuple[int, Cause]]:
        entries = self.client.xrange(codec.drops_key(self.camera))
        records = [codec.decode_drop(self.camera, fields) for _, fields in entries]
        return [(identity.sequence_number, cause) for identity, cause in records]

    def _entries(self) -> list[tuple[EntryId, Any]]:
        entries = self.client.xrange(codec.frames_key(self.camera))
        return [(EntryId.parse(entry_id.decode()), fields) for entry_id, fields in entries]


@dataclass(frozen=True, kw_only=True)
class Line:
    """One camera that can be started again and again, in this process."""

    camera: Camera
    client: Client
    journal_dir: Path
    #: Name of the machine it is captured on.
    host: str = "host-1"

    @property
    def stream(self) -> Stream:
        return Stream(client=self.client, camera=self.camera.name)

    def journal(self) -> "closing[Journal]":
        return closing(Journal.open(self.journal_dir, self.camera.name))

    def held(self) -> list[int]:
        state = read_journal(journal_path(self.journal_dir, self.camera.name))
        return [identity.sequence_number for identity in state.held]

    def producer(self, owner: Owner | None = None) -> Producer:
        return Producer(
            self.client,
            camera=self.camera.name,
            overflow=self.camera.overflow,
            backlog_limit=self.camera.backlog_limit,
            owner=owner,
        )

    def run(
        self,
        *,
        link: WatchdogLink,
        clock: Callable[[], datetime],
        ledger_sequence_number: int | None = 0,
        stop_s: float = 0.1,
        source: Callable[[int], ExposureSource] | None = None,
    ) -> Beat:
        """Capture until the camera has said its last word."""
        with self.journal() as journal:
            outlet = Outlet(
                self.camera,
                producer=self.producer(
                    Owner(journal=journal.owner, host=self.host, patience_s=stop_s)
                ),
                journal=journal,
                link=link,
                clock=clock,
                stop_s=stop_s,
            )
            capture = CameraCapture(
                self.camera,
                open_source=source
                or (
                    lambda number: open_source(
                        self.camera,
                        clock=clock,
                        first_number=number,
                        is_settled=journal.is_settled,
                    )
                ),
                journal=journal,
                outlet=outlet,
                link=link,
                recovery=Recovery(self.camera, clock=clock),
            )
            return capture.run(ledger_sequence_number=ledger_sequence_number)


@dataclass(frozen=True, kw_only=True)
class Watchdog:
    """The other end of a camera's link."""

    link: WatchdogLink
    connection: Connection

    def beats(self) -> list[Beat]:
        """Return the signs of life since the last call."""
        found = []
        while self.connection.poll():
            found.append(self.connection.recv())
        return found


@pytest.fixture
def client(redis_url: str) -> Iterator[Client]:
    with closing(connect(redis_url)) as client:
        yield client


@pytest.fixture
def camera_name() -> str:
    """A name no other test has."""
    return f"ingest-{next(_numbers)}"


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """An empty folder for pictures."""
    path = tmp_path / "pictures"
    path.mkdir()
    return path


@pytest.fixture
def make_line(client: Client, camera_name: str, tmp_path: Path) -> Callable[..., Line]:
    def make(source: Source, *, client: Client = client, **options: Any) -> Line:
        return Line(
            camera=camera(name=camera_name, source=source, **options),
            client=client,
            journal_dir=tmp_path / "journals",
        )

    return make


@pytest.fixture
def folder_line(make_line: Callable[..., Line], pictures: Path) -> Line:
    return make_line(Source(kind="folder", path=pictures))


@pytest.fixture
def make_watchdog() -> Iterator[Callable[..., Watchdog]]:
    connections: list[Connection] = []

    def make(making: Making | None = None) -> Watchdog:
        ours, theirs = Pipe()
        connections.extend((ours, theirs))
        return Watchdog(link=WatchdogLink(theirs, making), connection=ours)

    yield make
    for connection in connections:
        connection.close()


@pytest.fixture
def run(make_watchdog: Callable[..., Watchdog], clock: Clock) -> Callable[..., Beat]:
    """Run a line's camera to its last word with a link and clock of its own."""

    def run(line: Line, *, making: Making | None = None, **options: Any) -> Beat:
        return line.run(link=make_watchdog(making).link, **{"clock": clock, **options})

    return run


def put(folder: Path, names: Sequence[str]) -> None:
    """Make files whose content is their name."""
    for name in names:
        (folder / name).write_text(name)


@pytest.fixture
def put_pictures(pictures: Path) -> Callable[..., None]:
    return lambda *names: partial(put, pictures)(names)
