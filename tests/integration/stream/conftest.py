"""Real servers for the stream's tests, emptied before each; producers and consumers on them."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from inspection.domain.frame import Frame, FrameIdentity
from inspection.domain.line import OverflowPolicy
from inspection.stream.connection import AsyncClient, Client, connect, connect_async
from inspection.stream.consumer import Consumer
from inspection.stream.producer import Producer
from tests.servers import redis_server


@pytest.fixture(scope="session")
def start_redis() -> Iterator[Callable[..., str]]:
    """Start the machine's Redis with further lines of configuration; all end with the session."""
    with ExitStack() as running:
        yield lambda *lines, password="": running.enter_context(
            redis_server(*lines, password=password)
        )


@pytest.fixture(scope="session")
def redis_url(start_redis: Callable[..., str]) -> str:
    """URL of a Redis of these tests' own, because they empty it."""
    return start_redis()


@pytest.fixture(scope="session", params=["valkey_url", "redis_url"])
def server_url(request: pytest.FixtureRequest) -> str:
    """Both kinds of server in turn."""
    url: str = request.getfixturevalue(request.param)
    return url


@pytest.fixture
def client(server_url: str) -> Iterator[Client]:
    """A client of an empty server."""
    with connect(server_url) as client:
        client.flushall()
        yield client


@pytest.fixture
async def async_client(client: Client, server_url: str) -> AsyncIterator[AsyncClient]:
    del client  # has emptied the server
    made = connect_async(server_url, block_ms=1000)
    yield made
    await made.aclose()


@pytest.fixture
def make_frame() -> Callable[..., Frame]:
    """Make frame `number`, exposed `at_s` seconds (by default `number`) into the shift."""

    def make(
        number: int, *, camera: str = "cam-1", at_s: float | None = None, payload: bytes = b"png"
    ) -> Frame:
        into_shift = timedelta(seconds=number if at_s is None else at_s)
        captured_at = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC) + into_shift
        identity = FrameIdentity(camera=camera, sequence_number=number, captured_at=captured_at)
        return Frame(identity=identity, payload=payload, media_type="image/png")

    return make


@pytest.fixture
def make_producer(client: Client) -> Callable[..., Producer]:
    def make(camera: str = "cam-1", **options: Any) -> Producer:
        given: dict[str, Any] = {"overflow": OverflowPolicy.BLOCK, "backlog_limit": 100} | options
        return Producer(client, camera=camera, **given)

    return make


@pytest.fixture
def make_consumer(async_client: AsyncClient) -> Callable[..., Consumer]:
    def make(name: str = "inspector-1", **options: Any) -> Consumer:
        return Consumer(async_client, name=name, **({"reclaim_idle_ms": 0} | options))

    return make
