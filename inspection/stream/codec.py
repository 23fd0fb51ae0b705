"""What is written to Redis: every key, its type and every field.

One hash tag a camera keeps its keys on one server. `v` is the version of the wire format; an
entry of another version is refused. Numbers are decimal ASCII, texts UTF-8. Optional fields are
left out when nobody gave them; fields that are not listed here are ignored.

inspection:{CAMERA}:frames        stream   frames that wait or are being inspected
    entry id                milliseconds-sequence_number (`inspection.domain.frame.EntryId`)
    last-generated-id       of the newest frame that was added, or dropped because it was full
    v                       1
    sequence_number         the number in the entry id again
    captured_at_ms          exposure, milliseconds since 1970; the entry id's time may be later,
                            because ids go on increasing when a clock is set back
    payload                 the encoded picture
    media_type              image/jpeg, image/png or application/octet-stream
    product, part_serial, lot, trigger_id     optional
    group `inspectors`      everybody who inspects

inspection:{CAMERA}:drops         stream   frames that were dropped and are not in the ledger yet
    entry id                given by the server
    v, sequence_number, captured_at_ms
    cause                   a value of `inspection.domain.ledger.Cause`

inspection:{CAMERA}:dead-letters  stream   entries nobody could inspect, the oldest going first when
                                           their bytes are more than the budget
    entry id                given by the server
    every field of the original entry
    letter                  its field in the index
    entry_id                id of the original entry
    reason                  a value of `inspection.domain.ledger.Reason`
    detail                  one sentence for people
    dead_lettered_at_ms     milliseconds since 1970

inspection:{CAMERA}:dead-letter-index  hash   where the dead letters of frames are
    SEQUENCE_NUMBER-CAPTURED_AT_MS   entry id in the dead-letter stream, a space, bytes
    drop-ID                 the same of a drop record nobody could read, by its id
    size_bytes              bytes of all that the index names

inspection:{CAMERA}:suspects      hash     entry id -> how often it was tried alone

inspection:{CAMERA}:state         hash     what the camera says (`inspection.stream.state`)
    v
    state                   a value of `inspection.domain.health.CaptureState`
    detail                  one sentence for people, may be empty
    reported_at_ms          milliseconds since 1970
    host                    name of the machine that captures it
    last_frame_at_ms        optional; exposure of its newest frame
    quiet_ms                since its newest exposure, or its start
    interval_ms             optional; usual time between exposures
    view, view_detail       what it sees: a value of `inspection.domain.view.ViewState`, a sentence

inspection:{CAMERA}:owner         string   `JOURNAL HOST` of who captures it; expires soon after
                                           its last sign of life
inspection:{CAMERA}:pushed:TOKEN  string   `FINGERPRINT OUTCOME SEQUENCE_NUMBER CAPTURED_AT_MS` of a
                                           frame that was pushed, so that sending it again does not
                                           double it; expires after a while
inspection:{CAMERA}:refused       string   HOST that was refused because another one captures it;
                                           expires after a while
"""

from collections.abc import Mapping
from datetime import datetime
from typing import get_args

from inspection.domain.frame import (
    Content,
    EntryId,
    Frame,
    FrameIdentity,
    MediaType,
    milliseconds,
    moment,
)
from inspection.domain.ledger import Cause, Reason, Uninspected
from inspection.errors import CodecError

#: Version of the wire format.
SCHEMA = b"1"
#: The consumer group of all inspectors.
GROUP = "inspectors"
#: Bytes the payload of an entry may have.
ENTRY_LIMIT_BYTES = 32 * 1024 * 1024

#: Last millisecond a `datetime` can hold: the end of the year 9999.
_LAST_MS = 253_402_300_799_999
#: Digits of the largest number an entry id can hold, 2^64 - 1.
_MOST_DIGITS = 20
_TEXTS = ("product", "part_serial", "lot", "trigger_id")
_MEDIA_TYPES: Mapping[bytes, MediaType] = {name.encode(): name for name in get_args(MediaType)}


def frames_key(camera: str) -> str:
    """Return the key of the stream of frames."""
    return f"inspection:{{{camera}}}:frames"


