"""Real servers for the stream's tests: the embedded Valkey and the machine's own Redis."""

import os
import random
import shutil
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import redis

from inspection.domain.frame import Frame, FrameIdentity
from inspection.domain.line import OverflowPolicy
from inspection.stream.connection import AsyncClient, Client, connect, connect_async
from inspection.stream.consumer import Consumer
from inspection.stream.embedded import EmbeddedServer
from inspection.stream.producer import Producer


def _wait_until(is_true: Callable[[], bool], *, timeout_s: float = 10.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not is_true():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


@pytest.fixture(scope="session")
def wait_until() -> Callable[..., None]:
    """Wait until a condition holds, and fail if it takes longer than `timeout_s`."""
    return _wait_until


@pytest.fixture(scope="session")
def start_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., str]]:
    """Start the machine's Redis with further options; all end with the session."""
    binary = shutil.which("redis-server")
    if binary is None:
        if "CI" in os.environ:
            pytest.fail("redis-server is missing")
        pytest.skip("redis-server is missing")
    processes: list[subprocess.Popen[bytes]] = []

    def start(*options: str, password: str = "") -> str:
        port = _free_port()
        folder = tmp_path_factory.mktemp("redis")
        lines = ("bind 127.0.0.1", f"port {port}", 'save ""', *options)
        Path(folder, "redis.conf").write_text("\n".join(lines) + "\n", encoding="utf-8")
        mode = ["--sentinel"] if any(one.startswith("sentinel ") for one in options) else []
        processes.append(
            subprocess.Popen([binary, "redis.conf", *mode], cwd=folder, stdout=subprocess.DEVNULL)
        )
        url = f"redis://:{password}@127.0.0.1:{port}/0"
        with redis.Redis(port=port, password=password or None) as client:
            _wait_until(lambda: _answers(client))
        return url if password else url.replace(":@", "")

    yield start
    for process in processes:
        process.kill()
        process.wait()


@pytest.fixture(scope="session")
def redis_url(start_redis: Callable[..., str]) -> str:
    return start_redis()


@pytest.fixture(scope="session")
def valkey_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    server = EmbeddedServer(tmp_path_factory.mktemp("valkey"))
    yield server.start()
    server.stop()


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


def _free_port() -> int:
    # Redis needs the port 10,000 above it too when it is a cluster.
    while True:
        port = random.randrange(20_000, 30_000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def _answers(client: "redis.Redis") -> bool:
    try:
        return bool(client.ping())
    except redis.ConnectionError:
        return False
