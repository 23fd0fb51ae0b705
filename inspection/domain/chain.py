"""The hash chain of the audit: what a link says, and the code that only who has a key can make.

The bytes, so that anybody may write a verifier of his own:

* canonical JSON: keys sorted, no spaces, every character outside ASCII escaped as JSON escapes it;
* moments: `2026-03-02T12:00:00.000000+00:00`, always UTC with six digits;
* a link's message, in UTF-8, is seven lines joined by a single line feed: `inspection-audit-1`, its
  number, its kind, its moment, the id of its key, the MAC of the link before it (64 zeros for link
  1), its statement (canonical JSON, exactly as it is stored);
* its MAC is HMAC-SHA-256 of the message, as 64 hexadecimal digits;
* the id of a key is the first 16 digits of HMAC-SHA-256 of `inspection-audit-key`;
* the key's bytes are those of its text in UTF-8;
* a link is made with the key that the link before it names: that link's own, or the one that a
  link of the kind `key` says comes next.
"""

import hashlib
import hmac
import json
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final, Self

from inspection.errors import ConfigurationError

FORMAT: Final = "inspection-audit-1"
#: What stands before the first link.
NOTHING: Final = "0" * 64
#: Characters of a key, at least: 32 hexadecimal digits are 128 bits.
LEAST_KEY: Final = 32
#: Bytes that a mark of a row has.
MARK_BYTES: Final = 8


class LinkKind(StrEnum):
    """What a link says."""

    #: The chain begins; what was there before is sealed as it was found.
    BEGIN = "begin"
    #: A row of `audit`, whole.
    CHANGE = "change"
    #: The links that follow are made with another key.
    KEY = "key"
    #: Rows of the ledger and their inspections, as they were recorded.
    LEDGER = "ledger"
    #: Rows of `reviews`.
    REVIEWS = "reviews"
    #: Versions of thresholds …
    THRESHOLDS = "thresholds"
    #: … and of recipes.
    RECIPES = "recipes"
    #: Rows that go because they are old enough.
    REMOVAL = "removal"


@dataclass(frozen=True, kw_only=True)
class AuditKeys:
    """The keys of the audit, the newest first; former ones only verify."""

    secrets: tuple[bytes, ...] = field(repr=False)

    @classmethod
    def of(cls, text: str) -> Self:
        """Read keys with commas or white space between them, the newest first.

        Raises:
            ConfigurationError: there is none, or one is too short to keep anything safe.
        """
        keys = tuple(part for part in re.split(r"[,\s]+", text) if part)
        if not keys or min(map(len, keys)) < LEAST_KEY:
            raise ConfigurationError(
                f"a key of the audit has at least {LEAST_KEY} characters; make one with "
                "`openssl rand -hex 32`"
            )
        return cls(secrets=tuple(key.encode() for key in keys))

    @property
    def newest(self) -> str:
        """Id of the newest key."""
        return key_id(self.secrets[0])

    def secret(self, wanted: str) -> bytes | None:
        """Return the key with an id, None when it is not one of these."""
        return next((secret for secret in self.secrets if key_id(secret) == wanted), None)


@dataclass(frozen=True, kw_only=True)
class Link:
    """One link of the chain, as it is stored."""

    #: From 1, without gaps.
    number: int
    #: A `LinkKind`, unless somebody has meddled with it.
    kind: str
    sealed_at: datetime
    key_id: str
    #: Canonical JSON.
    statement: str
    mac: str = ""

    @property
    def said(self) -> Any:
        """What the statement holds."""
        return json.loads(self.statement)

    @property
    def next_key_id(self) -> str:
        """Id of the key that the next link is made with."""
        return str(self.said["next"]) if self.kind == LinkKind.KEY else self.key_id

    def mac_after(self, former: str, secret: bytes) -> str:
        """Return the MAC that this link has after the one with the MAC `former`."""
        moment = moment_text(self.sealed_at)
        lines = (FORMAT, str(self.number), self.kind, moment, self.key_id, former, self.statement)
        # What somebody has forged may hold anything.
        message = "\n".join(lines).encode("utf-8", "surrogatepass")
        return hmac.digest(secret, message, hashlib.sha256).hex()


@dataclass(frozen=True, kw_only=True)
class Head:
    """The newest link: whoever has written it down finds out when the tail is cut off."""

    #: Number of the link, which is how many there are.
    number: int
    mac: str
    key_id: str
    sealed_at: datetime


def key_id(secret: bytes) -> str:
    """Return the name of a key, which says nothing of it."""
    return hmac.digest(secret, b"inspection-audit-key", hashlib.sha256).hex()[:16]


def mark_key(secret: bytes) -> bytes:
    """Return what marks are made with: HMAC-SHA-256 of `inspection-audit-marks`."""
    return hmac.digest(secret, b"inspection-audit-marks", hashlib.sha256)


def mark(key: bytes, text: str) -> bytes:
    """Return the mark of a row's text: BLAKE2b of 8 bytes, keyed with `mark_key`.

    Who has no key cannot even try which other rows have the same mark.
    """
    return hashlib.blake2b(text.encode(), key=key, digest_size=MARK_BYTES).digest()


def fingerprint(text: str) -> str:
    """Return the SHA-256 of a text, in hexadecimal digits."""
    return hashlib.sha256(text.encode()).hexdigest()


def canonical(value: Any) -> str:
    """Return a value as canonical JSON.

    Raises:
        TypeError: it holds something that JSON has no word for.
    """
    return _ENCODER.encode(value)


def moment_text(moment: datetime) -> str:
    """Return an aware moment as the chain writes it."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def _text(value: object) -> str:
    if isinstance(value, datetime):
        return moment_text(value)
    raise TypeError(f"{value!r} cannot be written as JSON")


_ENCODER: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":"), default=_text)
