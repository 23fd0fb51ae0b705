"""Frames into a camera's stream, with a named policy for when it is full."""

from collections.abc import Iterable
from enum import StrEnum
from typing import cast

from inspection.domain.frame import EntryId, Frame, FrameIdentity, milliseconds
from inspection.domain.health import CameraState
from inspection.domain.ledger import Cause
from inspection.domain.line import OverflowPolicy
from inspection.errors import ConfigurationError, InspectionError
from inspection.stream import backlog
from inspection.stream.codec import (
    ENTRY_LIMIT_BYTES,
    GROUP,
    SCHEMA,
    drops_key,
    encode,
    encode_drop,
    frames_key,
    state_key,
)
from inspection.stream.connection import Client, translated
from inspection.stream.ownership import OWNED, Owner, Ownership, host_of, taken_by
from inspection.stream.replies import sendable
from inspection.stream.state import encode_state

#: One in so many of a full stream's frames must be gone before there is room again.
_ROOM_SHARE = 8

#: Frames `drop_oldest` drops for one that comes, at most: after the limit was lowered a stream
#: shrinks in steps instead of holding up everybody else's commands.
_DROPS_AT_ONCE = 16

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
#       group, version, drops at once, then the fields of the entry.
# Answers what became of the frame, and the newest id before or who else has the camera.
_ADD = (
    OWNED
    + """
local owner = taken(KEYS[3], KEYS[4])
if owner then return {'taken', owner} end
local frames, drops = KEYS[1], KEYS[2]
local sequence_number, captured_at_ms = tonumber(ARGV[5]), tonumber(ARGV[6])
local policy, limit, group, version = ARGV[7], tonumber(ARGV[8]), ARGV[9], ARGV[10]
local drops_at_once = tonumber(ARGV[11])

local function field(pairs, name)
  for i = 1, #pairs, 2 do
    if pairs[i] == name then return pairs[i + 1] end
  end
end

local function drop(number, time_ms)
  redis.call('XADD', drops, '*', 'v', version, 'sequence_number', number,
             'captured_at_ms', time_ms, 'cause', policy)
end

local newest_drop = redis.call('XREVRANGE', drops, '+', '-', 'COUNT', '1')[1]
if newest_drop and field(newest_drop[2], 'sequence_number') == ARGV[5] then
  return {'dropped', ''}
end

-- FULL with COUNT 1 copies one picture, the short form copies two.
local last, delivered, length = '', '-', 0
if redis.call('EXISTS', frames) == 1 then
  local info = redis.call('XINFO', 'STREAM', frames, 'FULL', 'COUNT', '1')
  last, length = field(info, 'last-generated-id'), field(info, 'length')
  for _, one in ipairs(field(info, 'groups')) do
    if field(one, 'name') == group then delivered = '(' .. field(one, 'last-delivered-id') end
  end
end

local time_ms = captured_at_ms
if last ~= '' then
  local last_ms, last_number = string.match(last, '^(%d+)-(%d+)$')
  last_ms, last_number = tonumber(last_ms), tonumber(last_number)
  -- Decided before, and the answer was lost: its id has its own time or a later one.
  if sequence_number == last_number and captured_at_ms <= last_ms then return {'added', last} end
  if sequence_number <= last_number then return {'behind', last} end
  time_ms = math.max(last_ms, captured_at_ms)
end
local id = string.format('%.0f-%.0f', time_ms, sequence_number)

if policy == 'drop_oldest' then
  local dropped = 0
  while length >= limit and dropped < drops_at_once do
    local oldest = redis.call('XRANGE', frames, delivered, '+', 'COUNT', '1')[1]
    if not oldest then break end
    local oldest_ms, number = string.match(oldest[1], '^(%d+)-(%d+)$')
    local known_ms = field(oldest[2], 'captured_at_ms')
    if known_ms and string.match(known_ms, '^%d+$') then oldest_ms = known_ms end
    drop(number, oldest_ms)
    redis.call('XDEL', frames, oldest[1])
    dropped, length = dropped + 1, length - 1
  end
  if dropped > 0 then limit = length + 1 end
end

if length >= limit then
  if policy == 'block' then return {'full', last} end
  drop(ARGV[5], ARGV[6])
  -- The stream remembers the number; the record leaves as soon as the ledger has it.
  redis.call('XSETID', frames, id)
  return {'dropped', last}
end
redis.call('XADD', frames, id, unpack(ARGV, 12))
return {'added', last}
"""
)


class Admission(StrEnum):
    """What became of a frame that was to be added."""

    #: It is in the stream, or has been and is settled.
    ADDED = "added"
    #: It is not; the stream is full and the policy is to wait: add it again later.
    FULL = "full"
    #: It is not and will not be; a drop record says why.
    DROPPED = "dropped"


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
        with translated(self._client):
            outcome, last = cast(
                "tuple[bytes, bytes]",
                self._add(
                    keys=[frames_key(self._camera), drops_key(self._camera), *self._ownership.keys],
                    args=[
                        *self._ownership.arguments,
                        identity.sequence_number,
                        milliseconds(identity.captured_at),
                        self._overflow.value,
                        self._backlog_limit,
                        GROUP,
                        SCHEMA,
                        _DROPS_AT_ONCE,
                        *(part for field in encode(frame).items() for part in field),
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
