"""The gate: every route names the permission it asks for, and no route is without one."""

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from typing import Final, Protocol

from fastapi import Request
from sqlalchemy import Connection

from inspection.api import cookies, forgery
from inspection.domain.access import Permission, Principal
from inspection.domain.key import KeyKind
from inspection.errors import ForbiddenError, UnauthenticatedError, UnavailableError
from inspection.store import keys, sessions
from inspection.store.database import Database
from inspection.telemetry import logger

#: What a wall screen may send.
KIOSK_METHODS: Final = frozenset({"GET", "HEAD"})


class Gate(Protocol):
    """Knows who asks."""

    def principal(self, request: Request) -> Principal:
        """Return who sent a request.

        Raises:
            UnauthenticatedError: nobody knows.
            ForbiddenError: a page of another site sent it, or a wall screen wants a change.
        """
        ...


class Permitted:
    """A dependency that lets nobody pass who lacks a permission.

    `caller: Annotated[Principal, Depends(Permitted(Permission.READ))]` in a route's signature.
    `Permitted(None)` lets everybody pass who is known.
    """

    def __init__(self, permission: Permission | None) -> None:
        self.permission = permission

    def __call__(self, request: Request) -> Principal:
        """Return who asks.

        Raises:
            UnauthenticatedError: nobody knows who it is.
            ForbiddenError: they may not.
        """
        gate: Gate = request.app.state.installation.gate
        principal = gate.principal(request)
        if self.permission is None or self.permission in principal.permissions:
            return principal
        if principal.must_change_password:
            raise ForbiddenError("change your password first: PUT /api/v1/session/password")
        raise ForbiddenError(f"{principal.name} has no permission to {self.permission.value}")


class Doorkeeper:
    """The gate of an installation: knows keys (`Authorization: Bearer …`) and signed-in browsers.

    A request with `Authorization` is what that says or nothing: its cookies are not looked at.
    """

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock

    def principal(self, request: Request) -> Principal:
        """Return who sent a request; see `Gate`."""
        authorization = request.headers.get("Authorization")
        if authorization is not None:
            return self._of_key(request, authorization)
        cookie = cookies.read(request, cookies.SESSION)
        if cookie is None:
            raise UnauthenticatedError
        return self._of_session(request, cookie)

    def _of_key(self, request: Request, authorization: str) -> Principal:
        scheme, _, text = authorization.partition(" ")
        if scheme.lower() != "bearer":
            raise UnauthenticatedError("send the key as `Authorization: Bearer KEY`")
        now = self._clock()
        with self._database.read() as connection:
            found = keys.find_key(connection, text.strip())
        if found is None:
            raise UnauthenticatedError("this key opens nothing")
        key_id, key = found
        if why := key.why_not(now):
            logger().warning("key_refused", key=key.name, prefix=key.prefix, why=why)
            raise UnauthenticatedError("this key opens nothing")
        if key.kind == KeyKind.KIOSK:
            _check_kiosk(request)
        if keys.is_use_due(key, now):
            self._write_down(lambda connection: keys.touch_key(connection, key_id, now))
        return key.principal

    def _of_session(self, request: Request, cookie: str) -> Principal:
        now = self._clock()
        with self._database.read() as connection:
            session = sessions.find_session(connection, cookie, now)
        if session is None:
            raise UnauthenticatedError("your session is over; sign in again")
        if session.user is None:
            _check_kiosk(request)
        else:
            forgery.check_token(request, cookie)
        if session.is_seen_due(now):
            session_id = session.session_id
            self._write_down(lambda connection: sessions.touch_session(connection, session_id, now))
        return session.principal

    def _write_down(self, write: Callable[[Connection], None]) -> None:
        # That a use is not written down is no reason to refuse it.
        with suppress(UnavailableError), self._database.write_soon() as connection:
            write(connection)


def _check_kiosk(request: Request) -> None:
    if request.method not in KIOSK_METHODS:
        raise ForbiddenError("a wall screen may only look")
