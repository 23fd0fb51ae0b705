"""A notification as the JSON that machines receive: a CloudEvents 1.0 event, structured mode.

    {"specversion": "1.0",
     "id": UUID of the notification, the same in every attempt: the key against doubles,
     "source": "/inspection/lines/LINE",
     "type": "inspection.alert." + "opened" | "updated" | "escalated" | "resolved" | "test",
     "subject": "alerts/ALERT_ID",
     "time": when it happened, RFC 3339,
     "datacontenttype": "application/json",
     "data": {"alert_id", "line", "kind", "about", "summary", "number", "opened_at", "resolved_at",
              "frame_count", "frame_id",
              "frame": {"camera", "sequence_number", "captured_at", "part_serial", "product",
                        "score", "threshold", "verdict"} | null}}

`about` is what the alert concerns besides its line, such as a camera, or null; `number` tells
events of one alert apart that happen more than once. `frame_id` is null where an alert is not
about a frame, `frame` also where nothing else is left of it. An `inspection.alert.test` is made by
`inspection channel test`: nothing has happened, and its alert_id is 0.
"""

import json
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, Final

from inspection.domain.notification import Notification

#: What the whole is called in HTTP.
MEDIA_TYPE: Final = "application/cloudevents+json"


def encoded(notification: Notification) -> str:
    """Return the event as JSON on one line, equal for every attempt."""
    event = {
        "specversion": "1.0",
        "id": notification.notification_id,
        "source": f"/inspection/lines/{notification.line}",
        "type": f"inspection.alert.{notification.event}",
        "subject": f"alerts/{notification.alert_id}",
        "time": rfc3339(notification.created_at),
        "datacontenttype": "application/json",
        "data": _data(notification),
    }
    return json.dumps(event, separators=(",", ":"), ensure_ascii=False)


def rfc3339(moment: datetime) -> str:
    """Return a time as machines read it, in UTC and to the millisecond."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _data(notification: Notification) -> dict[str, Any]:
    frame, resolved_at = notification.frame, notification.resolved_at
    return {
        "alert_id": notification.alert_id,
        "line": notification.line,
        "kind": notification.kind,
        "about": notification.subject,
        "summary": notification.summary,
        "number": notification.number,
        "opened_at": rfc3339(notification.opened_at),
        "resolved_at": None if resolved_at is None else rfc3339(resolved_at),
        "frame_count": notification.frame_count,
        "frame_id": notification.frame_id,
        "frame": None
        if frame is None
        else {**asdict(frame), "captured_at": rfc3339(frame.captured_at)},
    }
