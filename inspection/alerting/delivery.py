"""Delivering notifications: one thread a channel, so that a slow one delays only itself."""

import random
import threading
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final, Self

from inspection import telemetry
from inspection.alerting import channels
from inspection.alerting.outbound import Outbound
from inspection.domain.channel import Channel as ChannelConfiguration
from inspection.domain.channel import LineState
from inspection.domain.notification import Failure, Notification
from inspection.errors import ConfigurationError, DeliveryError, InspectionError
from inspection.store import attempts, notifications
from inspection.store.channels import list_channels
from inspection.store.database import Database
from inspection.store.line_states import line_states

#: How often channels that stay connected are looked after, in seconds.
TEND_S: Final = 1.0
#: Kinds of channel that stay connected, and show how every line stands.
_BOARDS: Final = frozenset({"mqtt"})


class Courier:
    """Delivers what is due on one channel, one notification after the other.

    A notification is claimed in one transaction, sent outside of any, and its outcome noted in
    another. A process that ends in between loses nothing: the claim runs out, and the same
    notification is sent again, under the same id.

    It keeps the channel open: use it in a `with` statement, by one thread at a time.
    """

    def __init__(
        self,
        database: Database,
        configuration: ChannelConfiguration,
        clock: Callable[[], datetime],
        outbound: Outbound,
    ) -> None:
        self.configuration = configuration
        self._database = database
        self._clock = clock
        self._outbound = outbound
        self._channel: channels.Channel | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._channel is not None:
            self._channel.close()
            self._channel = None

    def deliver_next(self) -> bool:
        """Send the notification that is due longest; False when none is due."""
        now, name = self._clock(), self.configuration.name
        with self._database.write() as connection:
            abandoned = notifications.give_up_abandoned(connection, name, now)
            notification = notifications.claim(connection, name, now)
        for notification_id in abandoned:
            telemetry.logger().warning(
                "notification_failed",
                channel=name,
                notification_id=notification_id,
                failure=Failure.ABANDONED.value,
                error=attempts.ABANDONED,
            )
        if notification is None:
            return False
        try:
            self._opened().send(notification)
        except DeliveryError as error:
            self._note_refusal(notification, error)
            return True
        with self._database.write() as connection:
            notifications.delivered(connection, notification, self._clock())
        return True

    def show(self, states: Sequence[LineState]) -> None:
        """Have a channel that stays connected show how the lines stand."""
        try:
            channel = self._opened()
        except DeliveryError as error:
            telemetry.logger().debug(
                "channel_unusable", channel=self.configuration.name, error=str(error)
            )
            return
        if isinstance(channel, channels.Board):
            channel.show(states)

    def _opened(self) -> channels.Channel:
        if self._channel is None:
            try:
                self._channel = channels.opened(
                    self.configuration, clock=self._clock, outbound=self._outbound
                )
            except ConfigurationError as error:
                raise DeliveryError(str(error), is_permanent=True) from error
        return self._channel

    def _note_refusal(self, notification: Notification, error: DeliveryError) -> None:
        now, failure = self._clock(), _failure(notification, error)
        with self._database.write() as connection:
            if failure is not None:
                notifications.give_up(
                    connection, notification, error=str(error), failure=failure, at=now
                )
            else:
                wait_s = notification.delay_s(jitter=random.random(), asked_s=error.retry_after_s)
                notifications.postpone(
                    connection,
                    notification,
                    error=str(error),
                    until=now + timedelta(seconds=wait_s),
                    at=now,
                )
        log = telemetry.logger().bind(
            channel=self.configuration.name,
            notification_id=notification.notification_id,
            alert_id=notification.alert_id,
            attempt_count=notification.attempt_count,
            error=str(error),
        )
        if failure is not None:
            log.warning("notification_failed", failure=failure.value)
        else:
            log.warning("notification_postponed")


class Couriers:
    """The couriers of all channels, each in a thread of its own."""

    def __init__(
        self,
        database: Database,
        *,
        clock: Callable[[], datetime],
        stop: threading.Event,
        outbound: Outbound,
    ) -> None:
        self._database = database
        self._clock = clock
        self._stop = stop
        self._outbound = outbound
        self._rounds: dict[str, _Round] = {}
        #: When channels that stay connected are looked after next, by the monotonic clock.
        self._tend_s = time.monotonic()

    def send_out(self, due: Sequence[ChannelConfiguration]) -> None:
        """Send out the couriers of these channels; those under way go on."""
        for configuration in due:
            self._round_of(configuration).go()

    def tend(self) -> None:
        """Keep channels connected that stay so; let those go that were changed or removed.

        Raises:
            UnavailableError: the database does not answer.
        """
        if time.monotonic() < self._tend_s:
            return
        self._tend_s = time.monotonic() + TEND_S
        with self._database.read() as connection:
            configured = {each.name: each for each in list_channels(connection)}
            boards = [each for each in configured.values() if each.kind in _BOARDS]
            states = line_states(connection) if boards else []
        for name in [name for name in self._rounds if name not in configured]:
            self._rounds.pop(name).end()
        for configuration in boards:
            self._round_of(configuration).go(states)

    def wait(self, timeout_s: float) -> None:
        """Wait until the couriers have come back, but no longer than this; after `stop` only."""
        until_s = time.monotonic() + timeout_s
        for each in self._rounds.values():
            each.end()
        for each in self._rounds.values():
            each.thread.join(max(0.0, until_s - time.monotonic()))

    def _round_of(self, configuration: ChannelConfiguration) -> "_Round":
        known = self._rounds.get(configuration.name)
        if known is not None and known.courier.configuration == configuration:
            if known.thread.is_alive():
                return known
        elif known is not None:
            known.end()
        courier = Courier(self._database, configuration, self._clock, self._outbound)
        self._rounds[configuration.name] = started = _Round(courier, self._stop)
        return started


class _Round:
    """A courier's thread: it waits, is sent out, waits again, until its end."""

    def __init__(self, courier: Courier, stop: threading.Event) -> None:
        self.courier = courier
        self._stop = stop
        self._is_over = False
        self._is_sent = threading.Event()
        self._states: Sequence[LineState] | None = None
        # Threads that hang on a receiver must not keep the process alive; what they have claimed
        # is delivered by whoever comes next.
        self.thread = threading.Thread(
            target=self._run, name=f"courier-{courier.configuration.name}", daemon=True
        )
        self.thread.start()

    def go(self, states: Sequence[LineState] | None = None) -> None:
        """Send the courier out, with what is to be shown if that is given."""
        if states is not None:
            self._states = states
        self._is_sent.set()

    def end(self) -> None:
        """Let the courier come home and close its channel."""
        self._is_over = True
        self._is_sent.set()

    @property
    def _goes_on(self) -> bool:
        return not (self._is_over or self._stop.is_set())

    def _run(self) -> None:
        with self.courier:
            while self._goes_on:
                self._is_sent.wait()
                self._is_sent.clear()
                self._deliver()

    def _deliver(self) -> None:
        log = telemetry.logger().bind(channel=self.courier.configuration.name)
        try:
            if self._states is not None and self._goes_on:
                self.courier.show(self._states)
            while self._goes_on and self.courier.deliver_next():
                pass
        except InspectionError as error:
            # The worker's own loop notices and logs an outage; the claim runs out by itself.
            log.debug("courier_ended", error=str(error))
        except Exception:
            log.exception("courier_broke")


def _failure(notification: Notification, error: DeliveryError) -> Failure | None:
    """Say why the notification has failed; None when it is tried again."""
    if error.is_permanent:
        return Failure.PERMANENT
    return Failure.EXHAUSTED if notification.is_last_attempt else None
