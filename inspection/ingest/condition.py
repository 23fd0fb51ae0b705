"""What a camera tells of itself beside its state: when its frames come, and what it sees."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from statistics import median
from time import monotonic as system_monotonic

from inspection.domain.health import CameraState, stall_after_s
from inspection.domain.line import Camera
from inspection.domain.view import View
from inspection.ingest.message import Beat

#: Intervals between exposures whose median is the usual one.
INTERVALS = 31


@dataclass(frozen=True, kw_only=True)
class _Exposed:
    at: datetime
    at_s: float


class Condition:
    """Follows the exposures of one camera."""

    def __init__(
        self, camera: Camera, *, host: str, monotonic: Callable[[], float] = system_monotonic
    ) -> None:
        """Begin to follow.

        Args:
            camera: gives the interval that is usual until exposures say more.
            host: name of this machine.
            monotonic: gives seconds that only go forward.
        """
        self._host = host
        self._monotonic = monotonic
        self._begun_s = monotonic()
        self._last: _Exposed | None = None
        self._intervals_s: deque[float] = deque(maxlen=INTERVALS)
        if camera.rate_hz:
            self._intervals_s.append(1 / camera.rate_hz)
        self.view = View()

    @property
    def quiet_s(self) -> float:
        """Seconds since the newest exposure, or since the start."""
        return self._monotonic() - (self._begun_s if self._last is None else self._last.at_s)

    @property
    def is_quiet(self) -> bool:
        """Whether there was no exposure for longer than a live camera may take."""
        return self.quiet_s > stall_after_s(self.interval_s)

    @property
    def interval_s(self) -> float | None:
        """Usual seconds between two exposures; None while nobody knows."""
        return median(self._intervals_s) if self._intervals_s else None

    def note_exposure(self, captured_at: datetime) -> None:
        """Take an exposure in."""
        now_s = self._monotonic()
        if self._last is not None:
            self._intervals_s.append(now_s - self._last.at_s)
        self._last = _Exposed(at=captured_at, at_s=now_s)

    def state(self, beat: Beat, at: datetime) -> CameraState:
        """Return all that the camera says of itself at this moment."""
        return CameraState(
            state=beat.state.value,
            detail=beat.detail,
            reported_at=at,
            host=self._host,
            last_frame_at=None if self._last is None else self._last.at,
            quiet_s=self.quiet_s,
            interval_s=self.interval_s,
            view=self.view,
        )
