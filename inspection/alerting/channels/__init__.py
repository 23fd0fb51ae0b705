"""The kinds of channel, one file a kind, behind one small protocol."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Protocol, runtime_checkable

from inspection.alerting.channels.apprise import AppriseChannel
from inspection.alerting.channels.log import LogChannel
from inspection.alerting.channels.mqtt import MqttChannel
from inspection.alerting.channels.webhook import WebhookChannel
from inspection.alerting.outbound import Outbound
from inspection.domain.channel import Channel as ChannelConfiguration
from inspection.domain.channel import LineState
from inspection.domain.notification import Notification


class Channel(Protocol):
    """Something that takes notifications."""

    def send(self, notification: Notification) -> None:
        """Send it once, within seconds; called by one thread at a time.

        Raises:
            DeliveryError: it was not taken; the error says whether trying again can help.
        """

    def close(self) -> None:
        """Close what is open; the channel is not used any more."""


@runtime_checkable
class Board(Protocol):
    """A channel that stays connected and shows how every line stands."""

    def show(self, states: Sequence[LineState]) -> None:
        """Show these lines from now on; returns at once."""


def opened(
    configuration: ChannelConfiguration, *, clock: Callable[[], datetime], outbound: Outbound
) -> Channel:
    """Make the channel that is configured; nothing is sent.

    Raises:
        ConfigurationError: a webhook's secret cannot sign, or apprise does not know the service.
    """
    match configuration.kind:
        case "webhook":
            return WebhookChannel(configuration, clock=clock, outbound=outbound)
        case "mqtt":
            return MqttChannel(configuration)
        case "apprise":
            return AppriseChannel(configuration)
        case "log":
            return LogChannel()
