"""A connection to an MQTT broker that is made again whenever it breaks.

While it stands it says so, retained, and so does the broker once it does not; what is to be
retained beside that is told again on every new connection, because a broker may have forgotten.
"""

import asyncio
import ssl
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import aiomqtt

from inspection import telemetry
from inspection.domain.channel import Broker
from inspection.errors import ConfigurationError

#: Longest time for one step, such as an acknowledgement, in seconds.
STEP_S: Final = 5.0
#: A connection over which nothing came for one and a half times as long is gone, in seconds.
KEEPALIVE_S: Final = 15
#: Waits between two tries to connect, in seconds; a notification to be sent ends a wait.
FIRST_WAIT_S: Final = 0.5
LONGEST_WAIT_S: Final = 30.0
#: What is retained of the connection itself.
ONLINE: Final = "online"
OFFLINE: Final = "offline"
#: At least once.
_QOS: Final = 1


@dataclass(frozen=True, kw_only=True)
class Access:
    """How to come to a broker."""

    broker: Broker
    password: str | None
    trusted: ssl.SSLContext | None

    @classmethod
    def to(cls, broker: Broker, password: str | None) -> "Access":
        """Prepare it.

        Raises:
            ConfigurationError: the file of authorities cannot be used.
        """
        if not broker.has_tls:
            return cls(broker=broker, password=password, trusted=None)
        trusted = ssl.create_default_context()
        if broker.ca_file is not None:
            try:
                trusted.load_verify_locations(broker.ca_file)
            except OSError as error:  # also when it holds no certificate
                raise ConfigurationError(
                    f"the broker's `ca_file` {broker.ca_file} cannot be used: {error}"
                ) from error
        return cls(broker=broker, password=password, trusted=trusted)

    def client(self, *, will: str | None = None) -> aiomqtt.Client:
        """Return a client that is not connected yet; inside a running event loop only.

        Args:
            will: topic on which the broker says, retained, that the connection broke.
        """
        last = None if will is None else aiomqtt.Will(will, OFFLINE, qos=_QOS, retain=True)
        return aiomqtt.Client(
            self.broker.host,
            self.broker.port,
            username=self.broker.username,
            password=self.password,
            tls_context=self.trusted,
            keepalive=KEEPALIVE_S,
            timeout=STEP_S,
            will=last,
        )


class Link:
    """Keeps a connection; everything here runs in one event loop."""

    def __init__(self, access: Access, *, presence: str, channel: str) -> None:
        self._access = access
        self._presence = presence
        self._log = telemetry.logger().bind(channel=channel)
        #: What the present try to connect comes to: a client, or why there is none.
        self._turn: asyncio.Future[aiomqtt.Client | Exception] = asyncio.Future()
        #: Why the connection of this turn broke, once it does.
        self._break: asyncio.Future[Exception] = asyncio.Future()
        self._is_wanted = asyncio.Event()
        self._retained: Mapping[str, str] = {}
        self._is_changed = asyncio.Event()
        self._trouble = ""

    async def run(self) -> None:
        """Keep the connection until cancelled, then take leave."""
        wait_s = FIRST_WAIT_S
        while True:
            self._is_wanted.clear()
            try:
                await self._stay()
            except* (aiomqtt.MqttError, ValueError) as group:
                error = _first(group)
                if self._turn.done():  # it was connected
                    wait_s = FIRST_WAIT_S
                else:
                    self._turn.set_result(error)
                self._break.set_result(error)
                self._turn, self._break = asyncio.Future(), asyncio.Future()
                self._note(error)
            with suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._is_wanted.wait()
            wait_s = min(2 * wait_s, LONGEST_WAIT_S)

    async def publish(self, topic: str, payload: str) -> None:
        """Publish at least once; returns when the broker has acknowledged it.

        Raises:
            aiomqtt.MqttError: there is no connection, or no acknowledgement.
            ValueError: the broker's host is no name.
        """
        self._is_wanted.set()
        broken = self._break
        client = await asyncio.shield(self._turn)
        if isinstance(client, Exception):
            raise client
        publishing = asyncio.ensure_future(client.publish(topic, payload, qos=_QOS))
        either: set[asyncio.Future[Any]] = {publishing, broken}
        try:
            # The client itself would wait for an acknowledgement that cannot come any more.
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if not publishing.done():
                raise broken.result()
            publishing.result()
        finally:
            publishing.cancel()

    def retain(self, payloads: Mapping[str, str]) -> None:
        """Have the broker keep these payloads, by topic, from now on."""
        if payloads != self._retained:
            self._retained = dict(payloads)
            self._is_changed.set()

    async def _stay(self) -> None:
        async with self._access.client(will=self._presence) as client:
            try:
                await client.publish(self._presence, ONLINE, qos=_QOS, retain=True)
                await client.subscribe(self._presence, qos=_QOS)
                self._log.info("broker_connected")
                self._trouble = ""
                self._turn.set_result(client)
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(self._insist(client))
                    tasks.create_task(self._tell_retained(client))
            except asyncio.CancelledError:
                # Whoever leaves in order has no will.
                with suppress(aiomqtt.MqttError):
                    await client.publish(self._presence, OFFLINE, qos=_QOS, retain=True)
                raise

    async def _insist(self, client: aiomqtt.Client) -> None:
        """Contradict others of the same presence that left: somebody is still here."""
        async for message in client.messages:
            if message.payload == OFFLINE.encode():
                await client.publish(self._presence, ONLINE, qos=_QOS, retain=True)

    async def _tell_retained(self, client: aiomqtt.Client) -> None:
        told: dict[str, str] = {}
        self._is_changed.set()
        while await self._is_changed.wait():
            self._is_changed.clear()
            for topic, payload in dict(self._retained).items():
                if told.get(topic) != payload:
                    await client.publish(topic, payload, qos=_QOS, retain=True)
                    told[topic] = payload

    def _note(self, error: Exception) -> None:
        if str(error) != self._trouble:
            self._trouble = str(error)
            self._log.warning("broker_unreachable", error=str(error))


def _first(group: BaseExceptionGroup[Exception]) -> Exception:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error if isinstance(error, Exception) else ValueError(str(error))
