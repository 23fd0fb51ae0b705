"""Keys of programs and wall screens. Their text is shown once; a digest of it is kept."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, Row, or_, select, update
from sqlalchemy import delete as delete_rows
from sqlalchemy.dialects import postgresql, sqlite

from inspection.domain.access import Permission
from inspection.domain.key import Key, KeyKind, KeyWish
from inspection.domain.token import Token, digest_of, new_token
from inspection.errors import ConflictError, NotFoundError
from inspection.store.access_tables import keys, links, sessions
from inspection.store.audit import Change, add_change
from inspection.store.cameras import get_camera

#: How exactly the time of the last use is known; a key of a camera is used ten times a second.
USE_EVERY: Final = timedelta(minutes=1)


def list_keys(connection: Connection, *, has_revoked: bool = False) -> list[Key]:
    """Return the keys, by name; those that were revoked only when asked for."""
    statement = select(keys).order_by(keys.c.name, keys.c.id)
    if not has_revoked:
        statement = statement.where(keys.c.revoked_at.is_(None))
    return [_key(row) for row in connection.execute(statement)]


def get_key(connection: Connection, name: str) -> Key:
    """Return the key called `name` that is not revoked.

    Raises:
        NotFoundError: there is none.
    """
    return _key(_row(connection, name))


def add_key(connection: Connection, wish: KeyWish, *, at: datetime, by: str) -> tuple[Key, Token]:
    """Make a key; the token is the only chance to learn what opens.

    Raises:
        ConfigurationError: there cannot be such a key.
        ConflictError: there is a key of this name.
        NotFoundError: one of its cameras is not there.
    """
    wish.check(at)
    for camera in sorted(wish.cameras or ()):
        get_camera(connection, camera)
    token = new_token(wish.kind)
    values = {
        "name": wish.name,
        "kind": wish.kind.value,
        "prefix": token.prefix,
        "digest": token.digest,
        "scopes": sorted(wish.scopes),
        "cameras": None if wish.cameras is None else sorted(wish.cameras),
        "created_at": at,
        "created_by": by,
        "expires_at": wish.expires_at,
    }
    dialect: Any = sqlite if connection.dialect.name == "sqlite" else postgresql
    statement = (
        dialect.insert(keys)
        .values(values)
        .on_conflict_do_nothing(index_elements=["name"], index_where=keys.c.revoked_at.is_(None))
    )
    if connection.scalar(statement.returning(keys.c.id)) is None:
        raise ConflictError(
            f"there is a key {wish.name!r} already; revoke it, or take another name"
        )
    expires_at = None if wish.expires_at is None else wish.expires_at.isoformat()
    shown = {key: values[key] for key in ("kind", "prefix", "scopes", "cameras")}
    _audit(connection, wish.name, "created", at=at, by=by, after=shown | {"expires_at": expires_at})
    return get_key(connection, wish.name), token


def find_key(connection: Connection, text: str) -> tuple[int, Key] | None:
    """Return the key that somebody shows and its id, also when it is over; None: it is none."""
    row = connection.execute(select(keys).where(keys.c.digest == digest_of(text))).first()
    return None if row is None else (row.id, _key(row))


def is_use_due(key: Key, now: datetime) -> bool:
    """Say whether its last use is to be written down."""
    return key.last_used_at is None or now - key.last_used_at >= USE_EVERY


def touch_key(connection: Connection, key_id: int, now: datetime) -> None:
    """Write down that a key was used."""
    is_older = or_(keys.c.last_used_at.is_(None), keys.c.last_used_at < now)
    connection.execute(update(keys).where(keys.c.id == key_id, is_older).values(last_used_at=now))


def revoke_key(connection: Connection, name: str, *, at: datetime, by: str) -> Key:
    """End a key, and every screen that is signed in with it, at once.

    Raises:
        NotFoundError: there is none, or it is revoked already.
    """
    row = _row(connection, name)
    is_live = (keys.c.id == row.id, keys.c.revoked_at.is_(None))
    if connection.execute(update(keys).where(*is_live).values(revoked_at=at)).rowcount != 1:
        raise NotFoundError(f"there is no key {name!r}")
    for table in (sessions, links):
        connection.execute(delete_rows(table).where(table.c.key_id == row.id))
    _audit(connection, name, "revoked", at=at, by=by, before={"prefix": row.prefix})
    return _key(connection.execute(select(keys).where(keys.c.id == row.id)).one())


def key_id(connection: Connection, name: str) -> int:
    """Return the id of the row of a key that is not revoked.

    Raises:
        NotFoundError: there is none.
    """
    return int(_row(connection, name).id)


def _row(connection: Connection, name: str) -> Row[*tuple[Any, ...]]:
    is_it = (keys.c.name == name, keys.c.revoked_at.is_(None))
    row = connection.execute(select(keys).where(*is_it)).first()
    if row is None:
        raise NotFoundError(f"there is no key {name[:64]!r}")
    return row


def _key(row: Row[*tuple[Any, ...]]) -> Key:
    return Key(
        name=row.name,
        kind=KeyKind(row.kind),
        prefix=row.prefix,
        scopes=frozenset(Permission(scope) for scope in row.scopes),
        cameras=None if row.cameras is None else frozenset(row.cameras),
        created_at=row.created_at,
        created_by=row.created_by,
        expires_at=row.expires_at,
        last_used_at=row.last_used_at,
        revoked_at=row.revoked_at,
    )


def _audit(  # noqa: PLR0913 - the fields of a change
    connection: Connection,
    name: str,
    action: str,
    *,
    at: datetime,
    by: str,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> None:
    change = Change(
        at=at, who=by, action=action, thing="key", name=name, before=before, after=after
    )
    add_change(connection, change)
