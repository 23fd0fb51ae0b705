"""The kinds of channel, one file a kind, behind one small protocol."""

from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from inspection.alerting.channels.log import LogChannel
from inspection.alerting.channels.webhook import WebhookChannel
from inspection.domain.notification import Notification
from inspection.domain.site import Channel as ChannelConfiguration


class Channel(Protocol):
    """Something that takes notifications."""

    def send(self, notification: Notification) -> None:
        """Send it once, within seconds.

        Raises:
            DeliveryError: it was not taken; the error says whether trying again can help.
        """


def opened(configuration: ChannelConfiguration, *, clock: Callable[[], datetime]) -> Channel:
    """Make the channel that is configured; nothing is sent.

    Raises:
        ConfigurationError: a webhook's secret cannot sign.
    """
    if configuration.kind == "webhook":
        return WebhookChannel(configuration, clock=clock)
    return LogChannel()
