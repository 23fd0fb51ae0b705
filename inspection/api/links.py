"""Following a one-time link, which signs a browser in."""

import ipaddress
from http import HTTPStatus
from typing import Annotated, Final

from fastapi import APIRouter, Query, Request
from fastapi.responses import RedirectResponse

from inspection.api.installation import Given
from inspection.api.problems import declared
from inspection.api.sessions import address_of, keep_session
from inspection.errors import UnauthenticatedError
from inspection.store import links, sessions
from inspection.telemetry import logger

router = APIRouter(tags=["session"])

#: Where somebody is brought who is signed in.
HOME: Final = "/docs"
#: What proxies send along: the browser is somewhere else.
FORWARDED: Final = ("Forwarded", "X-Forwarded-For", "X-Real-IP", "Via")


@router.get(
    "/sign-in",
    operation_id="follow_link",
    status_code=HTTPStatus.SEE_OTHER,
    response_class=RedirectResponse,
    responses=declared(401),
    openapi_extra={"security": []},
)
def follow_link(
    link: Annotated[str, Query(max_length=200, description="the text of the link")],
    request: Request,
    given: Given,
) -> RedirectResponse:
    """Follow a one-time link: it is worth nothing from now on, so that no log keeps a secret."""
    now = given.clock()
    with given.database.read() as connection:
        if not links.is_link(connection, link):
            raise _over(request)
    with given.database.write() as connection:
        found = links.follow_link(connection, link, now, is_local=_is_local(request))
        if found is None:
            raise _over(request)
        if found.user_id is not None:
            text = sessions.begin_session(connection, found.user_id, now).text
        else:
            text = sessions.begin_kiosk(connection, found.key_id or 0, now).text
        session = sessions.find_session(connection, text, now)
        if session is None:
            raise _over(request)
    response = RedirectResponse(HOME, HTTPStatus.SEE_OTHER)
    keep_session(request, response, text, until_at=session.expires_at, now=now)
    name = session.principal.name
    logger().info("signed_in", user=name, address=address_of(request), by="link")
    return response


def _over(request: Request) -> UnauthenticatedError:
    logger().warning("link_refused", address=address_of(request))
    return UnauthenticatedError("this link is over or was followed before; ask for another one")


def _is_local(request: Request) -> bool:
    """Say whether the browser is on this machine, as far as nothing speaks against it."""
    if any(name in request.headers for name in FORWARDED):
        return False
    try:
        return ipaddress.ip_address(address_of(request)).is_loopback
    except ValueError:
        return False
