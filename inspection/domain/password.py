"""What a password must be: long, and not what is tried first."""

import secrets
import unicodedata
from typing import Final

from inspection.errors import ConfigurationError

#: Fewest characters. Length is what makes guessing hopeless; rules about kinds of characters only
#: make passwords that are hard to remember (NIST SP 800-63B).
LENGTH_FROM: Final = 12
#: Most characters: enough for any sentence, too few to keep a server busy.
LENGTH_TO: Final = 256
#: Fewest different characters.
VARIETY: Final = 5
#: What passwords are made of that are tried first; of what is left there must be enough.
COMMON: Final = (
    *("password", "passwort", "passw0rd", "administrator", "admin", "inspection", "operator"),
    *("engineer", "viewer", "welcome", "willkommen", "changeme", "letmein", "iloveyou", "factory"),
    *("qwertyuiop", "qwertzuiop", "qwerty", "qwertz", "asdfghjkl", "asdf", "yxcvbnm", "zxcvbnm"),
    *("1q2w3e4r", "abcdefgh", "abcd", "secret", "dragon", "monkey", "football", "sunshine"),
    *("0123456789", "1234567890", "12345678", "123456", "1234", "123", "2025", "2026"),
)
#: 32 signs that nobody takes for one another.
LETTERS: Final = "abcdefghijkmnpqrstuvwxyz23456789"
#: Fewest characters besides the common ones and the user's name.
REST_FROM: Final = 6


def normalised(password: str) -> str:
    """Return the password in the one form in which keyboards and systems agree (NFKC)."""
    return unicodedata.normalize("NFKC", password)


def checked_password(password: str, *, user: str) -> str:
    """Return the password as it is hashed.

    Raises:
        ConfigurationError: it would be guessed, or is too long; the message never holds it.
    """
    kept = normalised(password)
    if not LENGTH_FROM <= len(kept) <= LENGTH_TO:
        raise ConfigurationError(f"take a password of {LENGTH_FROM} to {LENGTH_TO} characters")
    if not kept.isprintable():
        raise ConfigurationError("a password takes no control characters")
    rest = kept.lower()
    for known in (user.lower(), *user.lower().split("@"), *COMMON):
        # One letter would go from everywhere.
        rest = rest.replace(known, "") if len(known) > 2 else rest  # noqa: PLR2004
    if len(rest) < REST_FROM or len(set(kept)) < VARIETY:
        raise ConfigurationError(
            "this password is among those that are tried first; take several words that do not "
            "belong together"
        )
    return kept


def new_password() -> str:
    """Return a random password that can be read out and typed: 80 bits in four groups."""
    letters = "".join(secrets.choice(LETTERS) for _ in range(16))
    return "-".join(letters[start : start + 4] for start in range(0, 16, 4))
