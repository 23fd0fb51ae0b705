"""One notification to be sent, with every field filled in."""

from typing import Any

from inspection.domain.alert import AlertKind
from inspection.domain.inspection import Verdict
from inspection.domain.notification import AlertFrame, Event, Notification
from tests.factories import NOON


def notification(**changes: Any) -> Notification:
    frame = AlertFrame(
        camera="cam-1",
        sequence_number=7,
        captured_at=NOON,
        part_serial="S-Ø1",
        product="washer",
        score=0.83,
        threshold=0.41,
        verdict=Verdict.NG,
    )
    defaults = {
        "notification_id": "7d444840-9dc0-11d1-b245-5ffdce74fad2",
        "event": Event.OPENED,
        "created_at": NOON,
        "attempt_count": 1,
        "alert_id": 3,
        "line": "line-1",
        "kind": AlertKind.NG,
        "summary": "line line-1: a part is NG",
        "opened_at": NOON,
        "resolved_at": None,
        "frame_count": 1,
        "frame_id": "cam-1/7",
        "frame": frame,
    }
    return Notification(**defaults | changes)
