"""How long something is to last, as people write it: 90s, 30min, 8h, 2d."""

import re
from datetime import datetime, timedelta
from typing import Final

from inspection.errors import ConfigurationError

_PATTERN: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(s|min|h|d)")
_UNITS_S: Final = {"s": 1, "min": 60, "h": 3600, "d": 86400}


def end_of(text: str, begin_at: datetime) -> datetime:
    """Return when something ends that begins at `begin_at` and lasts as long as `text` says.

    Raises:
        ConfigurationError: it says nothing of the kind.
    """
    found = _PATTERN.fullmatch(text.strip())
    try:
        if found is not None and float(found[1]) > 0:
            return begin_at + timedelta(seconds=float(found[1]) * _UNITS_S[found[2]])
    except OverflowError:
        pass  # beyond all calendars
    raise ConfigurationError(f"{text!r} is no length of time; write for example 30min, 8h or 2d")
