"""Somebody who listens to an MQTT broker."""

import asyncio
import json
import threading
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import aiomqtt

from tests import servers


@dataclass(frozen=True, kw_only=True)
class Heard:
    """One message."""

    topic: str
    payload: bytes
    qos: int
    #: The broker had kept it from before.
    is_retained: bool

    @property
    def json(self) -> Any:
        return json.loads(self.payload)


class Listener:
    """Hears everything below a topic, from now on and what is retained."""

    def __init__(self, port: int, topic: str = "#", **options: Any) -> None:
        self.heard: list[Heard] = []
        self._subscription = (port, topic, options)
        self._is_ready = threading.Event()
        self._loop: asyncio.AbstractEventLoop
        self._task: asyncio.Task[None] | None
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        assert self._is_ready.wait(20)

    def payloads(self, topic: str) -> list[str]:
        """Return what was heard under a topic, in its order."""
        return [each.payload.decode() for each in self.heard if each.topic == topic]

    def wait_for(self, topic: str, payload: str) -> None:
        """Wait until this was the last thing heard under a topic."""
        servers.wait_until(lambda: self.payloads(topic)[-1:] == [payload], 20)

    def close(self) -> None:
        assert self._task is not None
        self._loop.call_soon_threadsafe(self._task.cancel)
        self._thread.join()

    def _run(self) -> None:
        with suppress(asyncio.CancelledError):
            asyncio.run(self._listen())

    async def _listen(self) -> None:
        self._loop, self._task = asyncio.get_running_loop(), asyncio.current_task()
        port, topic, options = self._subscription
        async with aiomqtt.Client("127.0.0.1", port, **options) as client:
            await client.subscribe(topic, qos=1)
            self._is_ready.set()
            async for message in client.messages:
                assert isinstance(message.payload, bytes)
                self.heard.append(
                    Heard(
                        topic=str(message.topic),
                        payload=message.payload,
                        qos=message.qos,
                        is_retained=message.retain,
                    )
                )
