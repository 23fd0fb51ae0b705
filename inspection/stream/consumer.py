"""Frames out of the cameras' streams, each held until it is settled."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Sequence

from redis.asyncio.client import Pipeline

from inspection.domain.frame import EntryId, Frame
from inspection.domain.ledger import Reason
from inspection.errors import CodecError
from inspection.stream import replies
from inspection.stream.codec import (
    ENTRY_LIMIT_BYTES,
    GROUP,
    decode,
    decode_drop,
    drops_key,
    frames_key,
    suspects_key,
)
from inspection.stream.connection import AsyncClient, translated
from inspection.stream.dead_letters import DEAD_LETTER_BYTES, SETTLE, DeadLetters
from inspection.stream.delivery import Delivery, DropRecord
from inspection.stream.group import Group
from inspection.telemetry import logger

#: Entries of one camera that are read in one command when there may be many.
_PAGE_COUNT = 8


class Consumer:
    """One member of the group that inspects; every entry goes to one member."""

    def __init__(
        self,
        client: AsyncClient,
        *,
        name: str,
        reclaim_idle_ms: int,
        entry_limit_bytes: int = ENTRY_LIMIT_BYTES,
        dead_letter_bytes: int = DEAD_LETTER_BYTES,
    ) -> None:
        """Read through `client`, which stays the caller's.

        Args:
            client: a client of `inspection.stream.connection.connect_async`.
            name: of this member; the same after a restart, and no two living ones alike.
            reclaim_idle_ms: an entry that was delivered longer ago is stale. More than the
                longest time from taking a batch to settling it, warm-up included.
            entry_limit_bytes: bytes an encoded picture may have.
            dead_letter_bytes: budget of a camera's dead-letter stream.
        """
        #: Of this member.
        self.name = name
        self._client = client
        self._group = Group(client, name=GROUP, member=name)
        #: The dead letters of the cameras.
        self.dead_letters = DeadLetters(client, budget_bytes=dead_letter_bytes)
        self._reclaim_idle_ms = reclaim_idle_ms
        self._entry_limit_bytes = entry_limit_bytes
        self._turn = 0

    async def prepare(self, cameras: Iterable[str]) -> None:
        """Create streams and groups that are not there; entries from before are read too.

        Raises:
            UnavailableError: the server does not answer or its memory is full.
        """
        with translated(self._client):
            await self._group.create(cameras)

    async def resume(self, cameras: Iterable[str]) -> list[Delivery]:
        """Return what this consumer held when it ended; call it once, at the start.

        Raises:
            UnavailableError: the server does not answer.
        """
        held: list[Delivery] = []
        after = dict.fromkeys(cameras, "0")
        with translated(self._client):
            while after:
                found = await self._group.read(after, count=_PAGE_COUNT, block_ms=None)
                for camera, rows in found.items():
                    held.extend(await self._group.counted(camera, rows))
                after = {camera: str(rows[-1][0]) for camera, rows in found.items() if rows}
        return held

    async def take(self, cameras: Sequence[str], *, count: int, block_ms: int) -> list[Delivery]:
        """Return frames nobody was given before, of every camera that has some.

        Args:
            cameras: names of the cameras; each call begins with another one.
            count: frames of one camera at most, so that a full stream does not hold up the others.
            block_ms: how long to wait for the first frame; 0 to look once.

        Raises:
            UnavailableError: the server does not answer.
        """
        if not cameras:
            await asyncio.sleep(block_ms / 1000)
            return []
        first = self._turn % len(cameras)
        self._turn += 1
        after = dict.fromkeys([*cameras[first:], *cameras[:first]], ">")
        with translated(self._client):
            found = await self._group.read(after, count=count, block_ms=block_ms or None)
        return [
            Delivery(camera=camera, entry_id=entry_id, fields=fields, delivery_count=1)
            for camera, rows in found.items()
            for entry_id, fields in rows
        ]

    async def reclaim(self, cameras: Iterable[str]) -> list[Delivery]:
        """Take over everybody's stale entries, also one's own.

        What comes back may be in the caller's hands already, if it has held it too long. Trimmed
        entries come again with every call until they are settled.

        Raises:
            UnavailableError: the server does not answer.
        """
        with translated(self._client):
            return [
                delivery
                for camera in cameras
                for delivery in await self._group.claim(camera, idle_ms=self._reclaim_idle_ms)
            ]

    def frame(self, delivery: Delivery) -> Frame:
        """Return the frame that was delivered.

        Raises:
            CodecError: it was trimmed, or the entry cannot be read; `reason` is a value of
                `inspection.domain.ledger.Reason`.
        """
        if delivery.fields is None:
            raise CodecError(
                Reason.TRIMMED, "the entry was removed from the stream before it was inspected"
            )
        return decode(
            delivery.camera,
            delivery.entry_id,
            delivery.fields,
            limit_bytes=self._entry_limit_bytes,
        )

    async def settle(self, deliveries: Iterable[Delivery]) -> None:
        """Acknowledge and delete entries whose rows are committed.

        Raises:
            UnavailableError: the server does not answer.
        """
        entry_ids: defaultdict[str, list[EntryId]] = defaultdict(list)
        for delivery in deliveries:
            entry_ids[delivery.camera].append(delivery.entry_id)
        with translated(self._client):
            async with self._client.pipeline(transaction=False) as pipe:
                for camera, ids in entry_ids.items():
                    self._queue_settle(pipe, camera, ids)
                await pipe.execute()

    async def attempted_alone(self, delivery: Delivery) -> int:
        """Count one more attempt to inspect the entry alone and return how many there were.

        Raises:
            UnavailableError: the server does not answer or its memory is full.
        """
        with translated(self._client):
            count = await self._client.hincrby(
                suspects_key(delivery.camera), str(delivery.entry_id), 1
            )
        return int(count)

    async def drops(self, cameras: Iterable[str], *, count: int) -> list[DropRecord]:
        """Return the oldest drop records of each camera, `count` of one at most.

        A record nobody can read is moved to the dead-letter stream.

        Raises:
            UnavailableError: the server does not answer.
        """
        found: list[DropRecord] = []
        with translated(self._client):
            for camera in cameras:
                reply = await self._client.xrange(drops_key(camera), count=count)
                for record_id, fields in replies.rows(reply):
                    record = await self._drop_record(camera, record_id, fields or {})
                    found.extend([record] if record is not None else [])
        return found

    async def settle_drops(self, records: Iterable[DropRecord]) -> None:
        """Delete drop records whose rows are committed.

        Raises:
            UnavailableError: the server does not answer.
        """
        with translated(self._client):
            async with self._client.pipeline(transaction=False) as pipe:
                for record in records:
                    _queue(pipe.xdel(drops_key(record.camera), str(record.record_id)))
                await pipe.execute()

    async def _drop_record(
        self, camera: str, record_id: EntryId, fields: replies.Fields
    ) -> DropRecord | None:
        try:
            dropped, cause = decode_drop(camera, fields)
        except CodecError as error:
            await self.dead_letters.keep_drop(camera, record_id, fields, error)
            await self._client.xdel(drops_key(camera), str(record_id))
            logger().warning("drop_unreadable", camera=camera, reason=error.reason)
            return None
        return DropRecord(camera=camera, record_id=record_id, identity=dropped, cause=cause)

    def _queue_settle(self, pipe: Pipeline, camera: str, entry_ids: Sequence[EntryId]) -> None:
        keys, ids = (frames_key(camera), suspects_key(camera)), map(str, entry_ids)
        _queue(pipe.eval(SETTLE, len(keys), *keys, self._group.name, *ids))


def _queue(_command: object) -> None:
    """Take what a pipeline answers to a queued command: the pipeline itself, not an awaitable."""
