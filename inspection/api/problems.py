"""The one shape of every error: problem details (RFC 9457)."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from inspection.errors import (
    ConfigurationError,
    ConflictError,
    CursorError,
    ForbiddenError,
    InspectionError,
    NotFoundError,
    PreconditionError,
    UnauthenticatedError,
    UnavailableError,
)

MEDIA_TYPE: Final = "application/problem+json"

#: The most specific class first.
_STATUS: Final[Mapping[type[InspectionError], HTTPStatus]] = {
    CursorError: HTTPStatus.BAD_REQUEST,
    UnauthenticatedError: HTTPStatus.UNAUTHORIZED,
    ForbiddenError: HTTPStatus.FORBIDDEN,
    NotFoundError: HTTPStatus.NOT_FOUND,
    ConflictError: HTTPStatus.CONFLICT,
    PreconditionError: HTTPStatus.PRECONDITION_FAILED,
    ConfigurationError: HTTPStatus.UNPROCESSABLE_ENTITY,
    UnavailableError: HTTPStatus.SERVICE_UNAVAILABLE,
}


class FieldError(BaseModel):
    """What is wrong with one field of a request."""

    #: Where it is: `query.limit`, `body.value`.
    field: str
    message: str


class Problem(BaseModel):
    """An error, as RFC 9457 writes it."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    errors: list[FieldError] = Field(default_factory=list)


def answer(
    status: HTTPStatus,
    detail: str,
    *,
    errors: list[FieldError] | None = None,
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """Return the answer that says what went wrong."""
    problem = Problem(title=status.phrase, status=status, detail=detail, errors=errors or [])
    return JSONResponse(
        problem.model_dump(), status_code=status, headers=dict(headers or {}), media_type=MEDIA_TYPE
    )


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


def _ours(_request: Request, error: Exception) -> JSONResponse:
    kinds = (status for kind, status in _STATUS.items() if isinstance(error, kind))
    status = next(kinds, HTTPStatus.INTERNAL_SERVER_ERROR)
    headers = {"WWW-Authenticate": "Bearer"} if status == HTTPStatus.UNAUTHORIZED else {}
    return answer(status, str(error), headers=headers)


def _invalid(_request: Request, error: Exception) -> JSONResponse:
    found: list[Any] = list(error.errors()) if isinstance(error, RequestValidationError) else []
    errors = [
        FieldError(field=".".join(str(part) for part in one["loc"]), message=one["msg"])
        for one in found
    ]
    fields = ", ".join(dict.fromkeys(one.field for one in errors))
    return answer(HTTPStatus.UNPROCESSABLE_ENTITY, f"cannot be used: {fields}", errors=errors)


def _http(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101 - what it is registered for
    return answer(HTTPStatus(error.status_code), str(error.detail), headers=error.headers)
