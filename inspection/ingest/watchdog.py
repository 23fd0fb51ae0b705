"""The capture process: a watchdog over one killable process for every camera.

Drivers and codecs hang in ways no time-out inside their process can end. So each camera has a
process of its own; one that dies or gives no sign of life is killed and started again, and the
others do not notice.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from multiprocessing.connection import wait
from pathlib import Path
from time import sleep

from inspection.domain.line import Camera
from inspection.errors import UnavailableError
from inspection.ingest.making import Products
from inspection.ingest.message import Work
from inspection.ingest.process import CameraProcess, Times
from inspection.store.database import Database
from inspection.stream.codec import ENTRY_LIMIT_BYTES
from inspection.stream.connection import check_server, connect
from inspection.telemetry import LogFormat, logger

#: Longest time between two looks at the cameras' processes, in seconds.
LOOK_S = 0.1


@dataclass(frozen=True, kw_only=True)
class CaptureOptions:
    """What the cameras' processes are told beside their work."""

    #: Bytes an encoded picture may have.
    entry_limit_bytes: int = ENTRY_LIMIT_BYTES
    #: Of the cameras' processes.
    log_format: LogFormat = "console"
    log_level: str = "info"
    times: Times = field(default_factory=Times)
    #: Told each time all processes have been looked after: identities given so far.
    turned: Callable[[int], None] = lambda _accepted_count: None


@dataclass(frozen=True, kw_only=True)
class CaptureReport:
    """What capture has done when it ends."""

    #: Identities ever given, by camera.
    accepted: Mapping[str, int]
    #: One sentence for every camera that cannot work until somebody changes something.
    failed: Mapping[str, str]


def run(
    cameras: Sequence[Camera],
    *,
    redis_url: str,
    database_url: str,
    journal_dir: Path,
    stop: Callable[[], bool],
    options: CaptureOptions | None = None,
) -> CaptureReport:
    """Capture until every camera is drained or has failed, or `stop` says so.

    Args:
        cameras: one process is kept running for each.
        redis_url: address of the streams.
        database_url: address of the database, which is only read, for what the lines are making
            and the numbers of the ledger; capture goes on while it does not answer.
        journal_dir: folder of the cameras' journals.
        stop: asked often; once it is true the cameras finish their frames and end.
        options: of the processes.

    Raises:
        ConfigurationError: the server of the streams or the database cannot be used until somebody
            changes something.
    """
    options = options or CaptureOptions()
    _check_stream(redis_url)
    with closing(Database.open(database_url)) as database:
        products = Products(database, cameras)
        products.look()
        works = [
            Work(
                camera=camera,
                redis_url=redis_url,
                journal_dir=journal_dir,
                ledger_sequence_number=products.numbers.get(camera.name),
                entry_limit_bytes=options.entry_limit_bytes,
                log_format=options.log_format,
                log_level=options.log_level,
            )
            for camera in cameras
        ]
        processes = {work.camera: CameraProcess(work, options.times) for work in works}
        products.start()
        try:
            _watch(processes, products, stop, options.turned)
        finally:
            products.stop()
            for process in processes.values():
                process.let_go()
    return CaptureReport(
        accepted={camera.name: process.accepted_count for camera, process in processes.items()},
        failed={
            camera.name: process.failure
            for camera, process in processes.items()
            if process.failure is not None
        },
    )


def _watch(
    processes: Mapping[Camera, CameraProcess],
    products: Products,
    stop: Callable[[], bool],
    turned: Callable[[int], None],
) -> None:
    while not all(process.is_over for process in processes.values()):
        if stop():
            for process in processes.values():
                process.stop()
        for camera, process in processes.items():
            if (making := products.making(camera)) is not None:
                process.tell(making)
            process.tend()
        turned(sum(process.accepted_count for process in processes.values()))
        heard = [process.connection for process in processes.values() if process.connection]
        if heard:
            wait(heard, LOOK_S)
        else:
            sleep(LOOK_S)


def _check_stream(redis_url: str) -> None:
    with closing(connect(redis_url)) as client:
        try:
            check_server(client)
        except UnavailableError as error:
            logger().warning("stream_unavailable", why=str(error))
