"""`/docs`: the interface described for people, with nothing loaded from anywhere else."""

from typing import Final

from fastapi import APIRouter, FastAPI, Response
from starlette.staticfiles import StaticFiles
from swagger_ui_bundle import swagger_ui_path

#: Styles may stand in the page, scripts may not: Swagger UI sets some of its elements' styles.
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)

_PAGE: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>inspection: interface</title>
<link rel="icon" href="docs/assets/favicon-32x32.png">
<link rel="stylesheet" href="docs/assets/swagger-ui.css">
</head>
<body>
<div id="swagger-ui"></div>
<script src="docs/assets/swagger-ui-bundle.js"></script>
<script src="docs/start.js"></script>
</body>
</html>
"""

# This Swagger UI refuses OpenAPI 3.1, so what is said there is written as 3.0 says it. Signing in
# needs no typing of keys: a session's cookie is sent along by itself, and changes get its token.
_START: Final = """const older = (part) => {
  if (Array.isArray(part)) return part.map(older);
  if (part === null || typeof part !== "object") return part;
  const now = Object.fromEntries(Object.entries(part).map(([key, value]) => [key, older(value)]));
  if (Array.isArray(now.examples)) {
    now.example = now.examples[0];
    delete now.examples;
  }
  const kinds = Array.isArray(now.anyOf) ? now.anyOf.filter((kind) => kind.type !== "null") : [];
  if (kinds.length === 1 && now.anyOf.length === 2) {
    delete now.anyOf;
    return { ...kinds[0], ...now, nullable: true };
  }
  return now;
};
const signed = async (request) => {
  if (["GET", "HEAD"].includes((request.method || "GET").toUpperCase())) return request;
  const answer = await fetch("api/v1/session");
  const token = answer.ok ? (await answer.json()).csrf_token : null;
  if (token) request.headers["X-CSRF-Token"] = token;
  return request;
};
fetch("api/v1/openapi.json").then((answer) => answer.json()).then((told) => {
  window.ui = SwaggerUIBundle({
    spec: { ...older(told), openapi: "3.0.3" }, dom_id: "#swagger-ui", deepLinking: true,
    persistAuthorization: false, validatorUrl: null, requestInterceptor: signed
  });
});
"""

router = APIRouter()


@router.get("/docs")
def page() -> Response:
    """Return the page."""
    headers = {"Content-Security-Policy": _POLICY}
    return Response(_PAGE, media_type="text/html; charset=utf-8", headers=headers)


@router.get("/docs/start.js")
def start() -> Response:
    """Return the script that starts it, which may not stand in the page."""
    return Response(_START, media_type="text/javascript; charset=utf-8")


def add_to(app: FastAPI) -> None:
    """Add the page and what it loads."""
    app.include_router(router)
    app.mount("/docs/assets", StaticFiles(directory=str(swagger_ui_path)))
