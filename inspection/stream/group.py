"""The consumer group of the cameras' streams, as one member of it uses it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import redis

from inspection.stream import replies
from inspection.stream.codec import frames_key
from inspection.stream.connection import AsyncClient
from inspection.stream.delivery import Delivery
from inspection.telemetry import logger

#: Entries that are claimed in one command.
_PAGE_COUNT = 8
#: Beginnings of error replies to a reader whose stream or group is gone, or goes while it waits.
_GONE = ("NOGROUP", "UNBLOCKED")

# XAUTOCLAIM and XCLAIM forget an entry that was trimmed while it was pending; if we ended before
# its row is written, nobody would know of it. So only entries that are there are claimed, and the
# others stay pending until they are settled.
# KEYS: frames. ARGV: group, member, idle ms, first id, entries at most.
# Answers id, delivery count and fields, or false, of each.
_CLAIM = """#!lua flags=allow-oom
local stale = redis.call('XPENDING', KEYS[1], ARGV[1], 'IDLE', ARGV[3], ARGV[4], '+', ARGV[5])
local answer = {}
for _, row in ipairs(stale) do
  local id, delivery_count, fields = row[1], row[4], false
  if redis.call('XRANGE', KEYS[1], id, id)[1] then
    local claimed = redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], ARGV[3], id)[1]
    fields, delivery_count = claimed[2], delivery_count + 1
  end
  answer[#answer + 1] = {id, delivery_count, fields}
end
return answer
"""


class Group:
    """Reading and claiming as one member; groups that are lost are made again.

    redis-py's errors pass through: whoever calls translates them.
    """

    def __init__(self, client: AsyncClient, *, name: str, member: str) -> None:
        """Use `client`, which stays the caller's."""
        self.name = name
        self._client = client
        self._member = member
        self._claim = client.register_script(_CLAIM)

    async def create(self, cameras: Iterable[str]) -> None:
        """Create streams and groups that are not there; entries from before are read too."""
        for camera in cameras:
            try:
                await self._client.xgroup_create(
                    frames_key(camera), self.name, id="0", mkstream=True
                )
            except redis.ResponseError as error:
                if not str(error).startswith("BUSYGROUP"):
                    raise

    async def read(
        self, after: Mapping[str, str], *, count: int, block_ms: int | None
    ) -> dict[str, list[replies.Row]]:
        """Return what XREADGROUP finds, by camera.

        Args:
            after: for each camera, in the order of reading: `>` for what nobody was given, or the
                id after which to read what this member holds.
            count: entries of one camera at most.
            block_ms: how long to wait; None not to wait.
        """
        cameras = {frames_key(camera): camera for camera in after}
        positions = {frames_key(camera): position for camera, position in after.items()}
        try:
            reply = await self._xreadgroup(positions, count, block_ms)
        except redis.ResponseError as error:
            await self._heal(error, after)
            reply = await self._xreadgroup(positions, count, block_ms)
        return {cameras[key]: rows for key, rows in replies.streams(reply).items()}

    async def counted(self, camera: str, rows: Sequence[replies.Row]) -> list[Delivery]:
        """Return entries this member holds, ascending, with their delivery counts."""
        if not rows:
            return []
        reply = await self._client.xpending_range(
            frames_key(camera),
            self.name,
            min=str(rows[0][0]),
            max=str(rows[-1][0]),
            count=len(rows),
            consumername=self._member,
        )
        counts = dict(replies.pending(reply))
        return [
            Delivery(
                camera=camera,
                entry_id=entry_id,
                fields=fields,
                delivery_count=counts.get(entry_id, 1),
            )
            for entry_id, fields in rows
        ]

    async def claim(self, camera: str, *, idle_ms: int) -> list[Delivery]:
        """Take over every entry that was delivered longer ago than `idle_ms`."""
        claimed: list[Delivery] = []
        first = "-"
        while page := await self._claim_page(camera, idle_ms, first):
            claimed.extend(page)
            first = f"({page[-1].entry_id}"
        return claimed

    async def _xreadgroup(
        self, positions: dict[str, str], count: int, block_ms: int | None
    ) -> object:
        return await self._client.xreadgroup(
            self.name, self._member, replies.sendable(positions), count=count, block=block_ms
        )

    async def _claim_page(self, camera: str, idle_ms: int, first: str) -> list[Delivery]:
        try:
            reply = await self._claim(
                keys=[frames_key(camera)],
                args=[self.name, self._member, idle_ms, first, _PAGE_COUNT],
            )
        except redis.ResponseError as error:
            await self._heal(error, [camera])
            return []
        return [
            Delivery(
                camera=camera,
                entry_id=replies.entry_id(entry_id),
                fields=None if pairs is None else dict(_paired(pairs)),
                delivery_count=delivery_count,
            )
            for entry_id, delivery_count, pairs in reply
        ]

    async def _heal(self, error: redis.ResponseError, cameras: Iterable[str]) -> None:
        if not str(error).startswith(_GONE):
            raise error
        # The server lost its data: begin again with what the cameras add from now on.
        logger().warning("group_lost", cameras=list(cameras))
        await self.create(cameras)


def _paired(flat: Sequence[bytes]) -> Iterator[tuple[bytes, bytes]]:
    return zip(flat[::2], flat[1::2], strict=True)
