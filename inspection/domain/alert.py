"""What people are told of: the life of an alert."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

#: Older than this, a time of day is written with its date.
_DAY = timedelta(hours=20)


class AlertKind(StrEnum):
    """What an alert is about; the worst first, for whoever can show one kind only."""

    #: A camera is stalled or blind: nothing of it is inspected.
    CAMERA = "camera"
    #: Frames wait too long.
    BACKLOG = "backlog"
    #: Frames that could not be judged.
    UNINSPECTED = "uninspected"
    #: Too many NG parts of the last few.
    NG = "ng"
    #: More NG parts than are expected.
    RATE = "rate"
    #: Scores rise.
    TREND = "trend"
    #: Scores do not look any more like those a threshold was made from.
    DRIFT = "drift"


@dataclass(frozen=True, kw_only=True)
class Alert:
    """Something a person must act on. Told, acknowledged and resolved are independent facts."""

    alert_id: int
    line: str
    #: Name of the line's rule that opened it.
    rule: str
    kind: AlertKind
    #: Which camera of the line it is about; empty when it is about the line.
    subject: str = ""
    opened_at: datetime
    #: Frames that belong to it, those it was opened with included.
    frame_count: int
    #: Frames it was opened with.
    opened_count: int = 0
    #: `captured_at` of the newest of its frames; when it was opened if it has none.
    last_at: datetime
    #: First frame: `camera/sequence_number`; None when it is about no frame.
    frame_id: str | None = None
    #: What to tell people, one sentence.
    summary: str
    #: When channels were told that it is open; None while it is shelved from the beginning.
    told_at: datetime | None = None
    #: When nobody had acknowledged it for too long, and that was told.
    escalated_at: datetime | None = None
    acknowledged_at: datetime | None = None
    acknowledged_by: str | None = None
    #: What was said with it; the reason when it was dismissed.
    acknowledged_note: str = ""
    #: Acknowledged as nothing that must be acted on.
    is_dismissed: bool = False
    resolved_at: datetime | None = None
    #: Who resolved it by hand; None when its condition had gone.
    resolved_by: str | None = None
    resolved_note: str = ""

    def growth(self, now: datetime) -> str:
        """Say how it has grown since it was opened, if it has: `17 more since 10:42 UTC`."""
        return grown(self.frame_count - self.opened_count, since=self.opened_at, now=now)


def grown(more_count: int, *, since: datetime, now: datetime) -> str:
    """Say how many frames have joined since a moment; nothing when there are none."""
    if more_count <= 0:
        return ""
    pattern = "%H:%M" if now - since < _DAY else "%Y-%m-%d %H:%M"
    return f"{more_count} more since {since.astimezone(UTC).strftime(pattern)} UTC"
