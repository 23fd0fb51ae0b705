"""Users: who may sign in, as what, and with which password.

There is always an enabled administrator once there was one: nobody can take the last one's role or
disable them, except a provider of identities that no longer says so.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, select, update

from inspection.domain.access import Role
from inspection.domain.user import User, checked_user_name
from inspection.errors import ConflictError, NotFoundError
from inspection.store.access_tables import links, sessions, users
from inspection.store.audit import Change, add_change
from inspection.store.engine import insert_new


@dataclass(frozen=True, kw_only=True)
class NewUser:
    """A user that somebody wants made."""

    name: str
    role: Role
    #: None: has no password.
    password_hash: str | None = field(default=None, repr=False)
    temporary_until_at: datetime | None = None
    #: Who a provider of identities says it is.
    issuer: str | None = None
    subject: str | None = None


@dataclass(frozen=True, kw_only=True)
class Credentials:
    """What a sign-in is held against."""

    user_id: int
    user: User
    password_hash: str | None = field(repr=False)


def list_users(connection: Connection) -> list[User]:
    """Return all users, by name."""
    return [_user(row) for row in connection.execute(select(users).order_by(users.c.name))]


def get_user(connection: Connection, name: str) -> User:
    """Return the user called `name`.

    Raises:
        NotFoundError: there is none.
    """
    return _user(_row(connection, name))


def find_credentials(connection: Connection, name: str) -> Credentials | None:
    """Return what a sign-in as `name` is held against; None when there is no such user."""
    row = connection.execute(select(users).where(users.c.name == name)).first()
    if row is None:
        return None
    return Credentials(user_id=row.id, user=_user(row), password_hash=row.password_hash)


def find_subject(connection: Connection, *, issuer: str, subject: str) -> User | None:
    """Return the user that a provider of identities knows as `subject`; None: there is none."""
    is_it = (users.c.issuer == issuer, users.c.subject == subject)
    row = connection.execute(select(users).where(*is_it)).first()
    return None if row is None else _user(row)


def add_user(connection: Connection, new: NewUser, *, at: datetime, by: str) -> User:
    """Create a user.

    Raises:
        ConfigurationError: the name cannot be used.
        ConflictError: there is a user of this name.
    """
    name = checked_user_name(new.name)
    statement = insert_new(connection, users, "name").values(
        name=name,
        role=new.role.value,
        password_hash=new.password_hash,
        temporary_until_at=new.temporary_until_at,
        issuer=new.issuer,
        subject=new.subject,
        created_at=at,
        created_by=by,
    )
    if connection.scalar(statement.returning(users.c.id)) is None:
        raise ConflictError(f"there is a user {name!r} already; take another name")
    after = {"role": new.role.value, "issuer": new.issuer}
    _audit(connection, name, "created", at=at, by=by, after=after)
    return get_user(connection, name)


def set_role(
    connection: Connection,
    name: str,
    role: Role,
    *,
    at: datetime,
    by: str,
    is_forced: bool = False,
) -> User:
    """Give a user another role; it holds from the next request on.

    Args:
        connection: of a transaction that writes.
        name: of the user.
        role: the new one.
        at: now.
        by: who does it.
        is_forced: also when it was the last administrator.

    Raises:
        NotFoundError: there is no such user.
        ConflictError: it is the last administrator.
    """
    row = _row(connection, name)
    if row.role == role:
        return _user(row)
    if not is_forced:
        _keep_administrator(connection, name)
    connection.execute(update(users).where(users.c.id == row.id).values(role=role.value))
    before, after = {"role": row.role}, {"role": role.value}
    _audit(connection, name, "changed", at=at, by=by, before=before, after=after)
    return get_user(connection, name)


def disable_user(connection: Connection, name: str, *, at: datetime, by: str) -> User:
    """Let a user sign in no more; their sessions and links end at once.

    Raises:
        NotFoundError: there is no such user.
        ConflictError: it is the last administrator.
    """
    row = _row(connection, name)
    if row.disabled_at is None:
        _keep_administrator(connection, name)
        connection.execute(update(users).where(users.c.id == row.id).values(disabled_at=at))
        end_sessions(connection, row.id)
        _audit(connection, name, "disabled", at=at, by=by)
    return get_user(connection, name)


def enable_user(connection: Connection, name: str, *, at: datetime, by: str) -> User:
    """Let a disabled user sign in again.

    Raises:
        NotFoundError: there is no such user.
    """
    row = _row(connection, name)
    if row.disabled_at is not None:
        connection.execute(update(users).where(users.c.id == row.id).values(disabled_at=None))
        _audit(connection, name, "enabled", at=at, by=by)
    return get_user(connection, name)


def reset_password(
    connection: Connection,
    name: str,
    password_hash: str,
    *,
    until_at: datetime,
    at: datetime,
    by: str,
) -> User:
    """Give a user a temporary password, which must be changed; their sessions end.

    Raises:
        NotFoundError: there is no such user.
        ConflictError: the user comes from a provider of identities.
    """
    row = _row(connection, name)
    if row.issuer is not None:
        raise ConflictError(f"{name} signs in at {row.issuer}, which alone knows the password")
    values = {"password_hash": password_hash, "temporary_until_at": until_at}
    connection.execute(update(users).where(users.c.id == row.id).values(values))
    end_sessions(connection, row.id)
    _audit(connection, name, "reset", at=at, by=by)
    return get_user(connection, name)


def change_password(
    connection: Connection, name: str, password_hash: str, *, was: str, at: datetime
) -> None:
    """Set the password a user chose; their sessions end.

    Raises:
        NotFoundError: there is no such user.
        ConflictError: the password is no longer the one whose hash `was`.
    """
    row = _row(connection, name)
    changed = connection.execute(
        update(users)
        .where(users.c.id == row.id, users.c.password_hash == was)
        .values(password_hash=password_hash, temporary_until_at=None)
    ).rowcount
    if changed != 1:
        raise ConflictError("the password was changed at the same time; sign in again")
    end_sessions(connection, row.id)
    _audit(connection, name, "changed", at=at, by=name, after={"password": "changed"})


def rehash_password(connection: Connection, user_id: int, password_hash: str, *, was: str) -> None:
    """Keep the same password under newer parameters; nothing when it was changed meanwhile."""
    is_same = (users.c.id == user_id, users.c.password_hash == was)
    connection.execute(update(users).where(*is_same).values(password_hash=password_hash))


def end_sessions(connection: Connection, user_id: int) -> None:
    """Sign a user out everywhere; links that nobody followed end, too."""
    for table in (sessions, links):
        connection.execute(delete(table).where(table.c.user_id == user_id))


def _keep_administrator(connection: Connection, name: str) -> None:
    is_one = (users.c.role == Role.ADMINISTRATOR.value, users.c.disabled_at.is_(None))
    # Two administrators who take each other's role at the same time wait for one another here; the
    # second finds only one left.
    statement = select(users.c.name).where(*is_one).order_by(users.c.id).with_for_update()
    if list(connection.scalars(statement)) == [name]:
        raise ConflictError(f"{name} is the last administrator; make another one first")


def _row(connection: Connection, name: str) -> Row[*tuple[Any, ...]]:
    row = connection.execute(select(users).where(users.c.name == name)).first()
    if row is None:
        raise NotFoundError(f"there is no user {name[:64]!r}")
    return row


def _user(row: Row[*tuple[Any, ...]]) -> User:
    return User(
        name=row.name,
        role=Role(row.role),
        is_enabled=row.disabled_at is None,
        has_password=row.password_hash is not None,
        temporary_until_at=row.temporary_until_at,
        is_external=row.issuer is not None,
        created_at=row.created_at,
        created_by=row.created_by,
        last_signed_in_at=row.last_signed_in_at,
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
        at=at, who=by, action=action, thing="user", name=name, before=before, after=after
    )
    add_change(connection, change)
