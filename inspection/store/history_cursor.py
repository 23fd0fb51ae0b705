"""Orders of the history, and the places in them: cursors are opaque text and stay valid."""

import base64
import json
import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Final, Self

from inspection.errors import CursorError

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_ENCODE: Final = json.JSONEncoder(separators=(",", ":")).encode
_REFUSAL: Final = "this is no cursor of this order; take the one that came with the last page"
#: Cursors are much shorter.
_LONGEST: Final = 200


class Sort(StrEnum):
    """In which order inspections are shown."""

    NEWEST = "newest"
    OLDEST = "oldest"
    HIGHEST = "highest"
    LOWEST = "lowest"
    #: Hard cases first: closest to the threshold on the row; pending ones have none and are left
    #: out.
    CLOSEST = "closest"

    @property
    def is_by_time(self) -> bool:
        """Whether only the time of exposure counts."""
        return self in (Sort.NEWEST, Sort.OLDEST)


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a row stands in an order; a row has one place, and no two rows have the same."""

    #: Its score or distance; None: only the time counts.
    key: float | None
    captured_at: datetime
    ledger_id: int

    def cursor(self, sort: Sort) -> str:
        """Return this place as text: given back, the rows after it follow."""
        captured_at_us = (self.captured_at - _EPOCH) // timedelta(microseconds=1)
        key = None if sort.is_by_time else self.key
        text = _ENCODE([sort.value, key, captured_at_us, self.ledger_id])
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")

    @classmethod
    def parse(cls, cursor: str, sort: Sort) -> Self:
        """Read what `cursor` returned.

        Raises:
            CursorError: it is something else, or of another order.
        """
        try:
            if len(cursor) > _LONGEST:
                raise CursorError(_REFUSAL)
            padded = cursor + "=" * (-len(cursor) % 4)
            parts = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
            of_sort, key, captured_at_us, ledger_id = parts
            captured_at = _EPOCH + timedelta(microseconds=captured_at_us)
        except (ValueError, TypeError, OverflowError, RecursionError) as error:
            raise CursorError(_REFUSAL) from error
        if of_sort != sort.value or not _is_id(ledger_id) or not _is_key(key, sort):
            raise CursorError(_REFUSAL)
        return cls(key=key, captured_at=captured_at, ledger_id=ledger_id)


def _is_id(value: Any) -> bool:
    # What databases take.
    return type(value) is int and 0 <= value < 2**63


def _is_key(value: Any, sort: Sort) -> bool:
    if sort.is_by_time:
        return value is None
    return type(value) is float and math.isfinite(value)
