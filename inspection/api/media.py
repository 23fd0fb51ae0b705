"""Bodies of another kind than a route takes are refused before anything reads them as one."""

from email.message import Message
from http import HTTPStatus

from fastapi import Request
from fastapi.exceptions import HTTPException


def require_json(request: Request) -> None:
    """Return if the body, where a route takes one, says that it is JSON.

    Raises:
        HTTPException: 415, it says something else, or nothing.
    """
    route = request.scope["route"]
    length = request.headers.get("Content-Length", "0")
    has_body = length != "0" or "Transfer-Encoding" in request.headers
    if getattr(route, "body_field", None) is None or not has_body:
        return
    given = Message()
    given["Content-Type"] = request.headers.get("Content-Type", "")
    is_json = given.get_content_subtype() == "json" or given.get_content_subtype().endswith("+json")
    if given.get_content_maintype() != "application" or not is_json:
        raise HTTPException(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "send the body with Content-Type: application/json"
        )
