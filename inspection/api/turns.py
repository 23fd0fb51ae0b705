"""Work that takes much memory: a little of it at a time."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import BoundedSemaphore

from inspection.errors import UnavailableError


class Turns:
    """Lets so many work at once, and some more wait, each in a thread of the server."""

    def __init__(self, *, at_once: int, waiting: int) -> None:
        self._places = BoundedSemaphore(at_once + waiting)
        self._turns = BoundedSemaphore(at_once)

    @contextmanager
    def place(self) -> Iterator[None]:
        """Hold a place, without working yet.

        Raises:
            UnavailableError: enough are waiting already.
        """
        if not self._places.acquire(blocking=False):
            raise UnavailableError("too many ask for the same at this moment; try again later")
        try:
            yield
        finally:
            self._places.release()

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Work in turn.

        Raises:
            UnavailableError: enough are waiting already.
        """
        with self.place(), self._turns:
            yield
