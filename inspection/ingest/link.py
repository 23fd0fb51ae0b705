"""The camera process's end of its link with the watchdog."""

import os
import signal
import threading
from multiprocessing.connection import Connection
from time import monotonic, sleep
from typing import Protocol

from inspection.domain.health import CaptureState
from inspection.ingest.message import Beat, Making

#: Least time between two beats that are no news, in seconds.
BEAT_S = 0.2

#: Longest sleep between two looks at whether to stop, in seconds.
SLICE_S = 0.1

#: An orphan that has not ended by itself after so long is stuck, and is ended, in seconds.
ORPHAN_S = 15.0


_USUAL = (CaptureState.LIVE, CaptureState.WAITING)


class Link(Protocol):
    """Whom a camera tells that it lives, and who tells it what is made and when to stop."""

    @property
    def is_stopping(self) -> bool:
        """Whether the camera shall finish its frame and end."""
        ...

    @property
    def making(self) -> Making | None:
        """What the line is making; None when nobody has said."""
        ...

    def beat(self, beat: Beat) -> None:
        """Give a sign of life."""
        ...

    def pause(self, wait_s: float) -> None:
        """Sleep for `wait_s`, but not much longer than until the next beat is due."""
        ...


class WatchdogLink:
    """A link over a connection inherited from the watchdog."""

    def __init__(self, connection: Connection, making: Making | None) -> None:
        self._connection = connection
        self._making = making
        self._is_stopping = False
        self._said: tuple[Beat, float] | None = None

    @property
    def is_stopping(self) -> bool:
        """Whether SIGTERM came or the watchdog is gone."""
        return self._is_stopping

    @property
    def making(self) -> Making | None:
        """What the watchdog said last."""
        return self._making

    def listen(self) -> None:
        """Begin to hear the watchdog and SIGTERM; called once, by the main thread."""
        signal.signal(signal.SIGTERM, lambda *_: self.stop())
        threading.Thread(target=self._hear, name="watchdog", daemon=True).start()

    def beat(self, beat: Beat) -> None:
        """Send `beat`, unless it is no news and the last was sent a moment ago."""
        now_s = monotonic()
        if self._said is not None and not beat.is_last:
            before, before_s = self._said
            # A stream that is full now and then makes these two change with every frame.
            is_news = beat.state is not before.state and beat.state not in _USUAL
            if not is_news and now_s - before_s < BEAT_S:
                return
        self._said = beat, now_s
        try:
            self._connection.send(beat)
        except OSError:
            self.stop()

    def pause(self, wait_s: float) -> None:
        """Sleep for `wait_s`, at most `SLICE_S`."""
        sleep(min(wait_s, SLICE_S))

    def stop(self) -> None:
        """Have the camera finish its frame and end."""
        self._is_stopping = True

    def _hear(self) -> None:
        try:
            while True:
                self._making = self._connection.recv()
        except (EOFError, OSError):
            self.stop()
        sleep(ORPHAN_S)
        os._exit(1)
