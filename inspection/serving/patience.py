"""Waiting that ends when the process is asked to stop."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

from inspection.errors import UnavailableError
from inspection.telemetry import logger

T = TypeVar("T")

#: Seconds to wait before trying again what is unavailable.
BACKOFF_S = 0.5


async def sleep(seconds: float, stop: asyncio.Event) -> None:
    """Wait so many seconds, or until `stop`."""
    # Not wait_for, which before Python 3.12 may swallow a cancellation that comes with its end.
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stop.wait()


def is_over(stop: asyncio.Event) -> bool:
    """Say whether to end: asked to, or cancelled while a library was waiting that swallowed it.

    redis-py now and then goes on after a cancellation; a task that never noticed would keep its
    group, and so its process, for ever.
    """
    task = asyncio.current_task()
    return stop.is_set() or (task is not None and task.cancelling() > 0)


class Outage:
    """Retries of what one server does for us; its outage is logged once as it begins and ends."""

    def __init__(self, server: str) -> None:
        self._server = server
        self._is_out = False

    async def wait(self, error: UnavailableError, stop: asyncio.Event) -> None:
        """Note a failed attempt and wait before the next one."""
        if not self._is_out:
            logger().warning("outage_began", server=self._server, why=str(error))
            self._is_out = True
        await sleep(BACKOFF_S, stop)

    def over(self) -> None:
        """Note an attempt that worked."""
        if self._is_out:
            logger().info("outage_ended", server=self._server)
            self._is_out = False

    async def outlast(self, action: Callable[[], Awaitable[T]], stop: asyncio.Event) -> T:
        """Do `action`, again and again until it works.

        Raises:
            UnavailableError: it did not work and `stop` is set.
        """
        while True:
            try:
                result = await action()
            except UnavailableError as error:
                if stop.is_set():
                    raise
                await self.wait(error, stop)
            else:
                self.over()
                return result
