"""Users, for administrators."""

from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Path
from pydantic import Field

from inspection.api.gate import Permitted
from inspection.api.installation import Given
from inspection.api.moment import Moment
from inspection.api.page import Cursor, Limit, Page, page_of
from inspection.api.problems import declared
from inspection.api.shapes import Body, View
from inspection.domain.access import Permission, Principal, Role
from inspection.domain.password import new_password
from inspection.domain.user import User
from inspection.store import users

router = APIRouter(tags=["users"])

#: A temporary password is good for so long.
TEMPORARY: Final = timedelta(days=1)

Administrator = Annotated[Principal, Depends(Permitted(Permission.ADMINISTER))]
UserName = Annotated[
    str,
    Field(
        min_length=1,
        max_length=64,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.@+-]{0,63}$",
        description="in small letters; others are taken for them",
        examples=["anna"],
    ),
]
#: In a path.
NamedUser = Annotated[UserName, Path()]


class UserBody(Body):
    """A new user."""

    name: UserName
    role: Role


class ChangeBody(Body):
    """What is to change about a user; what is not named stays."""

    role: Role | None = None
    is_enabled: bool | None = Field(
        default=None, description="false: signed out at once, and may not sign in"
    )


class UserView(View):
    """A user."""

    name: str = Field(examples=["anna"])
    role: Role
    is_enabled: bool
    has_password: bool
    is_external: bool = Field(description="signs in at a provider of identities")
    temporary_until_at: Moment | None = Field(
        description="when the temporary password ends; null: it is none"
    )
    created_at: Moment
    created_by: str
    last_signed_in_at: Moment | None


class TemporaryView(View):
    """A user's temporary password: shown this once, to be changed at the first sign-in."""

    user: UserView
    temporary_password: str = Field(examples=["mk4v-xw2q-9tzb-hr7d"])


@router.get("/users", operation_id="list_users", responses=declared(400))
def list_users(
    _caller: Administrator, given: Given, cursor: Cursor = None, limit: Limit = 100
) -> Page[UserView]:
    """List the users, by name."""
    with given.database.read() as connection:
        found = users.list_users(connection)
    views = [view_of(user) for user in found]
    return page_of(views, key=lambda user: user.name, cursor=cursor, limit=limit)


@router.post(
    "/users",
    operation_id="add_user",
    status_code=HTTPStatus.CREATED,
    responses=declared(409, 503),
)
def add_user(body: UserBody, caller: Administrator, given: Given) -> TemporaryView:
    """Make a user with a temporary password, good for a day."""
    caller.check_grant(body.role.permissions)
    password, password_hash, until_at = _temporary(given)
    new = users.NewUser(
        name=body.name,
        role=body.role,
        password_hash=password_hash,
        temporary_until_at=until_at,
    )
    with given.database.write() as connection:
        user = users.add_user(connection, new, at=given.clock(), by=caller.name)
    return TemporaryView(user=view_of(user), temporary_password=password)


@router.get("/users/{user}", operation_id="get_user", responses=declared(404))
def get_user(user: NamedUser, _caller: Administrator, given: Given) -> UserView:
    """Show a user."""
    with given.database.read() as connection:
        return view_of(users.get_user(connection, user.lower()))


@router.patch("/users/{user}", operation_id="change_user", responses=declared(404, 409))
def change_user(user: NamedUser, body: ChangeBody, caller: Administrator, given: Given) -> UserView:
    """Change a user's role, or whether they may sign in; it holds from their next request on.

    The last administrator can be neither demoted nor disabled.
    """
    name, at = user.lower(), given.clock()
    with given.database.write() as connection:
        found = users.get_user(connection, name)
        caller.check_grant(_granted(found, body))
        if body.is_enabled:
            found = users.enable_user(connection, name, at=at, by=caller.name)
        if body.role is not None:
            found = users.set_role(connection, name, body.role, at=at, by=caller.name)
        if body.is_enabled is False:
            found = users.disable_user(connection, name, at=at, by=caller.name)
    return view_of(found)


@router.post(
    "/users/{user}/password-reset",
    operation_id="reset_password",
    responses=declared(404, 409, 503),
)
def reset_password(user: NamedUser, caller: Administrator, given: Given) -> TemporaryView:
    """Give a user a temporary password, good for a day; they are signed out everywhere."""
    password, password_hash, until_at = _temporary(given)
    with given.database.write() as connection:
        caller.check_grant(users.get_user(connection, user.lower()).role.permissions)
        found = users.reset_password(
            connection,
            user.lower(),
            password_hash,
            until_at=until_at,
            at=given.clock(),
            by=caller.name,
        )
    return TemporaryView(user=view_of(found), temporary_password=password)


def view_of(user: User) -> UserView:
    """Return how a user is shown."""
    return UserView(
        name=user.name,
        role=user.role,
        is_enabled=user.is_enabled,
        has_password=user.has_password,
        is_external=user.is_external,
        temporary_until_at=user.temporary_until_at,
        created_at=user.created_at,
        created_by=user.created_by,
        last_signed_in_at=user.last_signed_in_at,
    )


def _granted(user: User, body: ChangeBody) -> frozenset[Permission]:
    """Return what a change lets a user do."""
    if body.role is None:
        return user.role.permissions if body.is_enabled else frozenset()
    return body.role.permissions


def _temporary(given: Given) -> tuple[str, str, datetime]:
    password = new_password()
    return password, given.passwords.hashed(password), given.clock() + TEMPORARY
