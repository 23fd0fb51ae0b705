"""When people are told: the rule of a line, and the life of an alert."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from inspection.errors import ConfigurationError


class AlertKind(StrEnum):
    """What an alert is about."""

    #: Too many NG parts.
    NG = "ng"
    #: Frames that could not be judged.
    UNINSPECTED = "uninspected"
    #: Scores do not look any more like those a threshold was made from.
    DRIFT = "drift"


@dataclass(frozen=True, kw_only=True)
class Rule:
    """Open an alert when `k` of the last `n` inspections of the line are NG.

    The default, 1 of 1, is "any NG".
    """

    k: int = 1
    n: int = 1
    #: NG parts closer together than this belong to one alert; it resolves after so long a calm.
    group_s: float = 60.0

    def __post_init__(self) -> None:
        """Refuse a rule that can never or must always hold."""
        if not 1 <= self.k <= self.n:
            raise ConfigurationError(
                f"alert rule {self.k} of {self.n}: take 1 <= k <= n, for example k: 2, n: 10"
            )
        if not self.group_s > 0:
            raise ConfigurationError(f"alert rule group_s {self.group_s}: take more than 0 seconds")

    def holds(self, newest_first: Sequence[bool]) -> bool:
        """Say whether at least `k` of the newest `n` inspections (True = NG) are NG."""
        return sum(newest_first[: self.n]) >= self.k

    def is_calm(self, *, last_at: datetime, now: datetime) -> bool:
        """Say whether nothing has happened for so long that the alert is over."""
        return now - last_at >= timedelta(seconds=self.group_s)


@dataclass(frozen=True, kw_only=True)
class Alert:
    """Something a person must act on. Acknowledged and resolved are independent facts."""

    alert_id: int
    line: str
    kind: AlertKind
    opened_at: datetime
    #: Frames that belong to it, the first one included.
    frame_count: int
    #: `captured_at` of the newest of them.
    last_at: datetime
    acknowledged_at: datetime | None = None
    acknowledged_by: str | None = None
    resolved_at: datetime | None = None
    #: First frame: `camera/sequence_number`.
    frame_id: str
    #: What to tell people, one sentence.
    summary: str
