"""One-time links: whoever follows one first is signed in."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection, delete, insert, select, update

from inspection.domain.key import KeyKind
from inspection.domain.token import Token, digest_of, new_token
from inspection.errors import ConflictError, NotFoundError
from inspection.store.access_tables import keys, links, users
from inspection.store.audit import Change, add_change

#: A link that nobody followed for so long is over.
LIFETIME: Final = timedelta(minutes=15)


#: Where a link leads, below the interface's address.
PATH: Final = "/api/v1/sign-in"


@dataclass(frozen=True, kw_only=True)
class Link:
    """Whom a link signs in: a user or a wall screen, by the id of its row."""

    user_id: int | None
    key_id: int | None


def link_to_user(
    connection: Connection,
    name: str,
    *,
    is_local: bool,
    at: datetime,
    by: str,
    lifetime: timedelta = LIFETIME,
) -> Token:
    """Make a link that signs `name` in once.

    Args:
        connection: of a transaction that writes.
        name: of an enabled user.
        is_local: good for browsers on the server's own machine alone.
        at: now.
        by: who makes it.
        lifetime: how long it may be followed.

    Raises:
        NotFoundError: there is no such user, or it is disabled.
    """
    is_it = (users.c.name == name, users.c.disabled_at.is_(None))
    user_id = connection.scalar(select(users.c.id).where(*is_it))
    if user_id is None:
        raise NotFoundError(f"there is no user {name!r} who may sign in")
    token = new_token("link")
    _insert(connection, token, at + lifetime, at=at, user_id=user_id, is_local=is_local)
    add_change(connection, Change(at=at, who=by, action="linked", thing="user", name=name))
    return token


def link_to_kiosk(connection: Connection, name: str, *, at: datetime, by: str) -> Token:
    """Make a link that signs a wall screen in once, with the key called `name`.

    Raises:
        NotFoundError: there is no such key.
        ConflictError: it is not a kiosk's.
    """
    is_it = (keys.c.name == name, keys.c.revoked_at.is_(None))
    row = connection.execute(select(keys.c.id, keys.c.kind).where(*is_it)).first()
    if row is None:
        raise NotFoundError(f"there is no key {name[:64]!r}")
    if row.kind != KeyKind.KIOSK:
        raise ConflictError(f"the key {name} is for programs; a wall screen takes one of a kiosk")
    token = new_token("link")
    _insert(connection, token, at + LIFETIME, at=at, key_id=row.id, is_local=False)
    add_change(connection, Change(at=at, who=by, action="linked", thing="key", name=name))
    return token


def address_of(server: str, token: Token) -> str:
    """Return what to follow, where a browser reaches the server at `server`."""
    return f"{server.rstrip('/')}{PATH}?link={token.text}"


def is_link(connection: Connection, text: str) -> bool:
    """Say whether there is such a link; asked first, so that guesses never wait for writers."""
    found = select(links.c.id).where(links.c.digest == digest_of(text))
    return connection.scalar(found) is not None


def follow_link(connection: Connection, text: str, now: datetime, *, is_local: bool) -> Link | None:
    """Return whom a link signs in, and use it up; None when it signs in nobody (any more).

    Args:
        connection: of a transaction that writes.
        text: of the token.
        now: when.
        is_local: the browser is on the server's own machine.
    """
    conditions = [
        links.c.digest == digest_of(text),
        links.c.used_at.is_(None),
        links.c.expires_at > now,
    ]
    if not is_local:
        conditions.append(links.c.is_local.is_(False))
    used = update(links).where(*conditions).values(used_at=now)
    # Of two who follow it at the same time, one changes the row.
    row = connection.execute(used.returning(links.c.user_id, links.c.key_id)).first()
    return None if row is None else Link(user_id=row.user_id, key_id=row.key_id)


def _insert(
    connection: Connection, token: Token, expires_at: datetime, *, at: datetime, **owner: object
) -> None:
    connection.execute(delete(links).where(links.c.expires_at <= at))
    connection.execute(insert(links).values(digest=token.digest, expires_at=expires_at, **owner))
