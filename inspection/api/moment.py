"""Times on the wire: RFC 3339 with a zone, and nothing that could mean two moments."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

_RFC_3339: Final = re.compile(
    r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:[Zz]|[+-]\d\d:\d\d)", re.ASCII
)
_WANTED: Final = "write a time as RFC 3339 has it, with a zone: 2026-03-02T12:00:00Z"


def read(value: Any) -> datetime:
    """Return the moment that a request names, in UTC.

    Raises:
        ValueError: it is no RFC 3339 string with a zone, or no day of the calendar.
    """
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value.astimezone(UTC)
    if not isinstance(value, str) or not _RFC_3339.fullmatch(value):
        # In an address a plus sign means a space.
        hint = " (in an address write + as %2B)" if " " in str(value) else ""
        raise ValueError(_WANTED + hint)
    try:
        return datetime.fromisoformat(value.upper()).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"there is no such moment; {_WANTED}") from error


def written(moment: datetime) -> str:
    """Return an aware time as RFC 3339 in UTC."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


_SCHEMA: Final = {
    "type": "string",
    "format": "date-time",
    "examples": ["2026-03-02T12:00:00Z"],
    "description": "RFC 3339 with a zone; answers are in UTC",
}

#: A field or parameter that is one moment.
Moment = Annotated[
    datetime,
    BeforeValidator(read, json_schema_input_type=str),
    PlainSerializer(written, return_type=str),
    WithJsonSchema(_SCHEMA),
]
