"""A wire between two processes that can be cut: nothing arrives, and nothing is refused."""

import asyncio
import contextlib
import threading
from collections.abc import Coroutine, Iterator
from typing import Any

#: Bytes that are passed on at a time.
CHUNK_BYTES = 64 * 1024


class Wire:
    """Forwards connections to a server on loopback, until it is cut.

    While it is cut, new connections are taken and stay silent; what is sent on old ones is
    acknowledged by the kernel, as far as its buffers go, and does not arrive.
    """

    def __init__(self, target_port: int) -> None:
        self._target_port = target_port
        self._loop = asyncio.new_event_loop()
        #: Of every connection: whether what comes in on one side goes out on the other.
        self._gates: set[asyncio.Event] = set()
        self._is_cut = False
        self.port = 0

    @contextlib.contextmanager
    def forwarding(self) -> Iterator[None]:
        """Forward until the block ends."""
        thread = threading.Thread(target=self._loop.run_forever, name="wire", daemon=True)
        thread.start()
        server = self._do(asyncio.start_server(self._take, "127.0.0.1", 0))
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield
        finally:
            self._do(self._end(server))
            self._loop.call_soon_threadsafe(self._loop.stop)
            thread.join()
            self._loop.close()

    def cut(self) -> None:
        """Let nothing through from now on."""
        self._do(self._set_cut(is_cut=True, is_old_revived=False))

    def mend(self, *, is_old_revived: bool) -> None:
        """Let connections through again.

        Args:
            is_old_revived: also those from before; otherwise they stay silent for ever.
        """
        self._do(self._set_cut(is_cut=False, is_old_revived=is_old_revived))

    def _do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _set_cut(self, *, is_cut: bool, is_old_revived: bool) -> None:
        self._is_cut = is_cut
        for is_open in self._gates:
            if is_cut:
                is_open.clear()
            elif is_old_revived:
                is_open.set()

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        is_open = asyncio.Event()
        if not self._is_cut:
            is_open.set()
        self._gates.add(is_open)
        try:
            await is_open.wait()
            there, back = await asyncio.open_connection("127.0.0.1", self._target_port)
            try:
                await _first_end(_pass_on(reader, back, is_open), _pass_on(there, writer, is_open))
            finally:
                back.close()
        except (OSError, asyncio.CancelledError):
            pass  # the server is down, or the wire is taken away
        finally:
            self._gates.discard(is_open)
            writer.close()

    async def _end(self, server: asyncio.Server) -> None:
        server.close()
        ours = asyncio.current_task()
        # A connection may have been taken a moment ago and have no task yet.
        while tasks := asyncio.all_tasks() - {ours}:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks, timeout=0.1)
            await asyncio.sleep(0.01)  # transports that were closed say good-bye


async def _first_end(*ways: Coroutine[Any, Any, None]) -> None:
    """Go both ways until one has come to its end."""
    tasks = [asyncio.ensure_future(way) for way in ways]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()


async def _pass_on(
    source: asyncio.StreamReader, sink: asyncio.StreamWriter, is_open: asyncio.Event
) -> None:
    with contextlib.suppress(OSError):
        while True:
            await is_open.wait()
            chunk = await source.read(CHUNK_BYTES)
            await is_open.wait()
            if not chunk:
                return
            sink.write(chunk)
            await sink.drain()
