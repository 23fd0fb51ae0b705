"""Tokens: long random words that open something to whoever has them.

`key_1f0c9a7e_pW…` is a word for its kind, eight digits to know it by, and 256 random bits. Only the
SHA-256 of a token is kept. A slow hash, as passwords need, would add nothing: 2^256 tokens cannot
be tried at any speed, and every request of a program would cost 19 MiB and a hundredth of a second.
"""

import hashlib
import secrets
from dataclasses import dataclass, field
from typing import Final

#: Random bytes of a token.
SECRET_BYTES: Final = 32
#: Random bytes of what it is known by.
PREFIX_BYTES: Final = 4


@dataclass(frozen=True, kw_only=True)
class Token:
    """A new token: the only time that its text is known."""

    text: str = field(repr=False)
    #: What people know it by; opens nothing.
    prefix: str

    @property
    def digest(self) -> str:
        """What is kept of it."""
        return digest_of(self.text)


def new_token(kind: str) -> Token:
    """Return a token nobody can guess; `kind` is its first word: key, kiosk, session, link."""
    prefix = f"{kind}_{secrets.token_hex(PREFIX_BYTES)}"
    return Token(text=f"{prefix}_{secrets.token_urlsafe(SECRET_BYTES)}", prefix=prefix)


def digest_of(text: str) -> str:
    """Return the digest of a token that somebody shows: 64 hexadecimal digits."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
