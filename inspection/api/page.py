"""Lists in pages: a cursor says after which item the next page begins (keyset, no offsets)."""

import base64
import binascii
import json
import math
from collections.abc import Callable, Iterable
from typing import Annotated, Any, Generic, TypeVar

from fastapi import Query
from pydantic import Field

from inspection.api.shapes import LAST_ID, View
from inspection.errors import CursorError

Item = TypeVar("Item")

#: Parameter `limit`.
Limit = Annotated[int, Query(ge=1, le=1000, description="items of a page, at most")]
#: Parameter `cursor`; None begins at the beginning.
Cursor = Annotated[
    str | None,
    Query(max_length=1000, description="`next_cursor` of the page before; not to be made up"),
]


class Page(View, Generic[Item]):
    """Some items of a list."""

    items: list[Item]
    next_cursor: str | None = Field(
        default=None, description="take it along as `cursor` for the next page; null: no more"
    )


def cursor_of(*keys: str | float | None) -> str:
    """Return the cursor of the page after the item with these sort keys."""
    text = json.dumps(keys, ensure_ascii=False, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def keys_of(cursor: str, *kinds: type | tuple[type, ...]) -> tuple[Any, ...]:
    """Return the sort keys in a cursor, which are of these types in this order.

    Raises:
        CursorError: it is not one that this list gave out.
    """
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        keys = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (ValueError, binascii.Error, RecursionError) as error:
        raise CursorError from error
    is_ours = isinstance(keys, list) and len(keys) == len(kinds)
    if not is_ours or not all(map(_is_key, keys, kinds)):
        raise CursorError
    return tuple(keys)


def _is_key(value: Any, kind: type | tuple[type, ...]) -> bool:
    """Say whether a database takes a value of a cursor, which somebody may have made up."""
    if not isinstance(value, kind) or isinstance(value, bool):
        return False
    if isinstance(value, int):
        return abs(value) < LAST_ID
    if isinstance(value, float):
        return math.isfinite(value)
    return value is None or _is_text(str(value))


def _is_text(text: str) -> bool:
    return "\0" not in text and text.encode(errors="replace").decode() == text


def page_of(
    items: Iterable[Item], *, key: Callable[[Item], str], cursor: str | None, limit: int
) -> Page[Item]:
    """Return a page of a short list that is there as a whole, in the order of `key` (unique).

    Raises:
        CursorError: the cursor is none of ours.
    """
    after = None if cursor is None else keys_of(cursor, str)[0]
    rest = sorted((i for i in items if after is None or key(i) > after), key=key)
    shown = rest[:limit]
    next_cursor = cursor_of(key(shown[-1])) if len(rest) > limit else None
    return Page(items=shown, next_cursor=next_cursor)
