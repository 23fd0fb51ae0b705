"""Signing in and out, who one is, and one's own password."""

from datetime import datetime
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from pydantic import Field

from inspection.api import cookies, forgery, throttle
from inspection.api.gate import Permitted
from inspection.api.installation import Given, Installation
from inspection.api.moment import Moment
from inspection.api.problems import declared
from inspection.api.shapes import Body, View
from inspection.api.throttle import Attempt
from inspection.domain.access import Permission, Principal, Role
from inspection.domain.password import checked_password, normalised
from inspection.domain.user import NAME_PATTERN
from inspection.errors import (
    ConfigurationError,
    ForbiddenError,
    RateLimitedError,
    UnauthenticatedError,
)
from inspection.store import sessions, users
from inspection.store.sessions import Session
from inspection.store.users import Credentials
from inspection.telemetry import logger

router = APIRouter(tags=["session"])

Known = Annotated[Principal, Depends(Permitted(None))]
#: Anything that could be typed; what it may be is for setting one to say.
TypedPassword = Annotated[
    str,
    Field(
        min_length=1,
        max_length=1024,
        pattern=r"^[^\x00]*$",
        json_schema_extra={"format": "password"},
    ),
]


class SignInBody(Body):
    """A user's name and password."""

    user: str = Field(
        min_length=1, max_length=64, pattern=r"^[^\x00-\x1f\x7f]*$", examples=["anna"]
    )
    password: TypedPassword = Field(examples=["copper kettle by the window"])


class PasswordBody(Body):
    """One's password as it is, and as it is to be."""

    current_password: TypedPassword = Field(examples=["copper kettle by the window"])
    new_password: TypedPassword = Field(examples=["seven herons on a crane"])


class SessionView(View):
    """Who asks, and what they may do."""

    name: str = Field(description="as changes are signed with", examples=["anna"])
    role: Role | None = Field(description="of a user; null: a key or a wall screen")
    permissions: list[Permission]
    cameras: list[str] | None = Field(
        description="cameras whose frames a key may push; null: all", examples=[None]
    )
    must_change_password: bool = Field(
        description="nothing else is permitted before PUT /session/password"
    )
    csrf_token: str | None = Field(
        description=f"header {forgery.HEADER} of every change; null where no cookie is used"
    )
    expires_at: Moment | None = Field(description="signed out at the latest; null: asked by key")


@router.post(
    "/session",
    operation_id="sign_in",
    responses=declared(401, 403, 429, 503),
    openapi_extra={"security": []},
)
def sign_in(body: SignInBody, request: Request, response: Response, given: Given) -> SessionView:
    """Sign in: the answer's cookie is the session."""
    forgery.check_origin(request)
    name = body.user.lower()
    found = _find(given, name)
    kept = None if found is None else found.password_hash
    proof = throttle.proof_of(name, kept or "")
    device = cookies.read(request, cookies.DEVICE)
    attempt = Attempt(
        name=name,
        address=address_of(request),
        # Of whom nothing is kept, anybody could make a proof, and would learn that.
        device=proof if kept is not None and throttle.is_known(device, proof) else None,
    )
    _admit(given, attempt, user=found)
    is_right = given.passwords.is_right(body.password, kept)
    if not is_right or found is None or not _may_sign_in(found, given.clock()):
        raise _failed(attempt, found)
    given.throttle.forget(attempt)
    text = _begin(given, found, body.password, before=cookies.read(request, cookies.SESSION))
    if text is None:
        raise _failed(attempt, found)
    cookies.keep(
        request,
        response,
        cookies.DEVICE,
        throttle.with_proof(device, proof),
        max_age_s=cookies.DEVICE_S,
    )
    logger().info("signed_in", user=name, address=attempt.address, by="password")
    return signed_in(request, response, given, text)


@router.get("/session", operation_id="get_session", responses=declared(401))
def get_session(request: Request, response: Response, caller: Known, given: Given) -> SessionView:
    """Show who asks, and what they may do."""
    response.headers["Cache-Control"] = "no-store"
    cookie = cookies.read(request, cookies.SESSION)
    if caller.session_id is None or cookie is None:
        return _shown(caller, None, None)
    with given.database.read() as connection:
        session = sessions.find_session(connection, cookie, given.clock())
    if session is None:
        raise UnauthenticatedError
    return _shown(caller, session, cookie)


@router.delete(
    "/session",
    operation_id="sign_out",
    status_code=HTTPStatus.NO_CONTENT,
    responses=declared(401, 403),
)
def sign_out(request: Request, response: Response, caller: Known, given: Given) -> None:
    """Sign out: the cookie is worth nothing from now on."""
    session_id = _session_of(caller)
    with given.database.write() as connection:
        sessions.end_session(connection, session_id)
    cookies.forget(request, response, cookies.SESSION)
    logger().info("signed_out", user=caller.name, address=address_of(request))


