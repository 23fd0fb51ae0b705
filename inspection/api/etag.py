"""Nobody overwrites what he has not seen: entity tags and `If-Match` (RFC 9110, RFC 6585).

A change of configuration (PUT, PATCH, DELETE of what is there) must name in `If-Match` the tag it
has read: without one it is refused with 428, with the tag of an older state with 412. `*` means
whatever is there. What only adds (POST) needs none.
"""

import hashlib
from http import HTTPStatus
from typing import Annotated, Any, Final

from fastapi import Header, Response
from fastapi.exceptions import HTTPException
from pydantic import BaseModel
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from inspection.errors import PreconditionError

#: Parameter of a route that changes something.
IfMatch = Annotated[
    str | None,
    Header(
        description="`ETag` of the state that the change is meant for; `*`: whatever is there",
        max_length=1000,
        examples=["*"],
    ),
]

#: Declared by every route that takes `IfMatch`.
PRECONDITIONS: dict[int | str, dict[str, Any]] = {
    412: {"description": "somebody else changed it since it was read"},
    428: {"description": "`If-Match` is missing"},
}


#: What an answer 304 says as the answer 200 would have.
_KEPT: Final = frozenset({b"etag", b"cache-control", b"vary"})


def etag_of(view: BaseModel) -> str:
    """Return the tag of what is shown: the same for the same content, in every process."""
    return f'"{hashlib.sha256(view.model_dump_json().encode()).hexdigest()[:32]}"'


def tag(response: Response, view: BaseModel) -> None:
    """Have an answer carry the tag of what it shows."""
    response.headers["ETag"] = etag_of(view)


def check(if_match: str | None, view: BaseModel) -> None:
    """Return if a change is meant for what is there now; to be asked in the transaction of it.

    Raises:
        HTTPException: 428, the request does not say what it is meant for.
        PreconditionError: what is there is not what it is meant for.
    """
    if if_match is None:
        raise HTTPException(
            HTTPStatus.PRECONDITION_REQUIRED,
            "send If-Match with the ETag of what was read, so that nobody's change is lost",
        )
    if if_match.strip() != "*" and etag_of(view) not in tags_in(if_match):
        raise PreconditionError


def tags_in(header: str) -> list[str]:
    """Return the entity tags of a header; weak ones never match what is compared strongly."""
    return [part.strip() for part in header.split(",")]


def _is_named(tag: str | None, known: str) -> bool:
    # Compared weakly (RFC 9110, 13.1.2): a proxy that packs an answer makes its tag a weak one.
    named = [each.removeprefix("W/") for each in tags_in(known)]
    return tag is not None and (tag in named or named == ["*"])


class NotModified:
    """Answers a GET that names the tag of what is there with 304 and nothing more."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        known = Headers(scope=scope).get("If-None-Match") if scope["type"] == "http" else None
        if known is None or scope["method"] != "GET":
            await self._app(scope, receive, send)
            return
        is_known = False

        async def sent(message: Message) -> None:
            nonlocal is_known
            if message["type"] == "http.response.start":
                tag = MutableHeaders(scope=message).get("ETag")
                is_known = message["status"] == HTTPStatus.OK and _is_named(tag, known)
                if is_known:
                    headers = [(k, v) for k, v in message["headers"] if k.lower() in _KEPT]
                    message = {
                        **message,
                        "status": int(HTTPStatus.NOT_MODIFIED),
                        "headers": headers,
                    }
            elif is_known:
                message = {**message, "body": b""}
            await send(message)

        await self._app(scope, receive, sent)
