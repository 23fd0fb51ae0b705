"""An exposure before it has an identity, and what a source says when it has none to give."""

from dataclasses import dataclass
from datetime import datetime

from inspection.domain.frame import MediaType
from inspection.domain.health import CaptureState

#: Most bytes ever read for one exposure; more than a stream entry may have, so such a frame is
#: still counted (as dropped, too large) and not held in memory whole.
PAYLOAD_LIMIT_BYTES = 64 * 2**20

_JPEG = b"\xff\xd8\xff"
_PNG = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True, kw_only=True)
class Exposure:
    """One exposure as its source gave it."""

    #: The encoded picture; at most `PAYLOAD_LIMIT_BYTES`.
    payload: bytes
    media_type: MediaType
    #: When it was taken, or read from a file; aware UTC.
    captured_at: datetime
    #: The same every time the same exposure is read again; None when it can be had only once.
    key: str | None = None
    part_serial: str | None = None
    lot: str | None = None
    trigger_id: str | None = None


@dataclass(frozen=True, kw_only=True)
class Pause:
    """A source has nothing just now: ask again after `wait_s`, which may be 0."""

    wait_s: float
    state: CaptureState
    #: One sentence for people, or empty.
    detail: str = ""


def media_type_of(payload: bytes) -> MediaType:
    """Tell JPEG and PNG by their first bytes; everything else is `application/octet-stream`."""
    if payload.startswith(_JPEG):
        return "image/jpeg"
    if payload.startswith(_PNG):
        return "image/png"
    return "application/octet-stream"
