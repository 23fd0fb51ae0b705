"""Notifications as MQTT messages, and how every line stands, for boards and controllers.

MQTT 3.1.1, everything at QoS 1. PREFIX is the channel's `prefix`, "inspection" unless set:

    PREFIX/state               retained: `online` while an alert worker is connected, `offline`
                               after it left; its last will says so when it breaks off
    PREFIX/lines/LINE/state    retained: {"line", "open_count", "unacknowledged_count",
                               "worst_kind": kind of alert | null, "since": RFC 3339 | null},
                               where `since` is when the oldest unresolved alert was opened
    PREFIX/lines/LINE/alerts   not retained: the CloudEvents JSON of `cloud_event` for each
                               notification; a repeated one has the same `id`
    PREFIX/test                not retained: the same, of `inspection channel test`

A notification is delivered once the broker has acknowledged it. A broker that is away passes, so
the notification is tried again; one that refuses user, password or client is permanent: correct
the channel, then `inspection channel retry`. (A broker whose access list forbids a topic
acknowledges and drops in this version of MQTT: `inspection channel test` cannot tell.)
"""

import asyncio
import json
import threading
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from typing import Any, Final

import aiomqtt
from aiomqtt.exceptions import MqttConnectError

from inspection import telemetry
from inspection.alerting.broker import Access, Link
from inspection.alerting.channels import cloud_event
from inspection.domain.channel import Broker, Channel, LineState
from inspection.domain.notification import Event, Notification
from inspection.errors import ConfigurationError, DeliveryError

#: Longest time for one sending, in seconds.
DEADLINE_S: Final = 10.0
#: Longest time to take leave, in seconds.
FAREWELL_S: Final = 1.0
#: Answers to a connection that stay until somebody changes something: protocol, client id,
#: user or password, not authorised, banned.
_PERMANENT: Final = frozenset({132, 133, 134, 135, 138})


class MqttChannel:
    """Sends to one broker, over one connection that is kept in a thread of its own."""

    def __init__(self, configuration: Channel, *, deadline_s: float = DEADLINE_S) -> None:
        if configuration.broker is None:
            raise ConfigurationError(f"channel {configuration.name!r}: it names no broker")
        self._configuration = configuration
        self._broker: Broker = configuration.broker
        self._access = Access.to(self._broker, configuration.secret)
        self._deadline_s = deadline_s
        self._keeper: _Keeper | None = None

    def send(self, notification: Notification) -> None:
        """Send it once.

        Raises:
            DeliveryError: the broker is away or refuses, or does not acknowledge in time.
        """
        payload = cloud_event.encoded(notification)
        try:
            if notification.event is Event.TEST:
                # By a connection of its own: a test must not say that an alert worker is there.
                asyncio.run(self._visit(f"{self._broker.prefix}/test", payload))
            else:
                topic = f"{self._broker.prefix}/lines/{notification.line}/alerts"
                self._kept().run(lambda link: link.publish(topic, payload), self._deadline_s)
        except TimeoutError as error:
            raise DeliveryError(
                f"no acknowledgement within {self._deadline_s:g} s", is_permanent=False
            ) from error
        except aiomqtt.MqttError as error:
            raise DeliveryError(str(error), is_permanent=_is_permanent(error)) from error
        except ValueError as error:
            raise DeliveryError(f"the broker's host is none: {error}", is_permanent=True) from error

    def show(self, states: Sequence[LineState]) -> None:
        """Show these lines from now on; returns at once."""
        heard = self._configuration.lines
        payloads = {
            f"{self._broker.prefix}/lines/{state.line}/state": _encoded(state)
            for state in states
            if heard is None or state.line in heard
        }
        self._kept().tell(lambda link: link.retain(payloads))

    def close(self) -> None:
        """Say that nobody is here any more, and leave."""
        if self._keeper is not None:
            self._keeper.close()

    def _kept(self) -> "_Keeper":
        if self._keeper is None or not self._keeper.is_alive:
            self._keeper = _Keeper(
                lambda: Link(
                    self._access,
                    presence=f"{self._broker.prefix}/state",
                    channel=self._configuration.name,
                ),
                name=self._configuration.name,
            )
        return self._keeper

    async def _visit(self, topic: str, payload: str) -> None:
        async with asyncio.timeout(self._deadline_s), self._access.client() as client:
            await client.publish(topic, payload, qos=1)


class _Keeper:
    """A thread that keeps a link in an event loop of its own."""

    def __init__(self, make_link: Callable[[], Link], *, name: str) -> None:
        self._make_link = make_link
        self._name = name
        self._is_ready = threading.Event()
        self._loop: asyncio.AbstractEventLoop
        self._task: asyncio.Task[None] | None
        self._link: Link
        # It ends with the process: what it has not sent is delivered by whoever comes next.
        self._thread = threading.Thread(target=self._run, name=f"mqtt-{name}", daemon=True)
        self._thread.start()
        self._is_ready.wait()

    @property
    def is_alive(self) -> bool:
        """Whether the link is being kept."""
        return self._thread.is_alive()

    def run(self, work: Callable[[Link], Coroutine[Any, Any, None]], deadline_s: float) -> None:
        """Do something with the link and wait for it.

        Raises:
            TimeoutError: it took too long, and was cancelled.
        """
        future = asyncio.run_coroutine_threadsafe(work(self._link), self._loop)
        try:
            future.result(deadline_s)
        finally:
            future.cancel()

    def tell(self, work: Callable[[Link], None]) -> None:
        """Do something with the link soon."""
        self._loop.call_soon_threadsafe(work, self._link)

    def close(self) -> None:
        """Let the link take leave, but wait for it no longer than `FAREWELL_S`."""
        if self._task is not None and self.is_alive:
            self._loop.call_soon_threadsafe(self._task.cancel)
            self._thread.join(FAREWELL_S)

    def _run(self) -> None:
        with suppress(asyncio.CancelledError):
            asyncio.run(self._keep())

    async def _keep(self) -> None:
        self._loop, self._task = asyncio.get_running_loop(), asyncio.current_task()
        self._link = self._make_link()
        self._is_ready.set()
        try:
            await self._link.run()
        except Exception:
            # The next sending starts another keeper.
            log = telemetry.logger().bind(channel=self._name)
            log.exception("broker_link_broke")


def _is_permanent(error: aiomqtt.MqttError) -> bool:
    answer = error.rc if isinstance(error, MqttConnectError) else None
    return not isinstance(answer, int | None) and answer.value in _PERMANENT


def _encoded(state: LineState) -> str:
    values = {
        "line": state.line,
        "open_count": state.open_count,
        "unacknowledged_count": state.unacknowledged_count,
        "worst_kind": state.worst_kind,
        "since": None if state.since_at is None else cloud_event.rfc3339(state.since_at),
    }
    return json.dumps(values, separators=(",", ":"), ensure_ascii=False)
