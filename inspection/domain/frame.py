"""A frame: one exposure of one camera, with the identity it keeps for life."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, Self

from inspection.errors import CodecError

#: Highest number a frame can have: beyond it the server of the streams cannot count exactly.
LAST_SEQUENCE_NUMBER = 2**53

MediaType = Literal["image/jpeg", "image/png", "application/octet-stream"]


@dataclass(frozen=True, kw_only=True, order=True)
class FrameIdentity:
    """Which exposure this is; given once, at capture, and never changed.

    Numbers of one camera start at 1 and have no gaps: a missing number is a missing frame.
    """

    #: Name of the camera, unique in the installation.
    camera: str
    #: Position among all identities ever given to this camera, from 1.
    sequence_number: int
    #: When the exposure was made; aware UTC, whole milliseconds.
    captured_at: datetime

    def __post_init__(self) -> None:
        """Refuse a time without zone: it would be stored as another moment."""
        if self.captured_at.tzinfo is None:
            raise CodecError("malformed", f"the frame's time {self.captured_at} has no time zone")

    @property
    def is_possible(self) -> bool:
        """Whether a camera can have given this number; entries of strangers may have any."""
        return 1 <= self.sequence_number <= LAST_SEQUENCE_NUMBER

    @property
    def frame_id(self) -> str:
        """The identity as people and logs write it: `camera/sequence_number`."""
        return f"{self.camera}/{self.sequence_number}"


@dataclass(frozen=True, kw_only=True)
class EntryId:
    """Id of a frame's stream entry: `milliseconds-sequence_number`, both increasing per camera."""

    #: Milliseconds since 1970 of the exposure, or of the entry before if the clock went back.
    time_ms: int
    #: The frame's sequence number.
    sequence_number: int

    @classmethod
    def of(cls, identity: FrameIdentity, *, last: "EntryId | None") -> Self:
        """Make the id of `identity`, greater than `last` also after the clock was set back."""
        time_ms = milliseconds(identity.captured_at)
        if last is not None:
            time_ms = max(time_ms, last.time_ms)
        return cls(time_ms=time_ms, sequence_number=identity.sequence_number)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `1700000000000-7`.

        Raises:
            CodecError: it is not two whole numbers joined by a hyphen.
        """
        time_ms, _, sequence_number = text.partition("-")
        if not (time_ms.isdigit() and sequence_number.isdigit()):
            raise CodecError("malformed", f"{text!r} is not the id of a stream entry")
        return cls(time_ms=int(time_ms), sequence_number=int(sequence_number))

    def __str__(self) -> str:
        return f"{self.time_ms}-{self.sequence_number}"


@dataclass(frozen=True, kw_only=True)
class Content:
    """One encoded exposure and what is known of the part on it, whoever gives it a number."""

    #: The encoded picture, exactly as the camera, file or pusher gave it.
    payload: bytes
    #: How `payload` is encoded; untouched foreign bytes may be `application/octet-stream`.
    media_type: MediaType
    #: Product that was being made when the exposure was taken; None when nobody said.
    product: str | None = None
    #: Serial number of the part, if the camera, file name or pusher gave one.
    part_serial: str | None = None
    #: Lot of the part.
    lot: str | None = None
    #: Id of the trigger that caused the exposure.
    trigger_id: str | None = None


@dataclass(frozen=True, kw_only=True)
class Frame(Content):
    """One encoded exposure with its identity."""

    identity: FrameIdentity


def milliseconds(moment: datetime) -> int:
    """Return whole milliseconds since 1970."""
    return int(moment.timestamp() * 1000 + 0.5)


def moment(time_ms: int) -> datetime:
    """Return the aware UTC time of so many milliseconds since 1970."""
    seconds, rest_ms = divmod(time_ms, 1000)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest_ms * 1000)