def drops_key(camera: str) -> str:
    """Return the key of the stream of drop records."""
    return f"inspection:{{{camera}}}:drops"


def dead_letters_key(camera: str) -> str:
    """Return the key of the dead-letter stream."""
    return f"inspection:{{{camera}}}:dead-letters"


def dead_letter_index_key(camera: str) -> str:
    """Return the key of the hash that finds dead letters."""
    return f"inspection:{{{camera}}}:dead-letter-index"


def suspects_key(camera: str) -> str:
    """Return the key of the hash that counts attempts on single frames."""
    return f"inspection:{{{camera}}}:suspects"


def state_key(camera: str) -> str:
    """Return the key of the hash that says what the camera is doing."""
    return f"inspection:{{{camera}}}:state"


def owner_key(camera: str) -> str:
    """Return the key that says who captures the camera."""
    return f"inspection:{{{camera}}}:owner"


def pushed_key(camera: str, token: str) -> str:
    """Return the key that says what became of the frame that was pushed with a token."""
    return f"inspection:{{{camera}}}:pushed:{token}"


def refused_key(camera: str) -> str:
    """Return the key that says who wanted to capture the camera and was refused."""
    return f"inspection:{{{camera}}}:refused"


def encode(frame: Frame) -> dict[bytes, bytes]:
    """Return the fields of the frame's entry.

    Raises:
        CodecError: the exposure was made before 1970.
    """
    return {**encode_identity(frame.identity), **encode_content(frame)}


def encode_content(content: Content) -> dict[bytes, bytes]:
    """Return the fields of an entry that follow its identity."""
    fields = {b"payload": content.payload, b"media_type": content.media_type.encode()}
    for name in _TEXTS:
        text: str | None = getattr(content, name)
        if text is not None:
            fields[name.encode()] = _encoded_text(text)
    return fields


def decode(
    camera: str,
    entry_id: EntryId,
    fields: Mapping[bytes, bytes],
    *,
    limit_bytes: int = ENTRY_LIMIT_BYTES,
) -> Frame:
    """Return the frame of an entry.

    Raises:
        CodecError: another version wrote it (`schema`), its payload has more than `limit_bytes`
            (`too_large`), or a field is missing or holds nonsense (`malformed`).
    """
    _check_schema(fields)
    payload = _field(fields, b"payload")
    if len(payload) > limit_bytes:
        raise CodecError(
            Reason.TOO_LARGE, f"the picture has {len(payload)} bytes; the limit is {limit_bytes}"
        )
    found = _decoded_identity(camera, fields)
    if found.sequence_number != entry_id.sequence_number:
        raise CodecError(
            Reason.MALFORMED,
            f"entry {entry_id} says it is frame {found.sequence_number}",
        )
    media_type = _MEDIA_TYPES.get(_field(fields, b"media_type"))
    if media_type is None:
        raise CodecError(Reason.MALFORMED, f"media type {fields[b'media_type'][:80]!r} is unknown")
    return Frame(
        identity=found,
        payload=payload,
        media_type=media_type,
        product=_text(fields, b"product"),
        part_serial=_text(fields, b"part_serial"),
        lot=_text(fields, b"lot"),
        trigger_id=_text(fields, b"trigger_id"),
    )


def identity(camera: str, entry_id: EntryId, fields: Mapping[bytes, bytes] | None) -> FrameIdentity:
    """Return the best that can be known of an entry's identity, however damaged it is.

    The sequence number is the entry id's. The time is the exposure's if the fields say it and the
    entry id's otherwise.
    """
    try:
        captured_at = _time(fields or {}, b"captured_at_ms")
    except CodecError:
        captured_at = moment(min(entry_id.time_ms, _LAST_MS))
    return FrameIdentity(
        camera=camera, sequence_number=entry_id.sequence_number, captured_at=captured_at
    )


def encode_drop(dropped: FrameIdentity, cause: Cause) -> dict[bytes, bytes]:
    """Return the fields of a drop record."""
    return {**encode_identity(dropped), b"cause": cause.value.encode()}


