"""A frame somebody pushes: its identity, its way into the stream, and the answer to a full one."""

import hashlib
import re
import uuid
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Final

from fastapi.exceptions import HTTPException

from inspection.api.installation import Installation
from inspection.domain.frame import Content
from inspection.errors import ConflictError
from inspection.store import ledger, lines
from inspection.store.cameras import camera_id, get_camera
from inspection.store.outcomes import FrameKey
from inspection.stream.admission import Admission
from inspection.stream.pusher import OWN_TOKEN_LIFE, TOKEN_LIFE, Push, Pushed

#: An exposure is at most so old when it is pushed, …
OLDEST: Final = timedelta(days=30)
#: … and the clock of whoever pushes it is at most so far ahead of ours.
AHEAD: Final = timedelta(minutes=5)
#: Longest wait for a verdict, in seconds.
WAIT_LIMIT_S: Final = 30
#: How soon whoever met a full stream may try again, in seconds.
RETRY_AFTER_S: Final = 1

_WAIT: Final = re.compile(r"(?:^|[,;])\s*wait\s*=\s*\"?(\d{1,6})\"?\s*(?=$|[,;])", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Sending:
    """A frame as a request brings it."""

    camera: str
    content: Content
    #: When the exposure was made; None: nobody said.
    said_at: datetime | None
    #: What its sender calls it; None: nothing.
    key: str | None
    #: Who sends it.
    caller: str


def wait_s_of(prefer: str | None) -> int | None:
    """Return how long a request prefers to wait, in seconds; None: not at all.

    A preference nobody can read is as good as none (RFC 7240).
    """
    found = _WAIT.search(prefer or "")
    return None if found is None else min(int(found[1]), WAIT_LIMIT_S)


def push(given: Installation, sending: Sending) -> tuple[FrameKey, Pushed]:
    """Give a frame its identity and add it to its stream.

    Raises:
        NotFoundError: there is no such camera.
        ConflictError: its frames are captured, or its key came with another frame before.
        UnavailableError: a server does not answer; the frame was not taken.
        HTTPException: 422, the time of the exposure cannot be.
    """
    now = given.clock()
    _check_time(sending.said_at, now)
    with given.database.read() as connection:
        camera = get_camera(connection, sending.camera)
        row_id = camera_id(connection, sending.camera)
        last = ledger.last_sequence_number(connection, sending.camera)
        made = lines.get_line(connection, camera.line).product
    if not camera.is_pushed:
        raise ConflictError(
            f"camera {camera.name!r} is of kind {camera.source.kind!r}: `inspection capture` takes "
            "its frames, and nobody pushes them"
        )
    product = sending.content.product or camera.product or made
    pushed = given.pusher.push(camera, _push(sending, product, now), ledger_number=last, at=now)
    return (row_id, pushed.identity), pushed


def check_admission(pushed: Pushed, address: str) -> None:
    """Return if a frame is in its stream, or has been.

    Args:
        pushed: what became of it.
        address: where it can be looked at.

    Raises:
        HTTPException: the stream is full: 429, and nothing was taken; 503, and it was dropped.
    """
    camera, again = pushed.identity.camera, {"Retry-After": str(RETRY_AFTER_S)}
    if pushed.admission is Admission.FULL:
        raise HTTPException(
            HTTPStatus.TOO_MANY_REQUESTS,
            f"the stream of camera {camera!r} is full and nothing was taken: send the frame again",
            again,
        )
    if pushed.admission is Admission.DROPPED:
        raise HTTPException(
            HTTPStatus.SERVICE_UNAVAILABLE,
            f"the stream of camera {camera!r} is full: frame {pushed.identity.frame_id} was "
            "dropped, and counted as dropped; the next one may find room",
            again | {"Location": address},
        )


def _check_time(said_at: datetime | None, now: datetime) -> None:
    if said_at is not None and not now - OLDEST <= said_at <= now + AHEAD:
        raise HTTPException(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            f"captured_at is not within the last {OLDEST.days} days: set the clock of the machine "
            "that pushes, or leave it out",
        )


def _push(sending: Sending, product: str | None, now: datetime) -> Push:
    """Return the frame with the token that makes sending it again harmless."""
    fingerprint = _fingerprint(sending)
    if sending.key is not None:
        token, life = f"key {sending.caller} {sending.key}", TOKEN_LIFE
    elif sending.content.trigger_id is not None:
        # Triggers are counted from 0 again some day: only with the same picture it is the same.
        token, life = f"trigger {sending.content.trigger_id} {fingerprint}", TOKEN_LIFE
    else:
        token, life = str(uuid.uuid4()), OWN_TOKEN_LIFE
    return Push(
        content=replace(sending.content, product=product),
        captured_at=sending.said_at or now,
        token=token,
        fingerprint=fingerprint,
        token_life=life,
    )


def _fingerprint(sending: Sending) -> str:
    digest = hashlib.sha256(sending.content.payload)
    said = (sending.said_at, replace(sending.content, payload=b""))
    digest.update(repr(said).encode(errors="replace"))
    return digest.hexdigest()[:32]
