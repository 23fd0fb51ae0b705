"""Places in lists that are ordered by time: a moment, and what tells two of one moment apart."""

from datetime import datetime
from typing import TypeVar

from inspection.api import moment
from inspection.api.page import cursor_of, keys_of
from inspection.errors import CursorError

Key = TypeVar("Key", int, str)


def place_of(cursor: str, kind: type[Key]) -> tuple[datetime, Key]:
    """Return the place that a cursor of `after` stands for.

    Raises:
        CursorError: it is none.
    """
    text, key = keys_of(cursor, str, kind)
    try:
        return moment.read(text), key
    except ValueError as error:
        raise CursorError from error


def after(at: datetime, key: str | int) -> str:
    """Return the cursor of what follows this place."""
    return cursor_of(moment.written(at), key)
