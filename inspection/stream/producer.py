"""Frames into a camera's stream, with a named policy for when it is full."""

from collections.abc import Iterable
from typing import cast

from inspection.domain.frame import EntryId, Frame, FrameIdentity
from inspection.domain.health import CameraState
from inspection.domain.ledger import Cause
from inspection.domain.line import OverflowPolicy
from inspection.errors import ConfigurationError, InspectionError
from inspection.stream import backlog
from inspection.stream.admission import ADMISSION, DROPS_AT_ONCE, Admission
from inspection.stream.codec import (
    ENTRY_LIMIT_BYTES,
    GROUP,
    SCHEMA,
    drops_key,
    encode_content,
    encode_drop,
    encode_identity,
    frames_key,
    state_key,
)
from inspection.stream.connection import Client, translated
from inspection.stream.ownership import OWNED, Owner, Ownership, host_of, taken_by
from inspection.stream.replies import sendable
from inspection.stream.state import encode_state

#: One in so many of a full stream's frames must be gone before there is room again.
_ROOM_SHARE = 8

# KEYS: state, owner, refused. ARGV: as for `taken`, then the fields of the state.
# Answers who else has the camera.
_REPORT = (
    OWNED
    + """
local owner = taken(KEYS[2], KEYS[3])
if not owner then redis.call('HSET', KEYS[1], unpack(ARGV, 5)) end
return owner
"""
)

# Everything in one atomic step, so that nothing is lost or counted twice whenever it is cut off.
# KEYS: frames, drops, owner, refused.
# ARGV: as for `taken`, then sequence number, captured_at_ms, overflow policy, limit of the backlog,
#       group, version, drops at once, then the fields of the entry that follow its identity.
# Answers what became of the frame, and the newest id before or who else has the camera.
_ADD = (
    OWNED
    + ADMISSION
    + """
local owner = taken(KEYS[3], KEYS[4])
if owner then return {'taken', owner} end
local newest_drop = redis.call('XREVRANGE', KEYS[2], '+', '-', 'COUNT', '1')[1]
if newest_drop and field(newest_drop[2], 'sequence_number') == ARGV[5] then
  return {'dropped', ''}
end
local seen = look(KEYS[1], ARGV[9])
if seen.last ~= '' then
  local sequence_number = tonumber(ARGV[5])
  -- Decided before, and the answer was lost: its id has its own time or a later one.
  if sequence_number == seen.last_number and tonumber(ARGV[6]) <= seen.last_ms then
    return {'added', seen.last}
  end
  if sequence_number <= seen.last_number then return {'behind', seen.last} end
end
local to = {frames = KEYS[1], drops = KEYS[2], policy = ARGV[7], limit = tonumber(ARGV[8]),
            version = ARGV[10], drops_at_once = tonumber(ARGV[11]), seen = seen}
return {admit(to, ARGV[5], ARGV[6], 12), seen.last}
"""
)


class Producer:
    """The one writer of a camera's stream."""

    def __init__(
        self,
        client: Client,
        *,
        camera: str,
        overflow: OverflowPolicy,
        backlog_limit: int,
        entry_limit_bytes: int = ENTRY_LIMIT_BYTES,
        owner: Owner | None = None,
    ) -> None:
        """Write through `client`, which stays the caller's.

        Args:
            client: a client of `inspection.stream.connection.connect`.
            camera: name of the camera.
            overflow: what to do when the stream is full.
            backlog_limit: frames the stream holds at most, those being inspected included.
            entry_limit_bytes: bytes an encoded picture may have.
            owner: who writes; None when it is known that nobody else does.

        Raises:
            ConfigurationError: the limit leaves no room for a single frame.
        """
        if backlog_limit < 1:
            raise ConfigurationError(
                f"camera {camera!r}: backlog_limit is {backlog_limit}, take 1 or more"
            )
        self._client = client
        self._camera = camera
        self._overflow = overflow
        self._backlog_limit = backlog_limit
        self._entry_limit_bytes = entry_limit_bytes
        self._ownership = Ownership(client, camera=camera, owner=owner)
        self._add = client.register_script(_ADD)
        self._report = client.register_script(_REPORT)

    @property
    def ownership(self) -> Ownership:
        """Whose camera it is."""
        return self._ownership

    def last_entry(self) -> EntryId | None:
        """Return the newest id whose frame was added or dropped here, None when there is none.

        Frames that are too large or were dropped by the caller are not known here.

        Raises:
            UnavailableError: the server does not answer.
        """
        return backlog.last_entry(self._client, self._camera)

    def add(self, frame: Frame) -> Admission:
        """Add the frame to the stream, or do what the policy says when it is full.

        A frame that was added or dropped before, but whose answer was lost, is not added twice:
        the same call may be repeated after an UnavailableError until it answers.

        Raises:
            UnavailableError: the server does not answer or its memory is full.
            ConfigurationError: another machine captures the camera.
            InspectionError: a frame with a greater number was added before.
        """
        if len(frame.payload) > self._entry_limit_bytes:
            self.drop(frame.identity, Cause.TOO_LARGE)
            return Admission.DROPPED
        identity = frame.identity
        given = encode_identity(identity)
        with translated(self._client):
            outcome, last = cast(
                "tuple[bytes, bytes]",
                self._add(
                    keys=[frames_key(self._camera), drops_key(self._camera), *self._ownership.keys],
                    args=[
                        *self._ownership.arguments,
                        given[b"sequence_number"],
                        given[b"captured_at_ms"],
                        self._overflow.value,
                        self._backlog_limit,
                        GROUP,
                        SCHEMA,
                        DROPS_AT_ONCE,
                        *(part for field in encode_content(frame).items() for part in field),
                    ],
                ),
            )
        if outcome == b"taken":
            raise taken_by(host_of(last), self._camera)
        if outcome == b"behind":
            raise InspectionError(
                f"frame {identity.frame_id} cannot be added: the stream has been at "
                f"{last.decode()} already"
            )
        return Admission(outcome.decode())

    def has_room(self) -> bool:
        """Say, without sending a picture, whether waiting for room is over.

        An eighth of the limit must be free, so that frames follow one another for a while before
        the stream is full again; asking before each of them would cost more than adding them.

        Raises:
            UnavailableError: the server does not answer.
        """
        free_count = max(1, self._backlog_limit // _ROOM_SHARE)
        with translated(self._client):
            frame_count = int(self._client.xlen(frames_key(self._camera)))
        return frame_count <= self._backlog_limit - free_count

    def drop(self, identity: FrameIdentity, cause: Cause) -> None:
        """Record that the frame was dropped; recording it twice is harmless.

        Raises:
            UnavailableError: the server does not answer or its memory is full.
        """
        self.drop_all([(identity, cause)])

    def drop_all(self, dropped: Iterable[tuple[FrameIdentity, Cause]]) -> None:
        """Record that frames were dropped, all of them or none; twice is harmless.

        Raises:
            UnavailableError: the server does not answer or its memory is full.
        """
        with translated(self._client), self._client.pipeline(transaction=True) as pipe:
            for identity, cause in dropped:
                pipe.xadd(drops_key(self._camera), sendable(encode_drop(identity, cause)))
            pipe.execute()

    def report(self, said: CameraState) -> str | None:
        """Say what the camera is doing, unless another machine captures it; return its name then.

        Raises:
            UnavailableError: the server does not answer or its memory is full.
        """
        fields = (part for field in encode_state(said).items() for part in field)
        with translated(self._client):
            taken = self._report(
                keys=[state_key(self._camera), *self._ownership.keys],
                args=[*self._ownership.arguments, *fields],
            )
        return None if taken is None else host_of(taken)
