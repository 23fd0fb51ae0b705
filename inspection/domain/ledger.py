"""The ledger: every frame that was given an identity gets exactly one row, and it adds up.

accepted = inspected + uninspected + dropped + in flight, per camera, at every moment.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final

from inspection.domain.evidence import Gone
from inspection.domain.frame import Frame, FrameIdentity
from inspection.domain.inspection import AnomalyMap, Inspection

#: A clock that has lost its battery begins again in 1970, 1980 or 2000: no exposure is older …
EARLIEST_AT: Final = datetime(2001, 1, 1, tzinfo=UTC)
#: … and none is further ahead of the time of its recording than this.
LEAD: Final = timedelta(days=1)


class Outcome(StrEnum):
    """What became of a frame."""

    INSPECTED = "inspected"
    UNINSPECTED = "uninspected"
    DROPPED = "dropped"


class Reason(StrEnum):
    """Why a frame is uninspected."""

    #: The payload has no bytes.
    EMPTY = "empty"
    #: The payload is no picture, or a damaged one.
    CORRUPT = "corrupt"
    #: The picture ends before its end.
    TRUNCATED = "truncated"
    #: The picture has more pixels, or the entry more bytes, than the limit.
    TOO_LARGE = "too_large"
    #: A kind of picture that cannot be judged.
    UNSUPPORTED = "unsupported"
    #: The stream entry lacks fields or holds nonsense.
    MALFORMED = "malformed"
    #: The stream entry was written by another version of the wire format.
    SCHEMA = "schema"
    #: The entry was removed from the stream before it was inspected.
    TRIMMED = "trimmed"
    #: Inspecting it, alone, ended the replica or inspector again and again.
    DELIVERIES = "deliveries"
    #: The model's score was not a finite number.
    SCORE = "score"
    #: The reference it must be scored with is missing, damaged or of another checkpoint.
    REFERENCE = "reference"
    #: Its camera gave its sequence number before, to another exposure.
    REPEATED_NUMBER = "repeated_number"
    #: Its time is impossible: the clock that gave it is wrong.
    CLOCK = "clock"


class Cause(StrEnum):
    """Why a frame was dropped."""

    #: Its stream was full; the camera's policy is `drop_oldest`.
    DROP_OLDEST = "drop_oldest"
    #: Its stream was full; the camera's policy is `drop_newest`.
    DROP_NEWEST = "drop_newest"
    #: The server of the streams did not answer and the camera could not wait.
    UNAVAILABLE = "unavailable"
    #: The capture process ended between giving the identity and adding the frame.
    INTERRUPTED = "interrupted"
    #: The encoded picture has more bytes than an entry may have.
    TOO_LARGE = "too_large"


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A kept picture, content-addressed."""

    #: SHA-256 of the encoded bytes, hexadecimal.
    sha256: str
    media_type: str
    size_bytes: int


@dataclass(frozen=True, kw_only=True)
class Inspected:
    """Row of a frame that was scored and judged."""

    frame: Frame
    inspection: Inspection
    anomaly_map: AnomalyMap
    #: None when the line's policy keeps no picture of it.
    picture: Picture | None = None
    #: Why there is none though the policy keeps it.
    picture_gone: Gone | None = None

    @property
    def identity(self) -> FrameIdentity:
        """The frame's identity."""
        return self.frame.identity


@dataclass(frozen=True, kw_only=True)
class Uninspected:
    """Row of a frame that could not be judged."""

    identity: FrameIdentity
    reason: Reason
    #: One sentence for people.
    detail: str
    #: None when only the identity is left of it.
    frame: Frame | None = None
    picture: Picture | None = None
    #: Bytes of its payload, however damaged; None when there is no entry left to keep.
    size_bytes: int | None = None
    #: Why there is none though the line's policy keeps it.
    picture_gone: Gone | None = None


@dataclass(frozen=True, kw_only=True)
class Dropped:
    """Row of a frame that never reached an inspector."""

    identity: FrameIdentity
    cause: Cause
    #: What its clock said, if that was impossible.
    detail: str | None = None


#: What the ledger takes.
Entry = Inspected | Uninspected | Dropped


