"""The bytes of frames nobody could inspect, kept per camera within a budget."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final, cast

from redis.exceptions import OutOfMemoryError

from inspection.domain.frame import EntryId, FrameIdentity
from inspection.domain.ledger import Uninspected
from inspection.errors import CodecError
from inspection.stream import replies
from inspection.stream.codec import (
    GROUP,
    dead_letter_index_key,
    dead_letters_key,
    encode_dead_letter,
    frames_key,
    letter_field,
    lettered,
    suspects_key,
)
from inspection.stream.connection import AsyncClient, translated
from inspection.stream.delivery import Delivery
from inspection.telemetry import logger

#: Budget of a camera's dead-letter stream when nobody says otherwise.
DEAD_LETTER_BYTES: Final = 64 * 2**20
#: Pending ids a command returns.
_PENDING_COUNT: Final = 500

# One step: an entry that was acknowledged but not deleted would stay for ever. A script and not
# MULTI, in which a server whose memory is full takes no command at all: settling is what frees it.
# KEYS: frames, suspects. ARGV: group, then ids.
SETTLE: Final = """#!lua flags=allow-oom
redis.call('XACK', KEYS[1], ARGV[1], unpack(ARGV, 2))
redis.call('XDEL', KEYS[1], unpack(ARGV, 2))
redis.call('HDEL', KEYS[2], unpack(ARGV, 2))
"""

# One step again: add, index, trim the oldest to the budget, and settle the original.
# KEYS: dead letters, index, frames, suspects.
# ARGV: field of the index, bytes, budget, group, id of the original or '', fields of the letter.
# Answers the fields of the index whose letters are not kept.
_KEEP: Final = """#!lua
local letters, index = KEYS[1], KEYS[2]
local field, size, budget = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local gone = {}

local function oldest()
  local entry = redis.call('XRANGE', letters, '-', '+', 'COUNT', '1')[1]
  if not entry then return end
  for i = 1, #entry[2], 2 do
    if entry[2][i] == 'letter' then return entry[1], entry[2][i + 1] end
  end
  return entry[1]
end

if size > budget then
  gone[1] = field
