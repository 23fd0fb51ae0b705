"""Whether cameras and processes do their work, as everybody who looks at them is told."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class HealthState(StrEnum):
    """How a camera is doing."""

    #: Frames come and are judged in time.
    LIVE = "live"
    #: Frames come and are judged late.
    LAGGING = "lagging"
    #: No frames come though they should.
    STALLED = "stalled"
    #: Frames come and show nothing that can be judged: black, frozen, blurred or moved.
    BLIND = "blind"
    #: There is nothing more to come.
    ENDED = "ended"
    #: It was never heard of.
    UNKNOWN = "unknown"


@dataclass(frozen=True, kw_only=True)
class CameraHealth:
    """How one camera is doing, and since when."""

    camera: str
    line: str
    state: HealthState
    #: One sentence for people; empty when all is well.
    detail: str
    #: When the state began.
    since_at: datetime
    #: When it was last looked at.
    checked_at: datetime
    #: Age of the oldest frame that is not judged, in seconds; 0 when none waits.
    lag_s: float
    #: Frames that wait or are being inspected.
    waiting_count: int
    #: Exposure of the newest frame; None when there was none.
    last_frame_at: datetime | None
