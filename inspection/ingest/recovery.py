"""What is tried when a device gives nothing, or the same again and again, before anybody is called.

A device is opened again once; if that did not help, the camera stalls or is blind, and says what
was tried.
"""

from collections.abc import Callable
from datetime import datetime
from time import monotonic as system_monotonic

from inspection.domain.line import Camera
from inspection.domain.view import ViewState
from inspection.ingest.condition import Condition
from inspection.telemetry import logger

#: A device that did its work for so long was helped, and may be helped again, in seconds.
HELPED_S = 120.0


class Recovery:
    """Says when the device of one camera is to be opened again."""

    def __init__(
        self,
        camera: Camera,
        *,
        clock: Callable[[], datetime],
        monotonic: Callable[[], float] = system_monotonic,
    ) -> None:
        """Prepare.

        Args:
            camera: only devices are opened again: RTSP and USB cameras.
            clock: gives aware UTC times.
            monotonic: gives seconds that only go forward.
        """
        self._camera = camera
        self._clock = clock
        self._monotonic = monotonic
        #: When it last needed help, by the monotonic clock, and when the device was opened again.
        self._trouble_s: float | None = None
        self._tried_at: datetime | None = None

    @property
    def tried(self) -> str:
        """What was tried lately, as the end of a sentence; empty when nothing was."""
        if self._tried_at is None or not self._is_in_trouble:
            return ""
        return f"; the device was opened again at {self._tried_at:%H:%M:%S} UTC, to no avail"

    def is_due(self, condition: Condition) -> bool:
        """Say whether to open the device again now; after a yes it counts as done."""
        if self._camera.source.kind not in ("rtsp", "usb"):
            return False
        why = _trouble(condition)
        if why is None:
            return False
        is_new = not self._is_in_trouble
        self._trouble_s = self._monotonic()
        if is_new:
            self._tried_at = self._clock()
            logger().warning("device_reopened", camera=self._camera.name, why=why)
        return is_new

    @property
    def _is_in_trouble(self) -> bool:
        return self._trouble_s is not None and self._monotonic() - self._trouble_s < HELPED_S


def _trouble(condition: Condition) -> str | None:
    """Say what a device does that being opened again may end, None when it does its work."""
    if condition.view.state is ViewState.FROZEN:
        return condition.view.detail
    if condition.is_quiet:
        return f"it gave no picture for {condition.quiet_s:.0f} s"
    return None
