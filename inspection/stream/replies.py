"""What redis-py takes and answers, narrowed once to plain values."""

from collections.abc import Mapping
from typing import Any, cast

from inspection.domain.frame import EntryId

Fields = Mapping[bytes, bytes]
#: Id and fields of a stream entry; the fields are None when the entry was removed.
Row = tuple[EntryId, Fields | None]


def entry_id(reply: object) -> EntryId:
    """Return an id the server wrote."""
    return EntryId.parse(cast("bytes", reply).decode())


def rows(reply: object) -> list[Row]:
    """Return the entries of XRANGE, or of one stream in the answer of XREADGROUP."""
    # redis-py makes an empty dictionary of the nil that stands for a removed entry; a real entry
    # has at least one field.
    return [
        (entry_id(row_id), fields or None)
        for row_id, fields in cast("list[tuple[bytes, Fields]]", reply)
    ]


def streams(reply: object) -> dict[str, list[Row]]:
    """Return the entries XREADGROUP found, by key; a time-out is an empty answer."""
    found = cast("Mapping[bytes, object]", reply or {})
    return {key.decode(): rows(entries) for key, entries in found.items()}


def pending(reply: object) -> list[tuple[EntryId, int]]:
    """Return ids and delivery counts of the extended XPENDING."""
    return [
        (entry_id(row["message_id"]), cast("int", row["times_delivered"]))
        for row in cast("list[dict[str, object]]", reply)
    ]


def sendable(fields: Mapping[Any, Any]) -> dict[Any, Any]:
    """Return `fields` as redis-py's signatures want them: dictionaries of all it can encode."""
    return dict(fields)