@router.put(
    "/session/password",
    operation_id="change_own_password",
    responses=declared(401, 403, 409, 429, 503),
)
def change_password(
    body: PasswordBody, request: Request, response: Response, caller: Known, given: Given
) -> SessionView:
    """Change one's own password: one is signed out everywhere else."""
    session_id = _session_of(caller)
    new_password = checked_password(body.new_password, user=caller.name)
    found = _find(given, caller.name)
    kept = None if found is None else found.password_hash
    # A session that was left open is no place to guess at the password either.
    attempt = Attempt(name=caller.name, address=address_of(request), device=f"session {session_id}")
    _admit(given, attempt, user=found)
    if not given.passwords.is_right(body.current_password, kept) or found is None or kept is None:
        logger().warning("password_refused", user=caller.name, address=attempt.address)
        raise ForbiddenError("the current password is another one")
    given.throttle.forget(attempt)
    if normalised(body.current_password) == new_password:
        raise ConfigurationError("the new password is the current one; take another")
    new_hash = given.passwords.hashed(new_password)
    now = given.clock()
    with given.database.write() as connection:
        users.change_password(connection, caller.name, new_hash, was=kept, at=now)
        text = sessions.begin_session(connection, found.user_id, now).text
    device = throttle.with_proof(
        cookies.read(request, cookies.DEVICE), throttle.proof_of(caller.name, new_hash)
    )
    cookies.keep(request, response, cookies.DEVICE, device, max_age_s=cookies.DEVICE_S)
    logger().info("password_changed", user=caller.name, address=attempt.address)
    return signed_in(request, response, given, text)


def signed_in(request: Request, response: Response, given: Installation, text: str) -> SessionView:
    """Have the browser keep a session that has begun, and show it.

    Raises:
        UnauthenticatedError: it has ended at the same time.
    """
    now = given.clock()
    with given.database.read() as connection:
        session = sessions.find_session(connection, text, now)
    if session is None:
        raise UnauthenticatedError
    keep_session(request, response, text, until_at=session.expires_at, now=now)
    return _shown(session.principal, session, text)


def keep_session(
    request: Request, response: Response, text: str, *, until_at: datetime, now: datetime
) -> None:
    """Have the browser keep the cookie of a session as long as that lasts."""
    cookies.keep_until(request, response, cookies.SESSION, text, at=until_at, now=now)
    response.headers["Cache-Control"] = "no-store"


def address_of(request: Request) -> str:
    """Return where a request comes from; a proxy is trusted as far as the server is told to."""
    return "unknown" if request.client is None else request.client.host


def _find(given: Installation, name: str) -> Credentials | None:
    # What cannot be a name is asked for as well: the database would answer as fast.
    asked = name if NAME_PATTERN.fullmatch(name) else "-"
    with given.database.read() as connection:
        return users.find_credentials(connection, asked)


def _admit(given: Installation, attempt: Attempt, *, user: Credentials | None) -> None:
    try:
        given.throttle.check(attempt)
    except RateLimitedError:
        logger().warning("sign_in_locked", user=_logged(user), address=attempt.address)
        raise


def _may_sign_in(found: Credentials, now: datetime) -> bool:
    until_at = found.user.temporary_until_at
    return found.user.is_enabled and (until_at is None or until_at > now)


def _begin(
    given: Installation, found: Credentials, password: str, *, before: str | None
) -> str | None:
    """Begin a session in place of the one before in the same browser.

    None when the user was changed while the password was looked at.
    """
    kept = found.password_hash or ""
    new_hash = given.passwords.hashed(password) if given.passwords.is_outdated(kept) else None
    now = given.clock()
    with given.database.write() as connection:
        present = users.find_credentials(connection, found.user.name)
        if present is None or present.password_hash != kept or not _may_sign_in(present, now):
            return None
        if new_hash is not None:
            users.rehash_password(connection, found.user_id, new_hash, was=kept)
        if before is not None:
            sessions.end_shown(connection, before)
        return sessions.begin_session(connection, found.user_id, now).text


def _failed(attempt: Attempt, user: Credentials | None) -> UnauthenticatedError:
    logger().warning("sign_in_failed", user=_logged(user), address=attempt.address)
    return UnauthenticatedError("name or password are wrong")


def _logged(user: Credentials | None) -> str | None:
    # What nobody is called may be a password in the wrong field.
    return None if user is None else user.user.name


def _session_of(caller: Principal) -> int:
    if caller.session_id is None:
        raise ForbiddenError("this is for users who are signed in; a key is not")
    return caller.session_id


def _shown(caller: Principal, session: Session | None, cookie: str | None) -> SessionView:
    return SessionView(
        name=caller.name,
        role=None if session is None else session.role,
        permissions=sorted(caller.permissions),
        cameras=None if caller.cameras is None else sorted(caller.cameras),
        must_change_password=caller.must_change_password,
        csrf_token=None if cookie is None else forgery.csrf_token(cookie),
        expires_at=None if session is None else session.expires_at,
    )
