"""The application: every router, one shape of errors, and nothing on import."""

from fastapi import APIRouter, Depends, FastAPI

from inspection.api import (
    accounts,
    alerts,
    audit,
    cameras,
    channels,
    checkpoints,
    dead_letters,
    deliveries,
    docs,
    events,
    exports,
    frames,
    health,
    identities,
    inspections,
    keys,
    lines,
    links,
    maps,
    parts,
    probes,
    problems,
    products,
    recipes,
    references,
    reports,
    reviews,
    rules,
    sessions,
    shelves,
    shifts,
    stations,
    thresholds,
    users,
    what_if,
)
from inspection.api.body_limit import BodyLimit
from inspection.api.document import Described
from inspection.api.etag import NotModified
from inspection.api.faults import Faults
from inspection.api.headers import CarefulHeaders
from inspection.api.installation import Installation
from inspection.api.media import require_json
from inspection.api.methods import Methods

#: Where the interface is.
PREFIX = "/api/v1"

#: One a noun; their paths follow `PREFIX`.
ROUTERS: tuple[APIRouter, ...] = (
    sessions.router,
    links.router,
    identities.router,
    users.router,
    keys.router,
    lines.router,
    stations.router,
    cameras.router,
    products.router,
    recipes.router,
    thresholds.router,
    what_if.router,
    events.router,
    exports.router,
    inspections.router,
    maps.router,
    parts.router,
    audit.router,
    reviews.router,
    shifts.router,
    reports.router,
    alerts.router,
    shelves.router,
    rules.router,
    channels.router,
    deliveries.router,
    references.router,
    checkpoints.router,
    dead_letters.router,
    accounts.router,
    health.router,
)

#: Those whose bodies are pictures, as large as the installation takes them.
PICTURE_ROUTERS: tuple[APIRouter, ...] = (frames.router,)


def create_app(installation: Installation) -> FastAPI:
    """Make the application that a server runs; the interface is one of its own below `PREFIX`.

    What is mounted or included beside it does not change how the interface answers.
    """
    app = FastAPI(title="inspection", docs_url=None, redoc_url=None, openapi_url=None)
    app.state.installation = installation
    problems.add_handlers(app)
    app.include_router(probes.router)
    docs.add_to(app)
    app.mount(PREFIX, _interface(installation))
    app.add_middleware(Faults)
    app.add_middleware(CarefulHeaders)
    return app


def _interface(installation: Installation) -> FastAPI:
    interface = Described(
        title="inspection",
        version="1",
        docs_url=None,
        redoc_url=None,
        servers=[{"url": PREFIX}],
        root_path_in_servers=False,
        redirect_slashes=False,
        dependencies=[Depends(require_json)],
    )
    interface.state.installation = installation
    problems.add_handlers(interface)
    for router in (*ROUTERS, *PICTURE_ROUTERS):
        interface.include_router(router)
    interface.add_middleware(NotModified)
    interface.add_middleware(Methods, routes=interface.router.routes)
    interface.add_middleware(
        BodyLimit,
        picture_routes=[route for router in PICTURE_ROUTERS for route in router.routes],
        picture_limit_bytes=installation.body_limit_bytes,
    )
    interface.add_middleware(Faults)
    return interface
