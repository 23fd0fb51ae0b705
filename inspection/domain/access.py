"""Who may do what: permissions, the roles that bundle them, and whoever asks."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from inspection.errors import ForbiddenError


class Permission(StrEnum):
    """One kind of thing somebody may do; also what an API key may be limited to (its scopes)."""

    #: Look at everything but the audit and who has access.
    READ = "read"
    #: Take the history away in one piece.
    EXPORT = "export"
    #: Decide about inspections.
    REVIEW = "review"
    #: Acknowledge, dismiss, resolve, shelve alerts.
    RESPOND = "respond"
    #: Send frames of a camera.
    PUSH = "push"
    #: Set thresholds.
    THRESHOLD = "threshold"
    #: Change lines, cameras, products, recipes, references, rules, channels, shifts.
    CONFIGURE = "configure"
    #: Have dead letters inspected again, or discard them.
    REDRIVE = "redrive"
    #: Look at who changed what.
    AUDIT = "audit"
    #: Make and change users and keys.
    ADMINISTER = "administer"


class Role(StrEnum):
    """What a user is to the plant; each may do all that the one before may."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ENGINEER = "engineer"
    ADMINISTRATOR = "administrator"

    @property
    def permissions(self) -> frozenset[Permission]:
        """Return what the role may do."""
        return PERMISSIONS[self]


_VIEWER: Final = frozenset({Permission.READ})
_OPERATOR: Final = _VIEWER | {Permission.EXPORT, Permission.REVIEW, Permission.RESPOND}
_ENGINEER: Final = _OPERATOR | {
    Permission.PUSH,
    Permission.THRESHOLD,
    Permission.CONFIGURE,
    Permission.REDRIVE,
}

PERMISSIONS: Final = {
    Role.VIEWER: _VIEWER,
    Role.OPERATOR: _OPERATOR,
    Role.ENGINEER: _ENGINEER,
    Role.ADMINISTRATOR: frozenset(Permission),
}


@dataclass(frozen=True, kw_only=True)
class Principal:
    """Whoever asks: a user, a key or a kiosk, and what it may do."""

    #: As it is written down with what it does: `anna`, `key gateway-7`, `kiosk wall-1`.
    name: str
    permissions: frozenset[Permission]
    #: Cameras that a key may push frames of; None: of all.
    cameras: frozenset[str] | None = None
    #: Of a browser; None: a key asks by itself.
    session_id: int | None = None
    #: Signed in with a temporary password, and may do nothing before it is changed.
    must_change_password: bool = False

    def check_grant(self, permissions: frozenset[Permission]) -> None:
        """Return if it may give others these permissions: nobody gives what they have not.

        Raises:
            ForbiddenError: it lacks one of them.
        """
        if missing := sorted(permissions - self.permissions):
            raise ForbiddenError(
                f"{self.name} has no permission to {', '.join(missing)}, and can give it to nobody"
            )

    def may_push(self, camera: str) -> bool:
        """Say whether frames of `camera` are taken from it."""
        is_meant = self.cameras is None or camera in self.cameras
        return Permission.PUSH in self.permissions and is_meant
