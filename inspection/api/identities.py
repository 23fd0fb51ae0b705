"""Users of a provider of identities: they appear when they first sign in, and have no password."""

from http import HTTPStatus

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse
from sqlalchemy import Connection
from starlette.concurrency import run_in_threadpool

from inspection.api import cookies
from inspection.api.installation import Given, Installation
from inspection.api.links import HOME
from inspection.api.openid import Claims, OpenId
from inspection.api.problems import declared
from inspection.api.sessions import address_of, keep_session
from inspection.domain.identity import Provider
from inspection.domain.user import User, checked_user_name
from inspection.errors import (
    ConfigurationError,
    ConflictError,
    InspectionError,
    NotFoundError,
    UnauthenticatedError,
)
from inspection.store import sessions, users
from inspection.store.sessions import Session
from inspection.telemetry import logger

router = APIRouter(tags=["session"])

#: Who is written down for what the provider says.
ACTOR = "OpenID Connect"


@router.get(
    "/openid/sign-in",
    operation_id="begin_openid",
    status_code=HTTPStatus.SEE_OTHER,
    response_class=RedirectResponse,
    responses=declared(404, 503),
    openapi_extra={"security": []},
)
async def begin(request: Request, given: Given) -> RedirectResponse:
    """Go to the provider of identities to sign in there."""
    return await _openid(given).begin(request)


@router.get(
    "/openid/callback",
    operation_id="finish_openid",
    status_code=HTTPStatus.SEE_OTHER,
    response_class=RedirectResponse,
    responses=declared(401, 404, 503),
    openapi_extra={"security": []},
)
async def finish(request: Request, given: Given) -> RedirectResponse:
    """Come back from the provider of identities, which has said who it is."""
    openid = _openid(given)
    claims = await openid.finish(request)
    text, session = await run_in_threadpool(_sign_in, given, openid.provider, claims)
    response = RedirectResponse(HOME, HTTPStatus.SEE_OTHER)
    cookies.forget(request, response, cookies.OPENID)
    keep_session(request, response, text, until_at=session.expires_at, now=given.clock())
    name, address = session.principal.name, address_of(request)
    logger().info("signed_in", user=name, address=address, by="openid")
    return response


def _openid(given: Installation) -> OpenId:
    if given.openid is None:
        raise NotFoundError("no provider of identities is set (INSPECTION_OIDC_ISSUER)")
    return given.openid


def _sign_in(given: Installation, provider: Provider, claims: Claims) -> tuple[str, Session]:
    now = given.clock()
    try:
        with given.database.write() as connection:
            user = _user_of(connection, given, provider, claims)
            found = users.find_credentials(connection, user.name)
            user_id = 0 if found is None else found.user_id
            text = sessions.begin_session(connection, user_id, now).text
            session = sessions.find_session(connection, text, now)
    except (ConfigurationError, ConflictError, UnauthenticatedError) as error:
        raise _refused(error, claims) from error
    if session is None:
        raise UnauthenticatedError
    return text, session


def _user_of(
    connection: Connection, given: Installation, provider: Provider, claims: Claims
) -> User:
    """Return the user, new or as the provider says now.

    Raises:
        UnauthenticatedError: the provider gives it no role, or it is disabled here.
        ConflictError: another user has the name, who must not be taken over.
        ConfigurationError: it has a name that cannot be used.
    """
    role, subject, now = provider.role_of(claims), str(claims["sub"]), given.clock()
    if role is None:
        raise UnauthenticatedError(f"no role in the claim {provider.role_claim}")
    known = users.find_subject(connection, issuer=provider.issuer, subject=subject)
    if known is not None and not known.is_enabled:
        raise UnauthenticatedError(f"{known.name} is disabled")
    if known is not None:
        return users.set_role(connection, known.name, role, at=now, by=ACTOR, is_forced=True)
    name = claims.get("preferred_username") or claims.get("email") or subject
    new = users.NewUser(
        name=checked_user_name(str(name)), role=role, issuer=provider.issuer, subject=subject
    )
    return users.add_user(connection, new, at=now, by=ACTOR)


def _refused(error: InspectionError, claims: Claims) -> UnauthenticatedError:
    logger().warning("openid_refused", why=str(error), subject=str(claims.get("sub")))
    return UnauthenticatedError(
        "you are known to the provider of identities, and may not sign in here; ask an "
        "administrator"
    )
