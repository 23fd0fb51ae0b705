"""A user: somebody with a name, a role, and a way to sign in."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from inspection.domain.access import Role
from inspection.errors import ConfigurationError

#: Names may be addresses of mail, as a provider of identities gives them.
NAME_PATTERN: Final = re.compile(r"[a-z0-9][a-z0-9_.@+-]{0,63}")


@dataclass(frozen=True, kw_only=True)
class User:
    """Somebody who may sign in."""

    name: str
    role: Role
    #: A disabled user cannot sign in; what they did keeps their name.
    is_enabled: bool
    #: Has a password here; otherwise comes by a provider of identities or a one-time link.
    has_password: bool
    #: When a temporary password ends, which must be changed at the first sign-in; None: it is none.
    temporary_until_at: datetime | None
    #: Comes from a provider of identities, which also says the role.
    is_external: bool
    created_at: datetime
    created_by: str
    last_signed_in_at: datetime | None


def checked_user_name(name: str) -> str:
    """Return `name` as it is kept: in small letters, so that nobody is called like another.

    Raises:
        ConfigurationError: it cannot be the name of a user.
    """
    kept = name.lower()
    if not NAME_PATTERN.fullmatch(kept):
        raise ConfigurationError(
            f"user name {name[:64]!r} cannot be used: take 1 to 64 letters (a-z), digits, '_', "
            "'.', '@', '+' or '-', beginning with a letter or digit"
        )
    return kept
