"""Trying channels out: could one work, and what comes back of a marked test."""

from dataclasses import dataclass
from uuid import uuid4

from inspection.cli import context
from inspection.domain.alert import AlertKind
from inspection.domain.channel import Channel
from inspection.domain.notification import Event, Notification


@dataclass(frozen=True, kw_only=True)
class ChannelTrial:
    """Sends through channels as the alert worker does, and keeps nothing of it."""

    #: Hosts that are not on the public internet and yet may be posted to.
    webhook_hosts: tuple[str, ...] = ()

    def check(self, channel: Channel) -> None:
        """Return if the channel could work; nothing is sent.

        Raises:
            ConfigurationError: it could not.
        """
        from inspection.alerting.channels import opened
        from inspection.alerting.outbound import PUBLIC

        opened(channel, clock=context.clock, outbound=PUBLIC).close()

    def send(self, channel: Channel) -> None:
        """Send a marked test, once and at once.

        Raises:
            ConfigurationError: the channel cannot work.
            DeliveryError: it was not taken.
        """
        from inspection.alerting.channels import opened
        from inspection.alerting.outbound import Outbound

        now = context.clock()
        outbound = Outbound(webhook_hosts=self.webhook_hosts)
        sending = opened(channel, clock=context.clock, outbound=outbound)
        try:
            sending.send(
                Notification(
                    notification_id=str(uuid4()),
                    event=Event.TEST,
                    created_at=now,
                    attempt_count=1,
                    alert_id=0,
                    line=(channel.lines or ("test",))[0],
                    kind=AlertKind.NG,
                    summary=f"This is a test of channel {channel.name}: nothing has happened",
                    opened_at=now,
                    resolved_at=None,
                    frame_count=0,
                    frame_id=None,
                    frame=None,
                )
            )
        finally:
            sending.close()
