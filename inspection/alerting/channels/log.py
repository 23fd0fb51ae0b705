"""Notifications as log records of the alert worker."""

from inspection import telemetry
from inspection.domain.notification import Event, Notification


class LogChannel:
    """Writes one record for each notification: `alert_opened`, `alert_resolved` and so on."""

    def send(self, notification: Notification) -> None:
        """Write the record."""
        log = telemetry.logger().bind(
            line=notification.line,
            alert_id=notification.alert_id,
            frame_id=notification.frame_id,
            summary=notification.summary,
        )
        match notification.event:
            case Event.OPENED:
                log.warning("alert_opened")
            case Event.UPDATED:
                log.warning("alert_updated")
            case Event.ESCALATED:
                log.error("alert_escalated")
            case Event.RESOLVED:
                log.info("alert_resolved")
            case Event.TEST:
                log.info("alert_test")

    def close(self) -> None:
        """Do nothing: nothing is open."""
