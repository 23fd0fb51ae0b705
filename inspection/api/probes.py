"""Whether the process lives, whether it can work, and its figures for Prometheus."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Response
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from inspection.api import problems
from inspection.api.gate import Permitted
from inspection.api.installation import Given
from inspection.domain.access import Permission, Principal
from inspection.errors import InspectionError, NotFoundError
from inspection.stream.connection import connect, translated
from inspection.telemetry import logger

router = APIRouter()


@router.get("/healthz")
def live() -> dict[str, str]:
    """Say that the process lives."""
    return {"status": "ok"}


@router.get("/readyz", response_model=None)
def ready(given: Given) -> dict[str, str] | Response:
    """Say whether the database, at the right version, and the streams answer."""
    try:
        given.database.check()
        if given.redis_url is not None:
            with connect(given.redis_url, retries=0) as client, translated(client):
                client.ping()
    except InspectionError as error:
        logger().warning("not_ready", why=str(error))
        return problems.answer(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "the database or the streams do not answer; the log says which",
            headers={"Retry-After": str(problems.RETRY_AFTER_S)},
        )
    return {"status": "ok"}


@router.get("/metrics")
def metrics(
    given: Given, _caller: Annotated[Principal, Depends(Permitted(Permission.READ))]
) -> Response:
    """Return the figures of the installation in Prometheus's format."""
    if given.metrics is None:
        raise NotFoundError("no metrics without a stream server")
    return Response(given.metrics(), media_type=CONTENT_TYPE_LATEST)