def decode_drop(camera: str, fields: Mapping[bytes, bytes]) -> tuple[FrameIdentity, Cause]:
    """Return who was dropped and why.

    Raises:
        CodecError: as for `decode`.
    """
    _check_schema(fields)
    cause = _field(fields, b"cause")
    try:
        return _decoded_identity(camera, fields), Cause(cause.decode())
    except ValueError as error:
        raise CodecError(Reason.MALFORMED, f"the cause {cause[:80]!r} is unknown") from error


def letter_field(identity: FrameIdentity) -> str:
    """Return the field of a frame in the index of dead letters."""
    return f"{identity.sequence_number}-{milliseconds(identity.captured_at)}"


def lettered(camera: str, field: str) -> FrameIdentity | None:
    """Return the frame a field of the index of dead letters stands for; None: another thing."""
    number, _, captured_at_ms = field.partition("-")
    if not (number.isdigit() and captured_at_ms.isdigit()):
        return None
    found = FrameIdentity(
        camera=camera, sequence_number=int(number), captured_at=moment(int(captured_at_ms))
    )
    return found if found.is_possible else None


def encode_dead_letter(entry_id: EntryId, letter: Uninspected, at: datetime) -> dict[bytes, bytes]:
    """Return what a dead letter has beside the fields of the original entry."""
    return {
        b"letter": letter_field(letter.identity).encode(),
        b"entry_id": str(entry_id).encode(),
        b"reason": letter.reason.value.encode(),
        b"detail": _encoded_text(letter.detail),
        b"dead_lettered_at_ms": b"%d" % milliseconds(at),
    }


def encode_identity(known: FrameIdentity) -> dict[bytes, bytes]:
    """Return the fields of an entry that say which frame it is.

    Raises:
        CodecError: the exposure was made before 1970.
    """
    captured_at_ms = milliseconds(known.captured_at)
    if captured_at_ms < 0:
        raise CodecError(Reason.MALFORMED, f"frame {known.frame_id} was made before 1970")
    return {
        b"v": SCHEMA,
        b"sequence_number": b"%d" % known.sequence_number,
        b"captured_at_ms": b"%d" % captured_at_ms,
    }


def _decoded_identity(camera: str, fields: Mapping[bytes, bytes]) -> FrameIdentity:
    found = FrameIdentity(
        camera=camera,
        sequence_number=_number(fields, b"sequence_number"),
        captured_at=_time(fields, b"captured_at_ms"),
    )
    if not found.is_possible:
        raise CodecError(Reason.MALFORMED, f"no frame has the number {found.sequence_number}")
    return found


def _check_schema(fields: Mapping[bytes, bytes]) -> None:
    version = _field(fields, b"v")
    if version != SCHEMA:
        raise CodecError(
            Reason.SCHEMA, f"the entry has version {version[:80]!r}, this program reads {SCHEMA!r}"
        )


def _field(fields: Mapping[bytes, bytes], name: bytes) -> bytes:
    try:
        return fields[name]
    except KeyError:
        raise CodecError(Reason.MALFORMED, f"the entry has no {name.decode()}") from None


def _number(fields: Mapping[bytes, bytes], name: bytes) -> int:
    digits = _field(fields, name)
    if not digits.isdigit() or len(digits) > _MOST_DIGITS:
        raise CodecError(Reason.MALFORMED, f"{name.decode()} {digits[:80]!r} is no number")
    return int(digits)


def _time(fields: Mapping[bytes, bytes], name: bytes) -> datetime:
    time_ms = _number(fields, name)
    if time_ms > _LAST_MS:
        raise CodecError(Reason.MALFORMED, f"{name.decode()} {time_ms} is after the year 9999")
    return moment(time_ms)


def _text(fields: Mapping[bytes, bytes], name: bytes) -> str | None:
    encoded = fields.get(name)
    if encoded is None:
        return None
    try:
        text = encoded.decode()
    except UnicodeDecodeError as error:
        raise CodecError(Reason.MALFORMED, f"{name.decode()} is not UTF-8") from error
    if "\0" in text:
        # PostgreSQL has no such character.
        raise CodecError(Reason.MALFORMED, f"{name.decode()} holds a NUL character")
    return text


def _encoded_text(text: str) -> bytes:
    # File names may hold bytes that are no text; a question mark is better than a lost frame.
    return text.replace("\0", "?").encode(errors="replace")
