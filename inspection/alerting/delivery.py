"""Delivering notifications: one thread a channel, so that a slow one delays only itself."""

import random
import threading
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from inspection import telemetry
from inspection.alerting import channels
from inspection.domain.notification import ATTEMPT_LIMIT, Notification, delay_s
from inspection.domain.site import Channel as ChannelConfiguration
from inspection.errors import ConfigurationError, DeliveryError, InspectionError
from inspection.store import notifications
from inspection.store.database import Database


class Courier:
    """Delivers what is due on one channel, one notification after the other.

    A notification is claimed in one transaction, sent outside of any, and its outcome noted in
    another. A process that ends in between loses nothing: the claim runs out, and the same
    notification is sent again, under the same id.
    """

    def __init__(
        self, database: Database, configuration: ChannelConfiguration, clock: Callable[[], datetime]
    ) -> None:
        self.configuration = configuration
        self._database = database
        self._clock = clock
        self._channel: channels.Channel | None = None

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
                error=notifications.ABANDONED,
            )
        if notification is None:
            return False
        try:
            self._send(notification)
        except DeliveryError as error:
            self._note_refusal(notification, error)
            return True
        with self._database.write() as connection:
            notifications.delivered(connection, notification, self._clock())
        return True

    def _send(self, notification: Notification) -> None:
        if self._channel is None:
            try:
                self._channel = channels.opened(self.configuration, clock=self._clock)
            except ConfigurationError as error:
                raise DeliveryError(str(error), is_permanent=True) from error
        self._channel.send(notification)

    def _note_refusal(self, notification: Notification, error: DeliveryError) -> None:
        is_last = error.is_permanent or notification.attempt_count >= ATTEMPT_LIMIT
        wait = timedelta(seconds=delay_s(notification.attempt_count, jitter=random.random()))
        with self._database.write() as connection:
            if is_last:
                notifications.give_up(connection, notification, error=str(error))
            else:
                notifications.postpone(
                    connection, notification, error=str(error), until=self._clock() + wait
                )
        log = telemetry.logger().bind(
            channel=self.configuration.name,
            notification_id=notification.notification_id,
            alert_id=notification.alert_id,
            attempt_count=notification.attempt_count,
            error=str(error),
        )
        if is_last:
            log.warning("notification_failed")
        else:
            log.warning("notification_postponed")


class Couriers:
    """The couriers of all channels, each in a thread of its own while there is something due."""

    def __init__(
        self, database: Database, *, clock: Callable[[], datetime], stop: threading.Event
    ) -> None:
        self._database = database
        self._clock = clock
        self._stop = stop
        self._couriers: dict[str, Courier] = {}
        self._threads: dict[str, threading.Thread] = {}

    def send_out(self, due: Sequence[ChannelConfiguration]) -> None:
        """Start the couriers of these channels, except those that are under way."""
        for configuration in due:
            thread = self._threads.get(configuration.name)
            if thread is not None and thread.is_alive():
                continue
            # Threads that hang on a receiver must not keep the process alive; what they have
            # claimed is delivered by whoever comes next.
            self._threads[configuration.name] = thread = threading.Thread(
                target=self._deliver,
                args=(self._courier(configuration),),
                name=f"courier-{configuration.name}",
                daemon=True,
            )
            thread.start()

    def wait(self, timeout_s: float) -> None:
        """Wait until the couriers under way have come back, but no longer than this."""
        end = time.monotonic() + timeout_s
        for thread in self._threads.values():
            thread.join(max(0.0, end - time.monotonic()))

    def _courier(self, configuration: ChannelConfiguration) -> Courier:
        courier = self._couriers.get(configuration.name)
        if courier is None or courier.configuration != configuration:
            courier = Courier(self._database, configuration, self._clock)
            self._couriers[configuration.name] = courier
        return courier

    def _deliver(self, courier: Courier) -> None:
        log = telemetry.logger().bind(channel=courier.configuration.name)
        try:
            while not self._stop.is_set() and courier.deliver_next():
                pass
        except InspectionError as error:
            # The worker's own loop notices and logs an outage; the claim runs out by itself.
            log.debug("courier_ended", error=str(error))
        except Exception:
            log.exception("courier_broke")
