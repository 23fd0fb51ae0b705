"""How large a body may be, counted in what really comes and not in what was announced.

Bodies are read before a route looks who asks: a large one is read of nobody who is not known.
"""

import asyncio
from collections.abc import Sequence
from http import HTTPStatus
from typing import Final

from fastapi import Request
from fastapi.exceptions import HTTPException
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from inspection.api import problems
from inspection.errors import InspectionError

#: Largest body that is no picture.
TEXT_LIMIT_BYTES: Final = 2**20
#: Largest body of somebody who is not known: more than any sign-in.
STRANGER_LIMIT_BYTES: Final = 2**14
#: Seconds within which a body must have come.
BODY_S: Final = 60.0


class BodyLimit:
    """Answers 413 before more than the limit is in memory; the library's own answer is no problem.

    `picture_routes` take bodies of `picture_limit_bytes`, and look who asks before they read; all
    others take `TEXT_LIMIT_BYTES`.
    """

    def __init__(
        self, app: ASGIApp, *, picture_routes: Sequence[BaseRoute], picture_limit_bytes: int
    ) -> None:
        self._app = app
        self._picture_routes = picture_routes
        self._picture_limit_bytes = picture_limit_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        takes_pictures = any(r.matches(scope)[0] is Match.FULL for r in self._picture_routes)
        limit_bytes = self._picture_limit_bytes if takes_pictures else TEXT_LIMIT_BYTES
        announced = Headers(scope=scope).get("Content-Length", "")
        if announced.isdecimal() and int(announced) > limit_bytes:
            detail = _detail(limit_bytes)
            answer = problems.answer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail)
            await answer(scope, receive, send)
            return
        body = _Body(scope, receive, limit_bytes=limit_bytes, is_anyones=takes_pictures)
        await self._app(scope, body.received, send)


class _Body:
    """The body of one request, as it comes."""

    def __init__(
        self, scope: Scope, receive: Receive, *, limit_bytes: int, is_anyones: bool
    ) -> None:
        self._scope = scope
        self._receive = receive
        self._limit_bytes = limit_bytes
        #: Whether nobody needs to look who sends it, here.
        self._is_known = is_anyones
        self._received_bytes = 0
        self._is_whole = False
        self._until_s: float | None = None

    async def received(self) -> Message:
        """Return the next part.

        Raises:
            HTTPException: 413, there is too much; 408, it does not come; 401, of a stranger.
        """
        message = await (self._receive() if self._is_whole else self._in_time())
        self._is_whole = self._is_whole or not message.get("more_body", False)
        self._received_bytes += len(message.get("body", b""))
        if self._received_bytes > self._limit_bytes:
            raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, _detail(self._limit_bytes))
        if self._received_bytes > STRANGER_LIMIT_BYTES and not self._is_known:
            await run_in_threadpool(self._know)
        return message

    async def _in_time(self) -> Message:
        now_s = asyncio.get_running_loop().time()
        self._until_s = now_s + BODY_S if self._until_s is None else self._until_s
        try:
            async with asyncio.timeout_at(self._until_s):
                return await self._receive()
        except TimeoutError as error:
            detail = f"the body did not come within {BODY_S:.0f} s"
            raise HTTPException(HTTPStatus.REQUEST_TIMEOUT, detail) from error

    def _know(self) -> None:
        request = Request(self._scope)
        try:
            request.app.state.installation.gate.principal(request)
        except InspectionError as error:
            raise problems.exception_of(error) from error
        self._is_known = True


def _detail(limit_bytes: int) -> str:
    return f"a body may have {limit_bytes} bytes here"
