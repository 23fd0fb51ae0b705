"""Sessions: browsers that are signed in, of a user or of a wall screen."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, Row, Select, delete, insert, or_, select, update

from inspection.domain.access import Permission, Principal, Role
from inspection.domain.token import Token, digest_of, new_token
from inspection.store.access_tables import keys, sessions, users

#: A user who does nothing for so long is signed out.
IDLE: Final = timedelta(hours=2)
#: A user is signed out after so long whatever they do: a shift with overtime.
LIFETIME: Final = timedelta(hours=12)
#: A wall screen stays signed in for so long; browsers keep no cookie longer.
KIOSK_LIFETIME: Final = timedelta(days=400)
#: How exactly it is known when a session was used.
SEEN_EVERY: Final = timedelta(minutes=1)


@dataclass(frozen=True, kw_only=True)
class Session:
    """A browser that is signed in."""

    session_id: int
    #: The user's; None: of a wall screen.
    user: str | None
    role: Role | None
    principal: Principal
    begun_at: datetime
    seen_at: datetime
    expires_at: datetime

    def is_seen_due(self, now: datetime) -> bool:
        """Say whether its use is to be written down."""
        return now - self.seen_at >= SEEN_EVERY


def begin_session(connection: Connection, user_id: int, now: datetime) -> Token:
    """Sign a browser of a user in; the cookie holds the token's text."""
    _forget_old(connection, now)
    connection.execute(update(users).where(users.c.id == user_id).values(last_signed_in_at=now))
    return _begin(connection, now, expires_at=now + LIFETIME, user_id=user_id)


def begin_kiosk(connection: Connection, key_id: int, now: datetime) -> Token:
    """Sign a wall screen in, for as long as its key is good."""
    _forget_old(connection, now)
    end_at = connection.scalar(select(keys.c.expires_at).where(keys.c.id == key_id))
    longest_at = now + KIOSK_LIFETIME
    expires_at = longest_at if end_at is None else min(end_at, longest_at)
    return _begin(connection, now, expires_at=expires_at, key_id=key_id)


def find_session(connection: Connection, text: str, now: datetime) -> Session | None:
    """Return the session whose cookie somebody shows; None when there is none, or it is over."""
    statement = _sessions().where(
        sessions.c.digest == digest_of(text),
        sessions.c.expires_at > now,
        or_(sessions.c.user_id.is_(None), sessions.c.seen_at > now - IDLE),
        users.c.disabled_at.is_(None),
        keys.c.revoked_at.is_(None),
        or_(keys.c.expires_at.is_(None), keys.c.expires_at > now),
    )
    row = connection.execute(statement).first()
    return None if row is None else _session(row)


def touch_session(connection: Connection, session_id: int, now: datetime) -> None:
    """Write down that a session is used."""
    is_older = (sessions.c.id == session_id, sessions.c.seen_at < now)
    connection.execute(update(sessions).where(*is_older).values(seen_at=now))


def end_session(connection: Connection, session_id: int) -> None:
    """Sign a browser out."""
    connection.execute(delete(sessions).where(sessions.c.id == session_id))


def end_shown(connection: Connection, text: str) -> None:
    """Sign out whoever was signed in with this cookie."""
    connection.execute(delete(sessions).where(sessions.c.digest == digest_of(text)))


def _begin(connection: Connection, now: datetime, **values: Any) -> Token:
    token = new_token("session")
    connection.execute(
        insert(sessions).values(digest=token.digest, begun_at=now, seen_at=now, **values)
    )
    return token


def _forget_old(connection: Connection, now: datetime) -> None:
    connection.execute(delete(sessions).where(sessions.c.expires_at <= now))


def _sessions() -> Select[*tuple[Any, ...]]:
    return (
        select(
            sessions,
            users.c.name.label("user"),
            users.c.role,
            users.c.temporary_until_at,
            keys.c.name.label("key"),
        )
        .outerjoin(users, users.c.id == sessions.c.user_id)
        .outerjoin(keys, keys.c.id == sessions.c.key_id)
    )


def _session(row: Row[*tuple[Any, ...]]) -> Session:
    role = None if row.role is None else Role(row.role)
    must_change = row.temporary_until_at is not None
    if role is None:
        permissions = frozenset({Permission.READ})
    else:
        permissions = frozenset() if must_change else role.permissions
    return Session(
        session_id=row.id,
        user=row.user,
        role=role,
        principal=Principal(
            name=row.user or f"kiosk {row.key}",
            permissions=permissions,
            session_id=row.id,
            must_change_password=must_change,
        ),
        begun_at=row.begun_at,
        seen_at=row.seen_at,
        expires_at=row.expires_at,
    )
