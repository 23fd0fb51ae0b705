"""A key: what a program or a wall screen shows instead of signing in."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from inspection.domain.access import Permission, Principal
from inspection.domain.line import checked_name
from inspection.errors import ConfigurationError


class KeyKind(StrEnum):
    """Who shows it."""

    #: A program.
    KEY = "key"
    #: A screen on the wall: may look, with GET alone.
    KIOSK = "kiosk"


@dataclass(frozen=True, kw_only=True)
class Key:
    """A key, without what opens."""

    name: str
    kind: KeyKind
    #: The beginning of its text, to know it by.
    prefix: str
    scopes: frozenset[Permission]
    #: Cameras it may push frames of; None: of all.
    cameras: frozenset[str] | None
    created_at: datetime
    created_by: str
    #: None: it does not end by itself.
    expires_at: datetime | None
    #: To the minute.
    last_used_at: datetime | None
    revoked_at: datetime | None

    @property
    def principal(self) -> Principal:
        """Who asks when it is shown."""
        return Principal(
            name=f"{self.kind} {self.name}", permissions=self.scopes, cameras=self.cameras
        )

    def why_not(self, now: datetime) -> str | None:
        """Say why it opens nothing at `now`: revoked or expired; None when it does."""
        if self.revoked_at is not None:
            return "revoked"
        is_over = self.expires_at is not None and self.expires_at <= now
        return "expired" if is_over else None


@dataclass(frozen=True, kw_only=True)
class KeyWish:
    """A key that somebody wants made."""

    name: str
    kind: KeyKind = KeyKind.KEY
    scopes: frozenset[Permission]
    cameras: frozenset[str] | None = None
    expires_at: datetime | None = None

    def check(self, now: datetime) -> None:
        """Return if such a key can be.

        Raises:
            ConfigurationError: it cannot.
        """
        checked_name(self.name, thing="key")
        if not self.scopes:
            raise ConfigurationError("a key needs a scope, for example read")
        if self.kind == KeyKind.KIOSK and self.scopes != {Permission.READ}:
            raise ConfigurationError("a kiosk may only read; take a key for anything else")
        if self.cameras is not None and self.scopes != {Permission.PUSH}:
            raise ConfigurationError("cameras limit a key whose one scope is push")
        if self.cameras is not None and not self.cameras:
            raise ConfigurationError("name the cameras, or none to leave it without limit")
        if self.expires_at is not None and self.expires_at <= now:
            raise ConfigurationError("the key would be over already; take a time to come")
