"""Every error this program raises on purpose.

InspectionError
├── ConfigurationError     somebody set something that cannot work; exit code 2
├── UnavailableError       a server or device does not answer; trying again can help
├── FullError              the disk has no room left for pictures; inspections go on
├── CheckpointError        weights are missing, damaged or do not fit together
├── ReferenceMissingError  a detector without adapters was not told what is normal
├── DatasetError           a data set is not laid out or readable as expected
├── TrainingError          training cannot go on
├── PictureError           encoded bytes that are no picture we can judge
├── CaptureError           a camera cannot give frames
├── CodecError             a stream entry that is not one of ours
├── DeliveryError          a channel did not take a notification
├── NotFoundError          a named thing (line, camera, inspection …) does not exist
├── GoneError              a picture or map was there, and was removed
├── ConflictError          what is asked for does not go together with what is there
├── PreconditionError      somebody else changed it since it was read
├── CursorError            a place in a list that this program never gave out
├── UnauthenticatedError   nobody knows who asks
├── RateLimitedError       somebody tries too often
└── ForbiddenError         who asks has no permission

The docstring of a class is its default message. `is_transient` says whether trying again can help.
"""

from typing import ClassVar


class InspectionError(Exception):
    """Inspection failed."""

    is_transient: ClassVar[bool] = False

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or (type(self).__doc__ or "").strip())


class ConfigurationError(InspectionError):
    """The configuration cannot work."""


class UnavailableError(InspectionError):
    """A server does not answer."""

    is_transient = True


class FullError(InspectionError):
    """The disk has no room left for pictures."""

    is_transient = True


class CheckpointError(InspectionError):
    """The checkpoint cannot be used."""


class ReferenceMissingError(InspectionError):
    """The checkpoint has no adapters: it scores with a reference only, and there is none."""


class DatasetError(InspectionError):
    """The data set cannot be used."""


class TrainingError(InspectionError):
    """Training cannot go on."""


class PictureError(InspectionError):
    """The bytes are not a picture that can be judged.

    `reason` is one of the reasons for an uninspected frame (`inspection.domain.ledger.Reason`).
    """

    def __init__(self, reason: str, message: str | None = None) -> None:
        super().__init__(message)
        self.reason = reason

    def __reduce__(self) -> tuple[type["PictureError"], tuple[str, str]]:
        """Survive pickling between processes with both arguments."""
        return type(self), (self.reason, str(self))


class CaptureError(InspectionError):
    """The camera gives no frames."""

    is_transient = True


class CodecError(InspectionError):
    """The stream entry cannot be read."""

    def __init__(self, reason: str, message: str | None = None) -> None:
        super().__init__(message)
        self.reason = reason


class DeliveryError(InspectionError):
    """The channel did not take the notification.

    `is_permanent` says that trying again cannot help, `retry_after_s` when the receiver wants the
    next attempt, in seconds from now.
    """

    is_transient = True

    def __init__(
        self,
        message: str | None = None,
        *,
        is_permanent: bool,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.is_permanent = is_permanent
        self.retry_after_s = retry_after_s


class NotFoundError(InspectionError):
    """There is no such thing."""


class GoneError(InspectionError):
    """It was there and is gone."""


class ConflictError(InspectionError):
    """This does not go together with what is there."""


class PreconditionError(InspectionError):
    """Somebody else changed it since it was read."""


class CursorError(InspectionError):
    """This is no cursor."""


class UnauthenticatedError(InspectionError):
    """Sign in, or send an API key."""


class ForbiddenError(InspectionError):
    """This needs a permission that is not there."""


class RateLimitedError(InspectionError):
    """This was tried too often.

    `retry_after_s` says when it may be tried again, in seconds from now.
    """

    is_transient = True

    def __init__(self, message: str | None = None, *, retry_after_s: float) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s
