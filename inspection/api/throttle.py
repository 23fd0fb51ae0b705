"""Slows guessing of passwords down without locking out whoever they belong to.

What a sign-in counts against depends on the browser (OWASP, *device cookies*):

* a browser in which this user has signed in before has a count of its own;
* all other browsers share one count for the user name: however many addresses an attacker has,
  there are ten guesses in a quarter of an hour;
* and every address has a count over all names, against trying one password on everybody.

So whoever guesses at `anna` locks out browsers that `anna` never used, and not hers. The proof that
a browser was used is an HMAC keyed by what is kept of the password: it ends when that changes, and
nothing needs to be remembered. Names that nobody has are counted like others, or the answer would
tell them apart.
"""

import hashlib
import hmac
import ipaddress
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from limits import RateLimitItem, RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter

from inspection.errors import RateLimitedError

#: Attempts at one user name: ten in a quarter of an hour.
PER_NAME: Final = RateLimitItemPerMinute(10, 15)
#: Attempts from one address; a whole shift may come from one, through a proxy.
PER_ADDRESS: Final = RateLimitItemPerMinute(60, 5)
#: So many counts are kept apart, a few MiB; names beyond that share one with others. Which with
#: which, nobody outside can know.
COUNTS: Final = 65_536
_V6: Final = 6
#: A browser remembers so many users of its.
USERS_OF_BROWSER: Final = 8


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One attempt to sign in."""

    name: str
    address: str
    #: The proof that this user has signed in with this browser before; None: it has none.
    device: str | None


class Throttle:
    """Counts attempts; of one process, shared by its threads."""

    def __init__(self) -> None:
        self._limiter = FixedWindowRateLimiter(MemoryStorage())
        self._salt = secrets.token_bytes(32)

    def check(self, attempt: Attempt) -> None:
        """Count an attempt before its password is looked at.

        Raises:
            RateLimitedError: it is one too many; the password is not to be looked at.
        """
        for item, count in self._counts(attempt):
            if not self._limiter.hit(item, count):
                reset_at, _ = self._limiter.get_window_stats(item, count)
                raise RateLimitedError(
                    "too many attempts to sign in; try again later, or use a browser that you have "
                    "signed in with before",
                    retry_after_s=max(1.0, reset_at - datetime.now(UTC).timestamp()),
                )

    def forget(self, attempt: Attempt) -> None:
        """Forget the failures before a sign-in that went well; those of the address stay."""
        item, count = self._counts(attempt)[-1]
        self._limiter.clear(item, count)

    def _counts(self, attempt: Attempt) -> tuple[tuple[RateLimitItem, str], ...]:
        of_name = ("device", attempt.device) if attempt.device else ("name", attempt.name)
        return (
            (PER_ADDRESS, self._place("address", _network(attempt.address))),
            (PER_NAME, self._place(*of_name)),
        )

    def _place(self, kind: str, value: str) -> str:
        salted = hmac.digest(self._salt, f"{kind} {value}".encode("utf-8", "replace"), "sha256")
        return str(int.from_bytes(salted[:8]) % COUNTS)


def _network(address: str) -> str:
    """Return what one client has: of IPv6, whoever has one address has 2^64."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    return str(ipaddress.ip_network((found, 64), strict=False)) if found.version == _V6 else address


def proof_of(name: str, password_hash: str) -> str:
    """Return what a browser keeps in which `name` has signed in."""
    return hmac.new(password_hash.encode(), f"device {name}".encode(), hashlib.sha256).hexdigest()


def proofs_in(cookie: str | None) -> tuple[str, ...]:
    """Return the proofs that a browser has."""
    return tuple((cookie or "").split("."))[:USERS_OF_BROWSER]


def is_known(cookie: str | None, proof: str) -> bool:
    """Say whether a browser has a proof."""
    return any(hmac.compare_digest(each.encode(), proof.encode()) for each in proofs_in(cookie))


def with_proof(cookie: str | None, proof: str) -> str:
    """Return what the browser keeps from now on."""
    others = (each for each in proofs_in(cookie) if each and each != proof)
    return ".".join((proof, *others)[:USERS_OF_BROWSER])
