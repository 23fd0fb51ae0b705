"""The application: every router, one shape of errors, and nothing on import."""

from fastapi import APIRouter, FastAPI

from inspection.api import (
    accounts,
    alerts,
    channels,
    checkpoints,
    dead_letters,
    deliveries,
    frames,
    health,
    problems,
    references,
    rules,
    shelves,
)
from inspection.api.installation import Installation

#: Where the interface is.
PREFIX = "/api/v1"

#: One a noun; their paths follow `PREFIX`.
ROUTERS: tuple[APIRouter, ...] = (
    frames.router,
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


def create_app(installation: Installation) -> FastAPI:
    """Make the application that a server runs; the interface is one of its own below `PREFIX`."""
    interface = FastAPI(title="inspection", version="1", docs_url=None, redoc_url=None)
    interface.state.installation = installation
    problems.add_handlers(interface)
    for router in ROUTERS:
        interface.include_router(router)
    app = FastAPI(title="inspection", docs_url=None, redoc_url=None, openapi_url=None)
    app.state.installation = installation
    problems.add_handlers(app)
    app.mount(PREFIX, interface)
    return app
