"""Methods of HTTP that no route spells out: HEAD, OPTIONS, and those that are not there."""

from http import HTTPStatus
from typing import Final

from starlette.responses import Response
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from inspection.api import problems

_METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE")


class Methods:
    """Answers HEAD as GET without its body, OPTIONS and wrong methods with those there are."""

    def __init__(self, app: ASGIApp, *, routes: list[BaseRoute]) -> None:
        self._app = app
        self._routes = routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        allowed = self._allowed(scope)
        method = scope["method"]
        if not allowed or method in allowed:
            await self._app(scope, receive, send)
        elif method == "HEAD" and "GET" in allowed:
            await _head(self._app, scope, receive, send)
        else:
            named = [*allowed, *(["HEAD"] if "GET" in allowed else []), "OPTIONS"]
            headers = {"Allow": ", ".join(named)}
            answer = Response(status_code=HTTPStatus.NO_CONTENT, headers=headers)
            if method != "OPTIONS":
                detail = f"{scope['path']} takes {headers['Allow']}"
                answer = problems.answer(HTTPStatus.METHOD_NOT_ALLOWED, detail, headers=headers)
            await answer(scope, receive, send)

    def _allowed(self, scope: Scope) -> list[str]:
        """Return the methods of a path; none: there is no such path."""
        return [method for method in _METHODS if self._matches({**scope, "method": method})]

    def _matches(self, scope: Scope) -> bool:
        return any(route.matches(scope)[0] is Match.FULL for route in self._routes)


async def _head(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    has_begun = False

    async def received() -> Message:
        # A stream would never end by itself.
        return {"type": "http.disconnect"} if has_begun else await receive()

    async def sent(message: Message) -> None:
        nonlocal has_begun
        if message["type"] == "http.response.start":
            await send(message)
            await send({"type": "http.response.body", "body": b"", "more_body": False})
            has_begun = True

    await app({**scope, "method": "GET"}, received, sent)
