"""A provider of identities (OpenID Connect), and what it says about who signs in."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from inspection.domain.access import Role
from inspection.errors import ConfigurationError

#: Stands for whatever else the provider says.
ANY: Final = "*"
#: From the one that may least.
_RANKS: Final = tuple(Role)


@dataclass(frozen=True, kw_only=True)
class Provider:
    """Where users sign in who have no password here."""

    #: Address of the provider, exactly as its tokens say.
    issuer: str
    client_id: str
    client_secret: str = field(repr=False)
    #: Claim of the token that says what a user is; dots lead into it: `realm_access.roles`.
    role_claim: str
    #: Role of each value of that claim; who has none of them may not sign in.
    roles: Mapping[str, Role]

    def role_of(self, claims: Mapping[str, Any]) -> Role | None:
        """Return the role of which a user may most; None when there is none."""
        found: Any = claims
        for key in self.role_claim.split("."):
            found = found.get(key) if isinstance(found, Mapping) else None
        values = found if isinstance(found, list) else [found]
        names = [value for value in values if isinstance(value, str)]
        roles = {self.roles[name] for name in (*names, ANY) if name in self.roles}
        return max(roles, key=_RANKS.index, default=None)


def roles_of(text: str) -> dict[str, Role]:
    """Read `plant-admins=administrator,quality=engineer,*=viewer`.

    Raises:
        ConfigurationError: it says something else.
    """
    roles: dict[str, Role] = {}
    for part in text.split(","):
        value, sign, role = part.strip().rpartition("=")
        if not sign or not value or role not in list(Role) or value in roles:
            raise ConfigurationError(
                f"{part.strip()!r} gives nobody a role; write VALUE=ROLE with commas between them, "
                f"each value once, with the roles {', '.join(Role)}"
            )
        roles[value] = Role(role)
    return roles
