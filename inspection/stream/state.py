"""What a camera says of itself, as it is written to Redis."""

from collections.abc import Mapping
from typing import cast

from inspection.domain.frame import milliseconds, moment
from inspection.domain.health import CameraState
from inspection.domain.ledger import Reason
from inspection.domain.view import View, ViewState
from inspection.errors import CodecError
from inspection.stream.codec import SCHEMA, state_key
from inspection.stream.connection import Client, translated


def state(client: Client, camera: str) -> CameraState | None:
    """Return what the camera said last, None when it never said anything.

    Raises:
        UnavailableError: the server does not answer.
        CodecError: another version wrote it.
    """
    with translated(client):
        fields = client.hgetall(state_key(camera))
    return decode_state(cast("dict[bytes, bytes]", fields)) if fields else None


def encode_state(said: CameraState) -> dict[bytes, bytes]:
    """Return the fields of the state hash."""
    fields = {
        b"v": SCHEMA,
        b"state": _encoded(said.state),
        b"detail": _encoded(said.detail),
        b"reported_at_ms": b"%d" % milliseconds(said.reported_at),
        b"host": _encoded(said.host),
        b"quiet_ms": b"%d" % round(1000 * said.quiet_s),
        b"view": said.view.state.encode(),
        b"view_detail": _encoded(said.view.detail),
    }
    if said.last_frame_at is not None:
        fields[b"last_frame_at_ms"] = b"%d" % milliseconds(said.last_frame_at)
    if said.interval_s is not None:
        fields[b"interval_ms"] = b"%d" % round(1000 * said.interval_s)
    return fields


def decode_state(fields: Mapping[bytes, bytes]) -> CameraState:
    """Return what the camera said; what earlier versions did not say is left out.

    Raises:
        CodecError: another version wrote it (`schema`), or a field is missing or holds nonsense
            (`malformed`).
    """
    if fields.get(b"v") != SCHEMA:
        raise CodecError(Reason.SCHEMA, "what the camera says is of another version")
    last_frame_at_ms, interval_ms = fields.get(b"last_frame_at_ms"), fields.get(b"interval_ms")
    try:
        return CameraState(
            state=fields[b"state"].decode(),
            detail=fields[b"detail"].decode(),
            reported_at=moment(int(fields[b"reported_at_ms"])),
            host=fields.get(b"host", b"").decode(),
            last_frame_at=None if last_frame_at_ms is None else moment(int(last_frame_at_ms)),
            quiet_s=int(fields.get(b"quiet_ms", 0)) / 1000,
            interval_s=None if interval_ms is None else int(interval_ms) / 1000,
            view=View(
                state=ViewState(fields.get(b"view", b"unknown").decode()),
                detail=fields.get(b"view_detail", b"").decode(),
            ),
        )
    except (KeyError, ValueError, OverflowError, OSError) as error:
        raise CodecError(
            Reason.MALFORMED, f"what the camera says cannot be read: {error}"
        ) from error


def _encoded(text: str) -> bytes:
    # PostgreSQL has no NUL character, and details go there.
    return text.replace("\0", "?").encode(errors="replace")
