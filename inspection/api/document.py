"""The OpenAPI document: what every operation has in common is added here, not in each route."""

from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from inspection.api import cookies
from inspection.api.problems import MEDIA_TYPE, FieldError, Problem

_REFERENCE: Final = "#/components/schemas/{model}"
#: What any operation may answer …
_ALWAYS: Final = {
    401: "nobody knows who asks",
    403: "who asks has no permission",
    422: "a parameter or field cannot be used; `errors` names it",
    503: "a server that this needs does not answer; `Retry-After` says when to ask again",
}
#: … one that has parameters or a body …
_ADDRESSED: Final = {400: "the request, or its cursor, cannot be read"}
#: … one that names something in its path …
_NAMED: Final = {404: "there is no such thing"}
#: … and one that takes a body.
_WITH_BODY: Final = {413: "the body is too large", 415: "the body is of another media type"}

_SECURITY: Final = {
    "key": {
        "type": "http",
        "scheme": "bearer",
        "description": "An API key, made with `inspection key add` or `POST /keys`.",
    },
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": cookies.SESSION,
        "description": "The cookie of `POST /session`; changes need the CSRF header as well.",
    },
}

_DESCRIPTION: Final = """Lines and what stands on them, thresholds, the history of inspections,
alerts, reviews. Times are RFC 3339 with a zone, answers in UTC. Errors are problem details
(RFC 9457). Lists come in pages: take `next_cursor` along as `cursor`. Changes of configuration
name in `If-Match` the `ETag` that was read. A POST with an `Idempotency-Key` may be sent again."""


class Described(FastAPI):
    """An application that describes itself completely.

    `servers` names where it is mounted.
    """

    def openapi(self) -> dict[str, Any]:
        """Return the document."""
        if self.openapi_schema is None:
            self.openapi_schema = _document(self)
        return self.openapi_schema


def _document(interface: FastAPI) -> dict[str, Any]:
    document = get_openapi(
        title=interface.title,
        version=interface.version,
        summary="Streaming visual quality inspection",
        description=_DESCRIPTION,
        routes=interface.routes,
        servers=interface.servers,
    )
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for model in (FieldError, Problem):
        schemas[model.__name__] = model.model_json_schema(ref_template=_REFERENCE)
    schemas["Problem"].pop("$defs", None)
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    components["securitySchemes"] = components.get("securitySchemes", {}) | _SECURITY
    document["security"] = [{name: []} for name in _SECURITY]
    for path, operations in document.get("paths", {}).items():
        for operation in operations.values():
            _complete(operation, path)
    return document


def _complete(operation: dict[str, Any], path: str) -> None:
    common = dict(_ALWAYS)
    if operation.get("parameters") or "requestBody" in operation:
        common |= _ADDRESSED
    if "{" in path:
        common |= _NAMED
    if "requestBody" in operation:
        common |= _WITH_BODY
    answers = operation.setdefault("responses", {})
    for status, description in common.items():
        declared = answers.get(str(status), {})
        is_own = "HTTPValidationError" not in str(declared) and declared.get("description")
        answers[str(status)] = {"description": is_own or description}
    problem = {"$ref": _REFERENCE.format(model="Problem")}
    for status, declared in answers.items():
        if status.isdigit() and int(status) >= HTTPStatus.BAD_REQUEST:
            declared["content"] = {MEDIA_TYPE: {"schema": problem}}
