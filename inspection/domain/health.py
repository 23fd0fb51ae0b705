"""Whether cameras do their work, as everybody who looks at them is told.

One look at a camera puts together what it says of itself and what waits in its stream. The worst
thing found is its state. After anything bad it is live again only after `GOOD_LOOKS` good looks in
a row, so that nobody is called, told to stay, and called again.

Times of two machines are never compared: how long a camera has been silent is measured by whoever
looks, with a clock that only goes forward, and the age of its frames by the camera's own clock.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from inspection.domain.view import View

#: A frame that is not judged after so long is late, in seconds: the part has left the line by then.
LAG_S: Final = 10.0
#: A camera that has said nothing for so long has nobody who captures it, in seconds. It says
#: something every two seconds, unless a device keeps it waiting, which may take ten.
SILENCE_S: Final = 15.0
#: A live camera gives no picture for at least so long before it stalls, in seconds, …
STALL_S: Final = 10.0
#: … and for so many times its usual interval.
STALL_INTERVALS: Final = 5.0
#: So many drops in a short while are more than the one of a restart.
DROPS_LEAST: Final = 2
#: Good looks in a row after which a camera that was in trouble is live again.
GOOD_LOOKS: Final = 5


class CaptureState(StrEnum):
    """What a camera says it is doing."""

    #: Its process is getting ready.
    STARTING = "starting"
    #: Exposures are coming, or would come if there were any.
    LIVE = "live"
    #: An exposure cannot be handed over: the stream is full or does not answer.
    WAITING = "waiting"
    #: The device, address or folder is gone and tried again and again.
    RECONNECTING = "reconnecting"
    #: There is nothing more to come.
    DRAINED = "drained"
    #: It cannot work until somebody changes something.
    FAILED = "failed"
    #: It was told to stop.
    STOPPED = "stopped"


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

    @property
    def is_bad(self) -> bool:
        """Whether somebody should look after the camera."""
        return self in (self.LAGGING, self.STALLED, self.BLIND)


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
    #: Good looks in a row since the last bad one.
    good_count: int = 0


@dataclass(frozen=True, kw_only=True)
class CameraState:
    """What a camera says of itself."""

    #: A value of `CaptureState`, or of one of a newer version.
    state: str
    #: One sentence for people; may be empty.
    detail: str
    #: By the clock of its own machine.
    reported_at: datetime
    #: Name of the machine that captures it; empty when it was not said.
    host: str = ""
    #: Exposure of its newest frame; None when there was none since it was started.
    last_frame_at: datetime | None = None
    #: Since its newest exposure, or since it was started, in seconds.
    quiet_s: float = 0.0
    #: Usual time between two exposures, in seconds; None when it is not known.
    interval_s: float | None = None
    view: View = field(default_factory=View)

    @property
    def is_last(self) -> bool:
        """Whether nothing more will be said."""
        return self.state in (CaptureState.DRAINED, CaptureState.FAILED, CaptureState.STOPPED)


@dataclass(frozen=True, kw_only=True)
class Sighting:
    """One look at a camera, from outside."""

    #: When, by the clock of whoever looks.
    at: datetime
    #: Whether an exposure that is not taken now is gone.
    is_live: bool
    #: What it said last; None when it never said anything.
    said: CameraState | None
    #: For how long it has said nothing new, in seconds.
    silent_s: float
    #: Exposure of the oldest frame that waits or is being inspected; None when there is none.
    oldest_at: datetime | None
    waiting_count: int
    #: Frames dropped within the last seconds.
    dropped_count: int = 0
    #: Whether others send its frames when they like: silence says nothing of it.
    is_pushed: bool = False

    @property
    def quiet_s(self) -> float:
        """Seconds since its newest exposure, or since it was started."""
        return self.silent_s if self.said is None else self.said.quiet_s + self.silent_s

    @property
    def lag_s(self) -> float:
        """Age of the oldest frame that is not judged, by the camera's own clock; 0: there is none.

        It is never negative: a clock may have been set back since the exposure.
        """
        if self.oldest_at is None:
            return 0.0
        now = self.at
        if self.said is not None and not self.said.is_last:
            now = self.said.reported_at + timedelta(seconds=self.silent_s)
        return max(0.0, (now - self.oldest_at).total_seconds())


def stall_after_s(interval_s: float | None) -> float:
    """Return for how long a live camera may give no picture, in seconds."""
    return max(STALL_S, STALL_INTERVALS * (interval_s or 0.0))


def found(sighting: Sighting) -> tuple[HealthState, str]:
    """Return the worst that one look shows, and a sentence."""
    said = sighting.said
    if sighting.is_pushed:
        return _late(sighting) or (
            HealthState.LIVE,
            "" if said is not None else "nobody has pushed a frame yet",
        )
    if said is None:
        return HealthState.UNKNOWN, "it was never heard of; start `inspection capture`"
    trouble = _not_captured(sighting, said) or _late(sighting)
    if trouble is not None:
        return trouble
    if said.is_last:
        return HealthState.ENDED, said.detail or said.state
    return HealthState.LIVE, ""


def looked(
    before: CameraHealth | None, sighting: Sighting, *, camera: str, line: str
) -> CameraHealth:
    """Return how a camera is doing after one more look.

    Args:
        before: what was known; None when it was never looked at.
        sighting: the look.
        camera: its name.
        line: of the camera.
    """
    state, detail = found(sighting)
    good_count = 0
    if state is HealthState.LIVE:
        good_count = 1 if before is None else min(before.good_count + 1, GOOD_LOOKS)
        if before is not None and before.state.is_bad and good_count < GOOD_LOOKS:
            state = before.state
            detail = f"it is well again in {good_count} of the {GOOD_LOOKS} looks that are needed"
    since_at = sighting.at
    if before is not None and before.state is state:
        since_at = min(before.since_at, sighting.at)
    health = CameraHealth(
        camera=camera,
        line=line,
        state=state,
        detail=detail,
        since_at=since_at,
        checked_at=sighting.at,
        lag_s=sighting.lag_s,
        waiting_count=sighting.waiting_count,
        last_frame_at=None if before is None else before.last_frame_at,
        good_count=good_count,
    )
    if sighting.said is None or sighting.said.last_frame_at is None:
        return health
    return replace(health, last_frame_at=sighting.said.last_frame_at)


def _not_captured(sighting: Sighting, said: CameraState) -> tuple[HealthState, str] | None:
    """Say why no frame that is worth something comes from the camera, if that is so."""
    if said.state == CaptureState.FAILED:
        return HealthState.STALLED, f"it cannot work: {said.detail}"
    if said.is_last:
        return None
    if sighting.silent_s > SILENCE_S:
        on = f" on {said.host}" if said.host else ""
        sentence = (
            f"it has said nothing for {sighting.silent_s:.0f} s; see that `inspection capture` "
            f"runs{on} and reaches the stream server"
        )
        return HealthState.STALLED, sentence
    if said.view.state.is_blind:
        return HealthState.BLIND, said.view.detail
    is_quiet = sighting.is_live and sighting.quiet_s > stall_after_s(said.interval_s)
    if not is_quiet:
        return None
    why = f": {said.detail}" if said.detail else ""
    is_waiting = said.state == CaptureState.WAITING
    return (
        HealthState.LAGGING if is_waiting else HealthState.STALLED,
        f"no picture was taken for {sighting.quiet_s:.0f} s{why}",
    )


def _late(sighting: Sighting) -> tuple[HealthState, str] | None:
    """Say why frames are not judged in time, if that is so."""
    if sighting.lag_s > LAG_S:
        late = f"{sighting.waiting_count} frames wait, the oldest for {sighting.lag_s:.0f} s"
    elif sighting.dropped_count >= DROPS_LEAST:
        late = f"{sighting.dropped_count} frames were dropped a moment ago"
    else:
        return None
    return HealthState.LAGGING, f"{late}; see that inspectors and replicas run and are enough"
