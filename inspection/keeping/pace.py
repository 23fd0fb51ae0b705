"""How much one transaction removes, and how long others then have the database to themselves."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection

from inspection.store.database import Database


@dataclass(frozen=True, kw_only=True)
class Manner:
    """How to share a database with those who record."""

    #: How long a transaction should take, in seconds: nobody waits longer than that for it.
    transaction_s: float
    #: The pause after it, as a multiple of the time it took.
    pause_ratio: float


#: There is one writer at a time, and who waits looks now and then, up to 25 ms apart: the database
#: must be found free most of the time.
SQLITE: Final = Manner(transaction_s=0.012, pause_ratio=2.0)
#: Only who records frames of the same cameras waits, and goes on at once.
POSTGRESQL: Final = Manner(transaction_s=0.03, pause_ratio=1.0)
#: Rows of one transaction; with fewer, beginning and ending it would take most of its time.
LEAST_ROWS: Final = 250
MOST_ROWS: Final = 1_000


class Pace:
    """Transactions that remove, each followed by a pause; it learns how many rows they may have."""

    def __init__(self, database: Database, pause: Callable[[float], object]) -> None:
        """Begin carefully.

        Args:
            database: where to remove.
            pause: waits so many seconds, or less when the process is to end.
        """
        self._database = database
        self._pause = pause
        self._manner = SQLITE if database.is_sqlite else POSTGRESQL
        self._limit = LEAST_ROWS

    @contextmanager
    def transaction(self) -> Iterator[tuple[Connection, int]]:
        """Give a transaction and the most rows it should remove; then make way for others.

        Raises:
            UnavailableError: the database does not answer.
        """
        with self._database.write_soon() as connection:
            # From here on others wait; before, this one may have waited for them.
            begun_s = time.monotonic()
            yield connection, self._limit
        took_s = time.monotonic() - begun_s
        wanted = int(self._limit * self._manner.transaction_s / max(took_s, 1e-4))
        self._limit = max(LEAST_ROWS, min(MOST_ROWS, 2 * self._limit, wanted))
        self._pause(took_s * self._manner.pause_ratio)
