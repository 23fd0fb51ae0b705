"""Waiting for the outcome of frames: one look at the ledger serves everybody who waits."""

import asyncio
from typing import Final

from inspection.errors import UnavailableError
from inspection.store.database import Database
from inspection.store.outcomes import FrameKey, settled

#: Requests that wait at most; further ones are answered at once.
WAITERS: Final = 256
#: Seconds between two looks while somebody waits; half of it is added to an answer on average.
LOOK_S: Final = 0.01
#: Seconds between two looks while the database does not answer.
OUTAGE_S: Final = 0.5


class Waiting:
    """Everybody in this process who waits for a frame; used in one event loop."""

    def __init__(self, *, limit_count: int = WAITERS) -> None:
        self._limit_count = limit_count
        self._waiters: dict[FrameKey, list[asyncio.Future[None]]] = {}
        self._looking: asyncio.Task[None] | None = None

    @property
    def is_full(self) -> bool:
        """Whether nobody else can wait."""
        return sum(map(len, self._waiters.values())) >= self._limit_count

    async def until_settled(self, database: Database, frame: FrameKey, wait_s: float) -> bool:
        """Wait until a frame has its row in the ledger; say whether it has one in time."""
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.setdefault(frame, []).append(waiter)
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look(database))
        try:
            await asyncio.wait_for(waiter, wait_s)
        except TimeoutError:
            return False
        finally:
            self._forget(frame, waiter)
        return True

    async def _look(self, database: Database) -> None:
        """Look again and again while somebody waits."""
        while self._waiters:
            wait_s = LOOK_S
            try:
                # Not in the threads that answer requests: they may all be busy.
                found = await asyncio.to_thread(_settled, database, list(self._waiters))
            except UnavailableError:
                found, wait_s = set(), OUTAGE_S
            for frame in found:
                for waiter in self._waiters.get(frame, ()):
                    if not waiter.done():
                        waiter.set_result(None)
            await asyncio.sleep(wait_s)

    def _forget(self, frame: FrameKey, waiter: asyncio.Future[None]) -> None:
        waiters = self._waiters[frame]
        waiters.remove(waiter)
        if not waiters:
            del self._waiters[frame]


def _settled(database: Database, frames: list[FrameKey]) -> set[FrameKey]:
    with database.read() as connection:
        return settled(connection, frames)
