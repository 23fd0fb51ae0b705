"""A dead letter: a frame that could not be judged, and what people did about it."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from inspection.domain.frame import FrameIdentity
from inspection.domain.ledger import Reason


class DeadLetterState(StrEnum):
    """How far a dead letter has come."""

    #: Nobody has done anything about it.
    WAITING = "waiting"
    #: Somebody wants it inspected again; an inspector will.
    REQUESTED = "requested"
    #: It was inspected after all.
    REDRIVEN = "redriven"
    #: Somebody said that it need not be inspected.
    DISCARDED = "discarded"


@dataclass(frozen=True, kw_only=True)
class DeadLetter:
    """One frame that was, or still is, uninspected."""

    letter_id: int
    #: Row of the ledger; None when retention has removed it.
    ledger_id: int | None
    identity: FrameIdentity
    line: str
    state: DeadLetterState
    #: Why it could not be judged when it was last tried.
    reason: Reason
    #: The same as one sentence for people.
    detail: str
    #: Bytes of its payload; 0 when nothing was left of it.
    size_bytes: int
    #: Whether its bytes are still in the camera's dead-letter stream.
    is_kept: bool
    dead_lettered_at: datetime
    #: How often it was taken up again.
    attempt_count: int
    requested_at: datetime | None = None
    requested_by: str | None = None
    #: When it was re-driven or discarded, by whom, and why.
    settled_at: datetime | None = None
    settled_by: str | None = None
    note: str | None = None
