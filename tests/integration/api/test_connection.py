"""What a client may send before its request is known."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from inspection.api import connection
from inspection.api.connection import Connection


async def _hello(_scope: Any, _receive: Any, send: Callable[[Any], Any]) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"hello"})


@asynccontextmanager
async def _talk() -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection to a server that always says hello."""
    config = uvicorn.Config(_hello, http=Connection, log_config=None, ws="none")
    config.load()
    state = ServerState()
    server = await asyncio.get_running_loop().create_server(
        lambda: Connection(config, state, {}), "127.0.0.1", 0
    )
    async with server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        try:
            yield reader, writer
        finally:
            writer.close()


@pytest.mark.parametrize("begin", [b"GET /", b"GET / HTTP/1.1\r\nX-Long: "])
def test_endless_request_is_refused_and_not_kept(begin: bytes) -> None:
    async def answer() -> bytes:
        async with _talk() as (reader, writer):
            writer.write(begin + b"a" * 100_000)
            return await reader.readline()

    assert asyncio.run(answer()).startswith(b"HTTP/1.1 400")


def test_request_that_does_not_come_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "HEADERS_S", 0.05)

    async def rest() -> bytes:
        async with _talk() as (reader, writer):
            writer.write(b"GET / HTTP/1.1\r\nHost: server\r\n\r\n")
            await reader.readuntil(b"\r\n0\r\n\r\n")  # the end of what is chunked
            writer.write(b"GET / HTTP/1.1\r\nHo")
            async with asyncio.timeout(10):
                return await reader.read()

    assert asyncio.run(rest()) == b""
