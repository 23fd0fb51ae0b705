"""Passwords, hashed with Argon2id; how many at once is bounded, and with it the memory."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.low_level import Type

from inspection.domain.password import normalised
from inspection.errors import UnavailableError

#: What OWASP's password storage cheat sheet asks for at least: 19 MiB, two passes, one lane.
MEMORY_KIB: Final = 19 * 1024
PASSES: Final = 2
LANES: Final = 1
#: So many are hashed at once: 38 MiB.
AT_ONCE: Final = 2
#: So many more may wait, each in a thread of the server; the next one is told to come back.
WAITING: Final = 8


class Passwords:
    """Hashes and verifies passwords, a few at a time; shared by the threads of a process."""

    def __init__(
        self,
        *,
        memory_kib: int = MEMORY_KIB,
        passes: int = PASSES,
        at_once: int = AT_ONCE,
        waiting: int = WAITING,
    ) -> None:
        self._hasher = PasswordHasher(
            time_cost=passes, memory_cost=memory_kib, parallelism=LANES, type=Type.ID
        )
        self._places = threading.BoundedSemaphore(at_once + waiting)
        self._turns = threading.BoundedSemaphore(at_once)
        #: Of nobody: verifying against it takes as long as against somebody's.
        self._nobody: str | None = None

    def hashed(self, password: str) -> str:
        """Return what is kept of a password, with its parameters and a salt of its own.

        Raises:
            UnavailableError: too many are hashed already.
        """
        with self._turn():
            return self._hasher.hash(_bytes(password))

    def is_right(self, password: str, kept: str | None) -> bool:
        """Say whether it is the password of which `kept` was kept; takes as long for None.

        Raises:
            UnavailableError: too many are hashed already.
        """
        with self._turn():
            if self._nobody is None:
                self._nobody = self._hasher.hash("nobody")
            try:
                self._hasher.verify(kept or self._nobody, _bytes(password))
            except (VerificationError, InvalidHashError):
                return False
            return bool(kept)

    def is_outdated(self, kept: str) -> bool:
        """Say whether it was hashed with other parameters than passwords are now."""
        return self._hasher.check_needs_rehash(kept)

    @contextmanager
    def _turn(self) -> Iterator[None]:
        if not self._places.acquire(blocking=False):
            raise UnavailableError("too many are signing in at this moment; try again in a second")
        try:
            with self._turns:
                yield
        finally:
            self._places.release()


def _bytes(password: str) -> bytes:
    # Half a character, as JSON may hold one, is nobody's password and no reason to fail.
    return normalised(password).encode("utf-8", "surrogatepass")
