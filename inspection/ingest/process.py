"""The watchdog's side of one camera: its process, started, heard, killed and started again."""

import socket
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from time import monotonic

from inspection.capture.pacing import Backoff
from inspection.domain.health import CaptureState
from inspection.ingest.message import Beat, Making, Work
from inspection.telemetry import logger

#: How long a killed process may take to be gone, in seconds.
KILL_S = 5.0


@dataclass(frozen=True, kw_only=True)
class Times:
    """How long the watchdog waits, in seconds."""

    #: For a sign of life before a process is taken for hung.
    hang_s: float = 30.0
    #: For the first sign of life, while the process loads.
    start_s: float = 60.0
    #: For a process that was told to stop.
    stop_s: float = 12.0
    #: Before the first restart, and longest before a later one.
    restart_first_s: float = 0.5
    restart_limit_s: float = 30.0
    #: A process that lived so long had a good start: the next restart is a first one.
    good_s: float = 60.0


class CameraProcess:
    """The process of one camera, or the wait for the next."""

    def __init__(self, work: Work, times: Times) -> None:
        self._work = work
        self._times = times
        self._backoff = Backoff(first_s=times.restart_first_s, limit_s=times.restart_limit_s)
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection | None = None
        self._started_at_s = 0.0
        self._deadline_s = monotonic()
        self._is_stopping = False
        self._is_killed = False
        self._beat: Beat | None = None
        self._accepted_count = 0

    @property
    def connection(self) -> Connection | None:
        """Where the process is heard; None while there is none."""
        return self._connection

    @property
    def pid(self) -> int | None:
        """The process; None while there is none."""
        return None if self._process is None else self._process.pid

    @property
    def is_over(self) -> bool:
        """Whether the camera has ended and will not be started again."""
        is_final = self._is_stopping or (self._beat is not None and self._beat.is_last)
        return self._process is None and is_final

    @property
    def accepted_count(self) -> int:
        """Identities given so far, as last heard."""
        return self._accepted_count

    @property
    def failure(self) -> str | None:
        """Why the camera cannot work; None when it does not say so."""
        if self._beat is None or self._beat.state is not CaptureState.FAILED:
            return None
        return self._beat.detail

    def tend(self) -> None:
        """Start, hear, bury or kill the process, whatever is due."""
        is_due = monotonic() >= self._deadline_s
        if self._process is None:
            if is_due and not self.is_over:
                self._start()
            return
        self._hear()
        if self._process.poll() is not None:
            self._bury(f"it ended with {self._process.returncode}")
        elif self._is_killed and is_due and self._is_stopping:
            # Stuck in the kernel; not even SIGKILL ends it before its device answers.
            logger().error("camera_abandoned", camera=self._work.camera.name, pid=self.pid)
            self._process = None
        elif not self._is_killed and monotonic() >= self._deadline_s:
            self._process.kill()
            self._is_killed = True
            self._deadline_s = monotonic() + KILL_S

    def tell(self, making: Making) -> None:
        """Say what the line is making, if that is news."""
        if making == self._work.making:
            return
        self._work = replace(self._work, making=making)
        if self._connection is not None:
            with suppress(OSError):
                self._connection.send(making)

    def stop(self) -> None:
        """Tell the process to finish its frame and end; it is killed if it does not."""
        if self._is_stopping:
            return
        self._is_stopping = True
        if self._process is not None and not self._is_killed:
            self._deadline_s = monotonic() + self._times.stop_s
            self._process.terminate()

    def let_go(self) -> None:
        """Close the link; a process that lives ends by itself."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _start(self) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 - our own module
                [
                    *(sys.executable, "-m", "inspection.ingest.child"),
                    *(str(theirs.fileno()), self._work.camera.name),
                ],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                # A signal to our group, such as Ctrl-C, is ours to pass on.
                start_new_session=True,
            )
        self._connection = Connection(ours.detach())
        self._started_at_s = monotonic()
        self._deadline_s = self._started_at_s + self._times.start_s
        self._is_killed = False
        self._beat = None
        with suppress(OSError):
            self._connection.send(self._work)
        logger().info("camera_started", camera=self._work.camera.name, pid=self._process.pid)

    def _hear(self) -> None:
        if self._connection is None:
            return
        with suppress(EOFError, OSError):
            while self._connection.poll():
                self._note(self._connection.recv())

    def _note(self, beat: Beat) -> None:
        before = None if self._beat is None else self._beat.state
        self._beat = beat
        self._accepted_count = max(self._accepted_count, beat.accepted_count)
        if not (self._is_stopping or self._is_killed):
            self._deadline_s = monotonic() + self._times.hang_s
        # A stream that is full now and then is no news.
        quiet = {None, CaptureState.LIVE, CaptureState.WAITING}
        if beat.state is not before and not {before, beat.state} <= quiet:
            logger().info(
                "camera_state",
                camera=self._work.camera.name,
                state=beat.state.value,
                detail=beat.detail,
            )

    def _bury(self, why: str) -> None:
        self._hear()
        self.let_go()
        self._process = None
        if self.is_over:
            return
        if self._is_killed:
            why = f"it gave no sign of life for {self._times.hang_s:g} s and was killed"
        if monotonic() - self._started_at_s >= self._times.good_s:
            self._backoff.reset()
        wait_s = self._backoff.next_s()
        self._deadline_s = monotonic() + wait_s
        self._work = replace(self._work, restart_reason=f"started again: {why}")
        logger().warning(
            "camera_restarted", camera=self._work.camera.name, why=why, wait_s=round(wait_s, 1)
        )
