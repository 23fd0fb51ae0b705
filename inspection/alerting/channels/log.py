"""Notifications as log records of the alert worker."""

from inspection import telemetry
from inspection.domain.notification import Event, Notification


class LogChannel:
    """Writes one record for each notification: action `alert_opened` or `alert_resolved`."""

    def send(self, notification: Notification) -> None:
        """Write the record."""
        log = telemetry.logger().bind(
            line=notification.line,
            alert_id=notification.alert_id,
            frame_id=notification.frame_id,
            summary=notification.summary,
        )
        if notification.event is Event.OPENED:
            log.warning("alert_opened")
        else:
            log.info("alert_resolved")
