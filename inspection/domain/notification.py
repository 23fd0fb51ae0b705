"""What is told about an alert: one sending to one channel, and when to try it again."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from inspection.domain.alert import AlertKind
from inspection.domain.inspection import Verdict

#: Attempts after which a notification has failed; they spread over about an hour.
ATTEMPT_LIMIT = 8
#: Wait after the first attempt, in seconds.
FIRST_DELAY_S = 5.0
#: Every further wait is so many times the one before …
DELAY_FACTOR = 3.0
#: … and no longer than this, in seconds.
LONGEST_DELAY_S = 1800.0
#: A wait is made shorter or longer by up to this share, so that retries do not come in step.
JITTER = 0.2


class Event(StrEnum):
    """What happened to the alert."""

    OPENED = "opened"
    #: More has happened since it was last told of.
    UPDATED = "updated"
    #: Nobody acknowledged it for too long.
    ESCALATED = "escalated"
    RESOLVED = "resolved"
    #: Nothing: somebody tries whether the channel works.
    TEST = "test"


class Delivery(StrEnum):
    """How far a notification has come."""

    #: It was not tried yet, is being tried, or will be tried again.
    WAITING = "waiting"
    DELIVERED = "delivered"
    #: It will not be tried again, unless somebody asks for it.
    FAILED = "failed"


class Failure(StrEnum):
    """Why a notification has failed."""

    #: It was refused in a way that trying again does not change.
    PERMANENT = "permanent"
    #: Every attempt was refused.
    EXHAUSTED = "exhausted"
    #: Its last attempt ended with its worker, which could not say what came of it.
    ABANDONED = "abandoned"


@dataclass(frozen=True, kw_only=True)
class AlertFrame:
    """The frame an alert shows as its evidence."""

    camera: str
    sequence_number: int
    #: When the exposure was made; aware UTC.
    captured_at: datetime
    part_serial: str | None
    product: str | None
    #: What the model said; None when the frame could not be judged.
    score: float | None
    #: Threshold that was in force; None when there was none.
    threshold: float | None
    #: None when the frame could not be judged.
    verdict: Verdict | None

    @property
    def frame_id(self) -> str:
        """The frame as people and logs write it: `camera/sequence_number`."""
        return f"{self.camera}/{self.sequence_number}"


@dataclass(frozen=True, kw_only=True)
class Telling:
    """What is to be told about an alert, to every channel of its line that listens."""

    event: Event
    #: Tells events of one alert apart that happen more than once, from 0.
    number: int = 0
    #: One sentence for people.
    summary: str
    #: The frame to show, if it is still known.
    frame: AlertFrame | None = None


@dataclass(frozen=True, kw_only=True)
class Notification:
    """One sending about one alert to one channel; every attempt sends the same."""

    #: UUID, the same for every attempt: the receiver's key against doubles.
    notification_id: str
    event: Event
    #: Tells events of one alert apart that happen more than once, from 0.
    number: int = 0
    #: When the alert was opened or resolved; aware UTC.
    created_at: datetime
    #: Attempts made so far, the present one included.
    attempt_count: int
    #: It fails after so many; more than usual when somebody had a failed one tried again.
    attempt_limit: int = ATTEMPT_LIMIT
    #: 0 for a test.
    alert_id: int
    line: str
    kind: AlertKind
    #: One sentence for people.
    summary: str
    opened_at: datetime
    #: None unless the event is that it was resolved.
    resolved_at: datetime | None
    #: Frames that belonged to the alert at that moment.
    frame_count: int
    #: What the alert is about besides its line, such as a camera; None for the line itself.
    subject: str | None = None
    #: Frame the alert was opened for: `camera/sequence_number`; None when it was not for a frame.
    frame_id: str | None
    #: That frame; None when nothing but its id is left of it.
    frame: AlertFrame | None

    @property
    def is_last_attempt(self) -> bool:
        """Whether it fails when this attempt is refused."""
        return self.attempt_count >= self.attempt_limit

    def delay_s(self, *, jitter: float, asked_s: float | None = None) -> float:
        """Return how many seconds to wait for the next attempt.

        Args:
            jitter: where in its range the wait lies, 0 (shortest) to 1 (longest).
            asked_s: what the receiver asked for; kept within `LONGEST_DELAY_S`.
        """
        first = self.attempt_limit - ATTEMPT_LIMIT
        wait = delay_s(max(self.attempt_count - first, 1), jitter=jitter)
        return max(wait, min(asked_s or 0.0, LONGEST_DELAY_S))


def delay_s(attempt_count: int, *, jitter: float) -> float:
    """Return how many seconds to wait after so many attempts that did not succeed.

    Args:
        attempt_count: attempts made, from 1.
        jitter: where in its range the wait lies, 0 (shortest) to 1 (longest).
    """
    delay = min(FIRST_DELAY_S * DELAY_FACTOR ** (attempt_count - 1), LONGEST_DELAY_S)
    return delay * (1 + JITTER * (2 * jitter - 1))