elseif redis.call('HEXISTS', index, field) == 0 then
  local total = tonumber(redis.call('HGET', index, 'size_bytes') or '0')
  while total + size > budget do
    local id, name = oldest()
    if not id then
      total = 0
      break
    end
    local place = name and redis.call('HGET', index, name)
    if place then
      total = total - tonumber(string.match(place, ' (%d+)$'))
      redis.call('HDEL', index, name)
      gone[#gone + 1] = name
    end
    redis.call('XDEL', letters, id)
  end
  local id = redis.call('XADD', letters, '*', unpack(ARGV, 6))
  redis.call('HSET', index, field, id .. ' ' .. string.format('%.0f', size),
             'size_bytes', string.format('%.0f', total + size))
end

if ARGV[5] ~= '' then
  redis.call('XACK', KEYS[3], ARGV[4], ARGV[5])
  redis.call('XDEL', KEYS[3], ARGV[5])
  redis.call('HDEL', KEYS[4], ARGV[5])
end
return gone
"""

# KEYS: dead letters, index. ARGV: field of the index.
_REMOVE: Final = """#!lua flags=allow-oom
local place = redis.call('HGET', KEYS[2], ARGV[1])
if not place then return end
local id, size = string.match(place, '^(%S+) (%d+)$')
redis.call('XDEL', KEYS[1], id)
redis.call('HDEL', KEYS[2], ARGV[1])
redis.call('HINCRBY', KEYS[2], 'size_bytes', '-' .. size)
"""


class DeadLetters:
    """The dead-letter streams of all cameras."""

    def __init__(self, client: AsyncClient, *, budget_bytes: int = DEAD_LETTER_BYTES) -> None:
        """Use `client`, which stays the caller's.

        Args:
            client: a client of `inspection.stream.connection.connect_async`.
            budget_bytes: what the letters of one camera may have together.
        """
        self._client = client
        self._budget_bytes = budget_bytes
        self._keep = client.register_script(_KEEP)
        self._remove = client.register_script(_REMOVE)

    async def keep(
        self, delivery: Delivery, letter: Uninspected, *, at: datetime
    ) -> list[FrameIdentity]:
        """Settle an entry nobody can inspect and keep a copy; twice is harmless.

        When the server's memory is full there is no copy.

        Args:
            delivery: the entry; its row is committed.
            letter: why nobody can; its identity finds the copy.
            at: now.

        Returns:
            The frames whose bytes are not kept, or not any more: this one when it is too large for
            the budget, and older ones that made room.

        Raises:
            UnavailableError: the server does not answer.
        """
        camera, entry_id = delivery.camera, str(delivery.entry_id)
        fields = dict(delivery.fields or {})
        with translated(self._client):
            if not fields:
                await self._settle(camera, entry_id)
                return []
            fields |= encode_dead_letter(delivery.entry_id, letter, at)
            try:
                gone = await self._kept(camera, letter_field(letter.identity), fields, entry_id)
            except OutOfMemoryError:
                logger().warning(
                    "dead_letter_left_out",
                    frame_id=letter.identity.frame_id,
                    reason=letter.reason.value,
                )
                await self._settle(camera, entry_id)
                return [letter.identity]
        return [frame for field in gone if (frame := lettered(camera, field)) is not None]

    async def keep_drop(
        self,
        camera: str,
        record_id: EntryId,
        fields: Mapping[bytes, bytes],
        error: CodecError,
    ) -> None:
        """Keep a drop record nobody can read; redis-py's errors pass through."""
        name = f"drop-{record_id}"
        why = {b"letter": name.encode(), b"reason": error.reason.encode()}
        ids = {b"entry_id": str(record_id).encode()}
        await self._kept(camera, name, {**fields, **why, **ids}, "")

    async def read(self, identity: FrameIdentity) -> Mapping[bytes, bytes] | None:
        """Return the fields of a frame's dead letter, None when it is not kept.

        Raises:
            UnavailableError: the server does not answer.
        """
        camera = identity.camera
        with translated(self._client):
            place = await self._client.hget(dead_letter_index_key(camera), letter_field(identity))
            if place is None:
                return None
            letter_id = cast("bytes", place).partition(b" ")[0]
            reply = await self._client.xrange(
                dead_letters_key(camera), min=letter_id, max=letter_id
            )
        rows = replies.rows(reply)
        return rows[0][1] if rows else None

    async def is_pending(self, identity: FrameIdentity) -> bool:
        """Say whether a frame's entry is still in an inspector's hands, and its letter may come.

        Raises:
            UnavailableError: the server does not answer.
        """
        first = "-"
        with translated(self._client):
            while True:
                page = replies.pending(
                    await self._client.xpending_range(
                        frames_key(identity.camera), GROUP, first, "+", _PENDING_COUNT
                    )
                )
                if any(one.sequence_number == identity.sequence_number for one, _ in page):
                    return True
                if len(page) < _PENDING_COUNT:
                    return False
                first = f"({page[-1][0]}"

    async def remove(self, identities: Iterable[FrameIdentity]) -> None:
        """Remove the dead letters of frames; those that are not kept are passed over.

        Raises:
            UnavailableError: the server does not answer.
        """
        with translated(self._client):
            for identity in identities:
                camera = identity.camera
                await self._remove(
                    keys=[dead_letters_key(camera), dead_letter_index_key(camera)],
                    args=[letter_field(identity)],
                )

    async def forget_attempts(self, camera: str, entry_ids: Iterable[EntryId]) -> None:
        """Begin anew to count how often entries were tried alone.

        Raises:
            UnavailableError: the server does not answer.
        """
        if names := [str(entry_id) for entry_id in entry_ids]:
            with translated(self._client):
                await self._client.hdel(suspects_key(camera), *names)

    async def _kept(
        self, camera: str, field: str, fields: Mapping[bytes, bytes], entry_id: str
    ) -> list[str]:
        size_bytes = sum(map(len, fields.values()))
        gone = await self._keep(
            keys=[
                dead_letters_key(camera),
                dead_letter_index_key(camera),
                frames_key(camera),
                suspects_key(camera),
            ],
            args=[
                field,
                size_bytes,
                self._budget_bytes,
                GROUP,
                entry_id,
                *(part for pair in fields.items() for part in pair),
            ],
        )
        return [name.decode() for name in cast("list[bytes]", gone)]

    async def _settle(self, camera: str, entry_id: str) -> None:
        await self._client.eval(
            SETTLE, 2, frames_key(camera), suspects_key(camera), GROUP, entry_id
        )