def outcome_of(entry: Entry) -> tuple[Outcome, str | None, str | None]:
    """Return the outcome of a frame, why it is not inspected, and the same for people."""
    if isinstance(entry, Inspected):
        return Outcome.INSPECTED, None, None
    if isinstance(entry, Uninspected):
        return Outcome.UNINSPECTED, entry.reason.value, entry.detail
    return Outcome.DROPPED, entry.cause.value, entry.detail


def clock_said(captured_at: datetime) -> str:
    """Return the detail of a frame whose clock said so and cannot be right."""
    time = captured_at.astimezone(UTC).isoformat(timespec="milliseconds")
    return f"the clock of its camera said {time}"


def with_possible_time(entry: Entry, *, at: datetime) -> Entry:
    """Return an entry whose time can be: itself, or one dated `at` that says what its clock said.

    A frame with an impossible time is uninspected: at which time its part was made, nobody knows,
    and rows are kept and removed by time.

    Args:
        entry: what is to be recorded.
        at: the time of recording.
    """
    captured_at = entry.identity.captured_at
    if EARLIEST_AT <= captured_at <= at + LEAD:
        return entry
    said = clock_said(captured_at)
    identity = replace(
        entry.identity, captured_at=at.replace(microsecond=at.microsecond // 1000 * 1000)
    )
    if isinstance(entry, Dropped):
        return replace(entry, identity=identity, detail=said)
    if isinstance(entry, Uninspected):
        # The time of a trimmed frame was a guess already.
        is_trimmed = entry.reason is Reason.TRIMMED
        reason, detail = (entry.reason, entry.detail) if is_trimmed else (Reason.CLOCK, said)
        return replace(entry, identity=identity, reason=reason, detail=detail)
    return Uninspected(
        identity=identity,
        reason=Reason.CLOCK,
        detail=said,
        frame=entry.frame,
        picture=entry.picture,
        picture_gone=entry.picture_gone,
        size_bytes=len(entry.frame.payload),
    )


def dated(entry: Inspected | Uninspected, captured_at: datetime) -> Inspected | Uninspected:
    """Return what was found about a frame under the time that its row has."""
    if entry.identity.captured_at == captured_at:
        return entry
    identity = replace(entry.identity, captured_at=captured_at)
    if isinstance(entry, Uninspected):
        return replace(entry, identity=identity)
    return replace(
        entry,
        frame=replace(entry.frame, identity=identity),
        inspection=replace(entry.inspection, identity=identity),
    )


@dataclass(frozen=True, kw_only=True)
class Account:
    """What became of the frames of one camera, or of several added together."""

    #: Frames that were given an identity.
    accepted: int = 0
    inspected: int = 0
    #: Counts by reason.
    uninspected: Mapping[str, int] = field(default_factory=dict)
    #: Counts by cause.
    dropped: Mapping[str, int] = field(default_factory=dict)
    #: Counted, never computed: held by capture, waiting in the stream, or being inspected.
    in_flight: int = 0

    @property
    def uninspected_count(self) -> int:
        """Frames that could not be judged."""
        return sum(self.uninspected.values())

    @property
    def dropped_count(self) -> int:
        """Frames that were dropped, with a cause."""
        return sum(self.dropped.values())

    @property
    def missing_count(self) -> int:
        """Frames the account cannot explain; anything but 0 is a broken promise."""
        known = self.inspected + self.uninspected_count + self.dropped_count + self.in_flight
        return self.accepted - known

    @property
    def is_balanced(self) -> bool:
        """Whether every accepted frame is accounted for, and none twice."""
        return self.missing_count == 0

    def __add__(self, other: "Account") -> "Account":
        return Account(
            accepted=self.accepted + other.accepted,
            inspected=self.inspected + other.inspected,
            uninspected=_added(self.uninspected, other.uninspected),
            dropped=_added(self.dropped, other.dropped),
            in_flight=self.in_flight + other.in_flight,
        )


def _added(left: Mapping[str, int], right: Mapping[str, int]) -> dict[str, int]:
    return {key: left.get(key, 0) + right.get(key, 0) for key in {**left, **right}}
