"""`Idempotency-Key`: a POST that is sent again is done once and answered the same.

`router = APIRouter(route_class=Once)` makes every POST of a router take the header
(draft-ietf-httpapi-idempotency-key-header). An answer is kept for 24 h; one that refuses changed
nothing and is not kept. Routes whose answers hold secrets must not be of this class: what is kept
is kept as it was sent.
"""

import hashlib
import re
from collections.abc import Awaitable, Callable, Coroutine
from typing import Annotated, Any, Final

from fastapi import Depends, Header, Request, Response
from fastapi.exceptions import HTTPException, RequestValidationError
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool

from inspection.api.gate import Permitted
from inspection.api.installation import Installation
from inspection.errors import InspectionError
from inspection.store import answers
from inspection.store.answers import Answer, Asked

HEADER: Final = "Idempotency-Key"
#: Says of an answer that it is given again.
REPLAYED: Final = "Idempotent-Replayed"
_KEPT_HEADERS: Final = ("content-type", "location", "etag")

_KEY: Final = re.compile(r"^[\x21-\x7e]{1,255}$")

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


def _declared(
    idempotency_key: Annotated[
        str | None,
        Header(
            pattern=_KEY.pattern,
            description="a key of this request's own, such as a UUID: sent again with it, the "
            "request is not done again but answered the same for 24 h",
            examples=["8e03978e-40d5-43dd-bc93-6894a57f9324"],
        ),
    ] = None,
) -> str | None:
    return idempotency_key


class Once(APIRoute):
    """A route whose POST is done once for each `Idempotency-Key`."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        if "POST" in (options.get("methods") or ()):
            options["dependencies"] = [*(options.get("dependencies") or ()), Depends(_declared)]
            conflict = {409: {"description": "the same request is being answered, or a conflict"}}
            options["responses"] = conflict | (options.get("responses") or {})
        super().__init__(path, endpoint, **options)

    def get_route_handler(self) -> Handler:
        """Return what answers a request."""
        handle = super().get_route_handler()

        async def once(request: Request) -> Response:
            key = request.headers.get(HEADER)
            if request.method != "POST" or key is None or not _KEY.fullmatch(key):
                return await handle(request)
            caller = await run_in_threadpool(self._caller, request)
            asked = Asked(caller=caller, key=key, fingerprint=await _fingerprint(request))
            return await _once(request, asked, handle)

        return once

    def _caller(self, request: Request) -> str:
        """Return who asks: an answer is for nobody who may not ask for it (any more)."""
        gates = [d.call for d in self.dependant.dependencies if isinstance(d.call, Permitted)]
        return gates[0](request).name


async def _fingerprint(request: Request) -> str:
    address = f"{request.url.path}?{request.url.query}\n".encode()
    return hashlib.sha256(address + await request.body()).hexdigest()


async def _once(
    request: Request, asked: Asked, handle: Callable[[Request], Awaitable[Response]]
) -> Response:
    given: Installation = request.app.state.installation
    kept = await run_in_threadpool(_claim, given, asked)
    if kept is not None:
        headers = kept.headers | {REPLAYED: "true"}
        return Response(kept.body, kept.status, headers)
    try:
        response = await handle(request)
    except (InspectionError, RequestValidationError, HTTPException):
        await run_in_threadpool(_settle, given, asked, None)
        raise
    await run_in_threadpool(_settle, given, asked, response)
    return response


def _claim(given: Installation, asked: Asked) -> Answer | None:
    with given.database.write() as connection:
        return answers.claim(connection, asked, at=given.clock())


def _settle(given: Installation, asked: Asked, response: Response | None) -> None:
    """Keep the answer, or give up the claim when there is none that can be kept."""
    body = getattr(response, "body", None)
    with given.database.write() as connection:
        if response is None or body is None:
            answers.release(connection, asked)
            return
        headers = {k: v for k, v in response.headers.items() if k in _KEPT_HEADERS}
        answer = Answer(status=response.status_code, headers=headers, body=bytes(body))
        answers.keep(connection, asked, answer)
