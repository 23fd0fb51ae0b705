"""What is in flight in one camera's streams, counted without transferring a picture."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

import redis

from inspection.domain.frame import EntryId
from inspection.errors import CodecError
from inspection.stream import replies
from inspection.stream.codec import GROUP, decode_drop, drops_key, frames_key
from inspection.stream.connection import Client, translated

#: Entries a script looks at before it lets others have the server.
_PAGE_COUNT = 64
#: Bytes of pictures a script copies, at most about, before it does.
_PAGE_BYTES = 4 * 1024 * 1024
#: Drop records and pending ids a command returns.
_SMALL_PAGE_COUNT = 500

# XINFO STREAM copies the first and last entries with their pictures, even FULL one of them; in a
# script they at least stay on the server.
_LAST = """#!lua flags=no-writes
if redis.call('EXISTS', KEYS[1]) == 0 then return false end
local info = redis.call('XINFO', 'STREAM', KEYS[1], 'FULL', 'COUNT', '1')
for i = 1, #info, 2 do
  if info[i] == 'last-generated-id' then return info[i + 1] end
end
"""

# KEYS: frames. ARGV: first id, last id, entries at most, bytes at most.
_IDS = """#!lua flags=no-writes
local ids, first, size_bytes = {}, ARGV[1], 0
while #ids < tonumber(ARGV[3]) and size_bytes < tonumber(ARGV[4]) do
  local entry = redis.call('XRANGE', KEYS[1], first, ARGV[2], 'COUNT', '1')[1]
  if not entry then break end
  ids[#ids + 1] = entry[1]
  first = '(' .. entry[1]
  for i = 2, #entry[2], 2 do size_bytes = size_bytes + #entry[2][i] end
end
return ids
"""


@dataclass(frozen=True, kw_only=True)
class Backlog:
    """The frames of one camera that are in its streams and not settled."""

    #: The newest id whose frame was added to the stream of frames, or dropped because it was full;
    #: None when there is no stream.
    last: EntryId | None
    #: Frames that wait or are being inspected, also those whose payload was trimmed.
    sequence_numbers: frozenset[int]
    #: Dropped frames whose record is not in the ledger yet.
    drop_sequence_numbers: frozenset[int]
    #: The oldest of the frames; None when there is none.
    oldest: EntryId | None
    #: Frames somebody has begun to inspect.
    pending_count: int


def in_flight(client: Client, camera: str) -> Backlog:
    """Count what is in flight.

    1. the newest id is read: frames added later are left out;
    2. then the frames up to it, page by page;
    3. then what inspectors hold, which adds those whose payload was trimmed;
    4. then the drop records.

    A frame only ever moves down this list and from there into the ledger, so none is overlooked;
    whoever compares with the ledger reads the ledger afterwards and leaves out what it has.

    Raises:
        UnavailableError: the server does not answer.
    """
    with translated(client):
        last = last_entry(client, camera)
        known = set(_stream_ids(client, camera, last)) if last is not None else set()
        pending = [
            one for one in _pending_ids(client, camera) if last and _order(one) <= _order(last)
        ]
        known.update(pending)
        drops = frozenset(_drop_sequence_numbers(client, camera))
    return Backlog(
        last=last,
        sequence_numbers=frozenset(one.sequence_number for one in known),
        drop_sequence_numbers=drops,
        oldest=min(known, key=_order, default=None),
        pending_count=len(pending),
    )


def last_entry(client: Client, camera: str) -> EntryId | None:
    """Return the newest id ever given in the stream of frames, None when there is no stream.

    Raises:
        UnavailableError: the server does not answer.
    """
    with translated(client):
        reply = client.register_script(_LAST)(keys=[frames_key(camera)])
    return None if reply is None else replies.entry_id(reply)


def _stream_ids(client: Client, camera: str, last: EntryId) -> Iterator[EntryId]:
    script = client.register_script(_IDS)
    first = "-"
    while page := cast(
        "list[bytes]",
        script(keys=[frames_key(camera)], args=[first, str(last), _PAGE_COUNT, _PAGE_BYTES]),
    ):
        yield from map(replies.entry_id, page)
        first = f"({page[-1].decode()}"


def _pending_ids(client: Client, camera: str) -> Iterator[EntryId]:
    first = "-"
    while True:
        try:
            page = replies.pending(
                client.xpending_range(frames_key(camera), GROUP, first, "+", _SMALL_PAGE_COUNT)
            )
        except redis.ResponseError as error:
            if str(error).startswith("NOGROUP"):
                return
            raise
        yield from (entry_id for entry_id, _ in page)
        if len(page) < _SMALL_PAGE_COUNT:
            return
        first = f"({page[-1][0]}"


def _drop_sequence_numbers(client: Client, camera: str) -> Iterator[int]:
    first = "-"
    while page := replies.rows(
        client.xrange(drops_key(camera), min=first, count=_SMALL_PAGE_COUNT)
    ):
        for _, fields in page:
            try:
                dropped, _ = decode_drop(camera, fields or {})
            except CodecError:
                # Of another version or not ours: the inspector moves it to the dead letters.
                continue
            yield dropped.sequence_number
        first = f"({page[-1][0]}"


def _order(entry_id: EntryId) -> tuple[int, int]:
    return entry_id.time_ms, entry_id.sequence_number
