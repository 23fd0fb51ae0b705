"""The interface on a real stream: a line whose camera `gateway` is pushed, and its inspector."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fastapi.testclient import TestClient

from inspection.api.app import create_app
from inspection.api.installation import Installation
from inspection.domain.line import Camera
from inspection.domain.site import Site
from inspection.serving import request as serving
from inspection.serving.inspector import BLOCK_MS, Inspector
from inspection.serving.recorder import Recorder
from inspection.store import lines
from inspection.store.database import Database
from inspection.stream.connection import connect, connect_async
from inspection.stream.consumer import Consumer
from tests import factories

CAMERA = "gateway"
FRAMES = f"/api/v1/cameras/{CAMERA}/frames"


def add_gateway(database: Database, **changes: Any) -> Camera:
    """Add a pushed camera to line-1."""
    camera = factories.camera(name=CAMERA, source=factories.source(kind="push"), **changes)
    with database.write() as connection:
        lines.create_missing(
            connection,
            Site(lines=(factories.line(),), cameras=(camera,)),
            at=factories.NOON,
            by="test",
        )
    return camera


@contextmanager
def streamed(installation: Installation, redis_url: str, folder: Path) -> Iterator[Installation]:
    """Give the installation an empty stream server."""
    with connect(redis_url) as streams:
        streams.flushall()
        yield replace(installation, streams=streams, journal_dir=folder / "journals", host="api-1")


@contextmanager
def asking(installation: Installation, headers: dict[str, str]) -> Iterator[TestClient]:
    """Give a client of an installation that a test has changed."""
    app = create_app(installation)
    with TestClient(app, headers=headers, raise_server_exceptions=False) as client:
        yield client


class Scores:
    """Stands for Ray Serve: scores are the numbers it was given, in turn."""

    def __init__(self, *scores: float) -> None:
        self._scores = list(scores)

    async def score(
        self, requests: Sequence[serving.Request], files: Mapping[str, bytes] | None = None
    ) -> list[serving.Answer]:
        del files
        return [
            serving.Scored(
                score=self._scores.pop(0),
                anomaly_map=factories.anomaly_map(),
                checkpoint_hash=factories.CHECKPOINT_HASH,
            )
            for _ in requests
        ]


@asynccontextmanager
async def inspecting(
    installation: Installation, redis_url: str, *scores: float
) -> AsyncIterator[None]:
    """Run a real inspector on the installation's streams and database."""
    client = connect_async(redis_url, block_ms=BLOCK_MS)
    inspector = Inspector(
        consumer=Consumer(client, name="inspector-1", reclaim_idle_ms=60_000),
        scoring=Scores(*scores),
        recorder=Recorder(installation.database, installation.pictures, clock=now),
        clock=now,
        window_frames=8,
    )
    stop = asyncio.Event()
    task = asyncio.create_task(inspector.run(stop))
    try:
        yield
    finally:
        stop.set()
        await task
        await client.aclose()


def now() -> datetime:
    return datetime.now(UTC)
