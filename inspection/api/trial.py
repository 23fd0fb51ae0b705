"""What whoever starts the interface lends it to try channels out."""

from typing import Protocol

from inspection.domain.channel import Channel


class Trial(Protocol):
    """Knows how things are sent."""

    def check(self, channel: Channel) -> None:
        """Return if the channel could work; nothing is sent.

        Raises:
            ConfigurationError: it could not.
        """

    def send(self, channel: Channel) -> None:
        """Send a marked test, once and at once.

        Raises:
            DeliveryError: it was not taken.
        """
