"""The process of one camera: `python -m inspection.ingest.child FILE_DESCRIPTOR CAMERA`.

Only the watchdog starts it. The camera's name among the arguments is for people who look at the
list of processes; everything else comes over the inherited socket.
"""

import os
import socket
import sys
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from multiprocessing.connection import Connection

from cv2.utils.logging import LOG_LEVEL_SILENT, setLogLevel

from inspection.capture.journal import Journal
from inspection.capture.live import FFMPEG_OPTIONS
from inspection.capture.source import open_source
from inspection.domain.health import CaptureState
from inspection.errors import CaptureError, ConfigurationError, InspectionError
from inspection.ingest.camera import CameraCapture
from inspection.ingest.link import WatchdogLink
from inspection.ingest.message import Beat, Work
from inspection.ingest.outlet import Outlet
from inspection.ingest.recovery import Recovery
from inspection.stream.connection import connect
from inspection.stream.ownership import Owner
from inspection.stream.producer import Producer
from inspection.telemetry import configure_logs, logger

#: Further attempts of a command to the streams' server, after the first: enough for a connection
#: that was closed while it was idle. Anything longer is up to the camera's policy.
RETRIES = 1


def main(file_descriptor: int) -> int:
    """Capture from one camera; return 0 after a last word, 1 when starting again may help."""
    connection = Connection(file_descriptor)
    work: Work = connection.recv()
    configure_logs(
        process=f"camera {work.camera.name}", log_format=work.log_format, level=work.log_level
    )
    # OpenCV's FFmpeg takes this from nowhere but the C environment of the process.
    os.putenv("OPENCV_FFMPEG_CAPTURE_OPTIONS", FFMPEG_OPTIONS)
    # What a device does wrong is said once, by us, with the camera's name.
    setLogLevel(LOG_LEVEL_SILENT)
    link = WatchdogLink(connection, work.making)
    link.listen()
    link.beat(Beat(state=CaptureState.STARTING, detail=work.restart_reason, accepted_count=0))
    try:
        capture(work, link, clock=lambda: datetime.now(UTC))
    except ConfigurationError as error:
        link.beat(Beat(state=CaptureState.FAILED, detail=str(error), accepted_count=0))
    except InspectionError as error:
        logger().warning("camera_interrupted", camera=work.camera.name, why=str(error))
        return 1
    except Exception:  # noqa: BLE001 - the outermost loop; the watchdog starts the camera again
        logger().exception("camera_crashed", camera=work.camera.name)
        return 1
    return 0


def capture(work: Work, link: WatchdogLink, *, clock: Callable[[], datetime]) -> None:
    """Capture from the camera of `work` until it has said its last word.

    Raises:
        ConfigurationError: it cannot work until somebody changes something.
        InspectionError: it ended without a last word; starting again may help.
    """
    camera = work.camera
    with (
        closing(Journal.open(work.journal_dir, camera.name)) as journal,
        closing(connect(work.redis_url, retries=RETRIES)) as client,
    ):
        producer = Producer(
            client,
            camera=camera.name,
            overflow=camera.overflow,
            backlog_limit=camera.backlog_limit,
            entry_limit_bytes=work.entry_limit_bytes,
            owner=Owner(journal=journal.owner, host=socket.gethostname()),
        )
        outlet = Outlet(camera, producer=producer, journal=journal, link=link, clock=clock)
        outlet.say(CaptureState.STARTING, work.restart_reason)
        camera_capture = CameraCapture(
            camera,
            open_source=lambda number: open_source(
                camera, clock=clock, first_number=number, is_settled=journal.is_settled
            ),
            journal=journal,
            outlet=outlet,
            link=link,
            recovery=Recovery(camera, clock=clock),
        )
        try:
            camera_capture.run(ledger_sequence_number=work.ledger_sequence_number)
        except (CaptureError, ConfigurationError) as error:
            # SIGTERM may also cut off a system call of a source.
            state = CaptureState.STOPPED if link.is_stopping else CaptureState.FAILED
            outlet.last_word(state, str(error))


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
