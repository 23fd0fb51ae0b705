"""Dead letters that somebody wants inspected again: they go the way of every frame.

1. Claim letters that are requested, for a lease that is renewed as long as this process lives.
2. Read their bytes from the dead-letter stream; whoever takes frames admits them like others. What
   ends a replica is told from an outage in the same way, too, and not tried for ever.
3. The writer settles them: the ledger's row moves, in the transaction that settles the letter.
4. Only then the bytes go; what a killed process left of them is found and removed by the next.
"""

import asyncio
from collections.abc import Callable, Collection, Mapping
from datetime import datetime, timedelta
from typing import Final

from inspection.domain.frame import EntryId, FrameIdentity
from inspection.errors import CodecError
from inspection.store import redriving
from inspection.store.database import Database
from inspection.store.redriving import Claim
from inspection.stream.dead_letters import DeadLetters
from inspection.stream.delivery import Delivery
from inspection.telemetry import logger

#: Letters whose bytes are removed at a time.
SWEEP_COUNT: Final = 256

#: A letter whose bytes have not reached the dead-letter stream yet is left alone for so long.
ON_ITS_WAY_S: Final = 5.0


class Redrive:
    """The dead letters one inspector has taken."""

    def __init__(
        self,
        database: Database,
        dead_letters: DeadLetters,
        *,
        name: str,
        clock: Callable[[], datetime],
    ) -> None:
        """Prepare.

        Args:
            database: where letters are requested and claimed.
            dead_letters: where their bytes are.
            name: of the inspector; the same after a restart, and no two living ones alike.
            clock: gives aware UTC times.
        """
        self._database = database
        self._dead_letters = dead_letters
        self._name = name
        self._clock = clock
        self._held: set[int] = set()

    async def take(self, *, limit: int) -> list[Delivery]:
        """Return letters that are to be inspected again, `limit` at most; they are held now.

        Raises:
            UnavailableError: the database or the server of the streams does not answer; what was
                claimed is taken again by the next call.
        """
        claims = await asyncio.to_thread(self._claim, limit)
        deliveries: dict[int, Delivery] = {}
        for claim in claims:
            if (found := await self._opened(claim)) is not None:
                deliveries[claim.letter_id] = found
        self._held.update(deliveries)
        return list(deliveries.values())

    def release(self, letter_ids: Collection[int]) -> None:
        """Let go of letters that are settled."""
        self._held.difference_update(letter_ids)

    async def sweep(self) -> None:
        """Remove the bytes of letters that nobody needs any more.

        Raises:
            UnavailableError: the database or the server of the streams does not answer.
        """
        while left := await asyncio.to_thread(self._leftovers):
            await self._dead_letters.remove(left.values())
            await asyncio.to_thread(self._swept, list(left))

    def _claim(self, limit: int) -> list[Claim]:
        now = self._clock()
        with self._database.read() as connection:
            is_idle = not (self._held or redriving.is_wanted(connection))
        if is_idle:
            return []
        with self._database.write() as connection:
            redriving.renew(connection, self._held, by=self._name, at=now)
            return redriving.claim(
                connection, by=self._name, at=now, limit=limit, without=self._held
            )

    async def _opened(self, claim: Claim) -> Delivery | None:
        fields = await self._dead_letters.read(claim.identity)
        if fields is None:
            await self._lack(claim)
            return None
        entry_id = _original(fields, claim)
        camera = claim.identity.camera
        if claim.claim_count == 1:
            await self._dead_letters.forget_attempts(camera, [entry_id])
        return Delivery(
            camera=camera,
            entry_id=entry_id,
            fields=fields,
            delivery_count=claim.claim_count,
            letter_id=claim.letter_id,
        )

    async def _lack(self, claim: Claim) -> None:
        """Give up a letter without bytes, unless its entry is still on its way here."""
        if await self._dead_letters.is_pending(claim.identity):
            await asyncio.to_thread(self._postpone, claim)
            return
        logger().warning("dead_letter_gone", frame_id=claim.identity.frame_id)
        await asyncio.to_thread(self._give_up, claim)

    def _postpone(self, claim: Claim) -> None:
        until = self._clock() + timedelta(seconds=ON_ITS_WAY_S)
        with self._database.write() as connection:
            redriving.postpone(connection, claim.letter_id, by=self._name, until=until)

    def _give_up(self, claim: Claim) -> None:
        with self._database.write() as connection:
            redriving.give_up(connection, claim.letter_id, by=self._name)

    def _leftovers(self) -> Mapping[int, FrameIdentity]:
        with self._database.read() as connection:
            return redriving.leftovers(connection, limit=SWEEP_COUNT)

    def _swept(self, letter_ids: list[int]) -> None:
        with self._database.write() as connection:
            redriving.sweep(connection, letter_ids)


def _original(fields: Mapping[bytes, bytes], claim: Claim) -> EntryId:
    try:
        return EntryId.parse(fields[b"entry_id"].decode())
    except (KeyError, UnicodeDecodeError, CodecError):
        # Somebody has tampered with it; the decoder will say what is wrong.
        return EntryId(time_ms=0, sequence_number=claim.identity.sequence_number)
