"""How much one transaction removes, and how long others then have the database to themselves."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

#: How long a transaction should take, in seconds: whoever records waits no longer than that.
TRANSACTION_S: Final = 0.015
#: The pause after a transaction, as a multiple of the time it took.
PAUSE_RATIO: Final = 1.0
#: Rows of one transaction.
LEAST_ROWS: Final = 25
MOST_ROWS: Final = 1_000


class Pace:
    """Learns from every transaction how many rows the next one may have."""

    def __init__(self, pause: Callable[[float], object]) -> None:
        """Begin carefully.

        Args:
            pause: waits so many seconds, or less when the process is to end.
        """
        self._pause = pause
        self.limit = 4 * LEAST_ROWS

    @contextmanager
    def step(self) -> Iterator[int]:
        """Give the rows of a transaction; measure it, then make way for others."""
        begun_s = time.monotonic()
        yield self.limit
        took_s = time.monotonic() - begun_s
        wanted = int(self.limit * TRANSACTION_S / max(took_s, 1e-4))
        # One slow transaction may have waited for others; it must not stop the work.
        self.limit = max(LEAST_ROWS, self.limit // 2, min(MOST_ROWS, 2 * self.limit, wanted))
        self._pause(took_s * PAUSE_RATIO)
