"""What is silenced, as commands show it."""

from typing import Any

from inspection.store.shelves import Shelf


def row_of(shelf: Shelf) -> dict[str, Any]:
    """Describe what is silenced, until when, by whom and why."""
    until_at = shelf.silence.until_at
    return {
        "line": shelf.line,
        "rule": shelf.rule,
        "alert": shelf.alert_id,
        "is": "paused" if shelf.is_pause else "shelved",
        "until": None if until_at is None else until_at.isoformat(timespec="seconds"),
        "since": shelf.silence.at.isoformat(timespec="seconds"),
        "by": shelf.silence.by,
        "reason": shelf.silence.reason,
    }
