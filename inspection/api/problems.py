"""The one shape of every error: problem details (RFC 9457)."""

import json
import math
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import HTTPException as FastAPIException
from fastapi.exceptions import RequestValidationError
from pydantic import Field
from starlette.exceptions import HTTPException

from inspection.api.shapes import View
from inspection.errors import (
    ConfigurationError,
    ConflictError,
    CursorError,
    ForbiddenError,
    GoneError,
    InspectionError,
    NotFoundError,
    PictureError,
    PreconditionError,
    RateLimitedError,
    UnauthenticatedError,
    UnavailableError,
)
from inspection.telemetry import logger

MEDIA_TYPE: Final = "application/problem+json"

#: The most specific class first.
_STATUS: Final[Mapping[type[InspectionError], HTTPStatus]] = {
    CursorError: HTTPStatus.BAD_REQUEST,
    UnauthenticatedError: HTTPStatus.UNAUTHORIZED,
    ForbiddenError: HTTPStatus.FORBIDDEN,
    NotFoundError: HTTPStatus.NOT_FOUND,
    GoneError: HTTPStatus.GONE,
    ConflictError: HTTPStatus.CONFLICT,
    PreconditionError: HTTPStatus.PRECONDITION_FAILED,
    RateLimitedError: HTTPStatus.TOO_MANY_REQUESTS,
    ConfigurationError: HTTPStatus.UNPROCESSABLE_ENTITY,
    PictureError: HTTPStatus.UNPROCESSABLE_ENTITY,
    UnavailableError: HTTPStatus.SERVICE_UNAVAILABLE,
}

#: When to send a request again that a server could not answer, in seconds.
RETRY_AFTER_S: Final = 5
#: Of a request with more wrong fields, so many are named.
_ERRORS_SHOWN: Final = 50


class FieldError(View):
    """What is wrong with one field of a request."""

    field: str = Field(description="where it is", examples=["query.limit", "body.value"])
    message: str = Field(examples=["Input should be less than or equal to 1000"])


class Problem(View):
    """An error, as RFC 9457 writes it."""

    type: str = Field(default="about:blank", description="nothing more than `status` says")
    title: str = Field(examples=["Unprocessable Content"])
    status: int = Field(examples=[422])
    detail: str = Field(examples=["cannot be used: query.limit"])
    errors: list[FieldError] = Field(default_factory=list, description="of wrong fields, each one")


def answer(
    status: HTTPStatus,
    detail: str,
    *,
    errors: list[FieldError] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return the answer that says what went wrong."""
    problem = Problem(title=status.phrase, status=status, detail=detail, errors=errors or [])
    # A message may quote half a surrogate pair out of the request, which nothing can encode.
    body = json.dumps(problem.model_dump(), ensure_ascii=False).encode(errors="replace")
    return Response(body, status_code=status, headers=dict(headers or {}), media_type=MEDIA_TYPE)


def declared(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return `responses=` of a route: the problems it may answer beside those that any may.

    Any route may answer 401, 403, 422 and 503, one with a body 400, 413 and 415 as well.
    """
    return {status: {"description": HTTPStatus(status).phrase} for status in statuses}


def add_handlers(app: FastAPI) -> None:
    """Have every error of an application answered in the one shape."""
    app.add_exception_handler(InspectionError, _ours)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)


def exception_of(error: Exception) -> FastAPIException:
    """Return what answers one of our errors; raises it again if no answer is meant for it."""
    kinds = (status for kind, status in _STATUS.items() if isinstance(error, kind))
    status = next(kinds, None)
    if status is None and getattr(error, "is_transient", False):
        status = HTTPStatus.SERVICE_UNAVAILABLE
    if status is None:
        raise error
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        # The message names servers, which are nothing to whoever has not signed in.
        headers = {"Retry-After": str(RETRY_AFTER_S)}
        return FastAPIException(status, "a server that this needs does not answer", headers)
    headers = {"WWW-Authenticate": "Bearer"} if status == HTTPStatus.UNAUTHORIZED else {}
    if isinstance(error, RateLimitedError):
        headers = {"Retry-After": str(math.ceil(error.retry_after_s))}
    return FastAPIException(status, str(error), headers)


def _ours(request: Request, error: Exception) -> Response:
    found = exception_of(error)
    if found.status_code == HTTPStatus.SERVICE_UNAVAILABLE:
        logger().warning("request_unavailable", path=request.url.path, why=str(error))
    return _http(request, found)


def _invalid(_request: Request, error: Exception) -> Response:
    found: list[Any] = list(error.errors()) if isinstance(error, RequestValidationError) else []
    errors = [
        FieldError(
            field=".".join(str(part)[:64] for part in one["loc"]),
            message=one["msg"].removeprefix("Value error, ")[:500],
        )
        for one in found[:_ERRORS_SHOWN]
    ]
    fields = ", ".join(dict.fromkeys(one.field for one in errors))
    return answer(HTTPStatus.UNPROCESSABLE_ENTITY, f"cannot be used: {fields}", errors=errors)


def _http(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - what it is registered for
    return answer(HTTPStatus(error.status_code), str(error.detail), headers=error.headers)
