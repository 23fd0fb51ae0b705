"""How large a body may be, counted in what really comes and not in what was announced."""

from collections.abc import Sequence
from http import HTTPStatus

from fastapi.exceptions import HTTPException
from starlette.datastructures import Headers
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from inspection.api import problems

#: Largest body that is no picture.
TEXT_LIMIT_BYTES = 2**20


class BodyLimit:
    """Answers 413 before more than the limit is in memory; the library's own answer is no problem.

    `picture_routes` take bodies of `picture_limit_bytes`, all others of `TEXT_LIMIT_BYTES`.
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
        limit_bytes = self._limit_bytes(scope)
        announced = Headers(scope=scope).get("Content-Length", "")
        if announced.isdigit() and int(announced) > limit_bytes:
            detail = _detail(limit_bytes)
            answer = problems.answer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail)
            await answer(scope, receive, send)
            return
        received_bytes = 0

        async def received() -> Message:
            nonlocal received_bytes
            message = await receive()
            received_bytes += len(message.get("body", b""))
            if received_bytes > limit_bytes:
                raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, _detail(limit_bytes))
            return message

        await self._app(scope, received, send)

    def _limit_bytes(self, scope: Scope) -> int:
        takes_pictures = any(r.matches(scope)[0] is Match.FULL for r in self._picture_routes)
        return self._picture_limit_bytes if takes_pictures else TEXT_LIMIT_BYTES


def _detail(limit_bytes: int) -> str:
    return f"a body may have {limit_bytes} bytes here"
