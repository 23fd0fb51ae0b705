"""What the streams show of cameras at one look, without transferring a picture."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from inspection.domain.frame import EntryId
from inspection.domain.health import CameraState
from inspection.errors import CodecError
from inspection.stream.codec import drops_key, frames_key, identity, state_key
from inspection.stream.connection import Client, translated
from inspection.stream.state import decode_state

# KEYS: state, frames, drops.
# Answers the state's fields, the frames, the oldest one's id and time, and the drops ever recorded.
_SEE = """#!lua flags=no-writes
local function field(pairs, name)
  for i = 1, #pairs, 2 do
    if pairs[i] == name then return pairs[i + 1] end
  end
end

local id, captured_at_ms, drops = '', '', 0
local oldest = redis.call('XRANGE', KEYS[2], '-', '+', 'COUNT', '1')[1]
if oldest then id, captured_at_ms = oldest[1], field(oldest[2], 'captured_at_ms') or '' end
if redis.call('EXISTS', KEYS[3]) == 1 then
  drops = field(redis.call('XINFO', 'STREAM', KEYS[3]), 'entries-added') or 0
end
return {redis.call('HGETALL', KEYS[1]), redis.call('XLEN', KEYS[2]), id, captured_at_ms, drops}
"""

_Answer = tuple[list[bytes], int, bytes, bytes, int]


@dataclass(frozen=True, kw_only=True)
class StreamSighting:
    """What the stream server knows of one camera."""

    #: What it said last; None when it said nothing that this version can read.
    said: CameraState | None
    #: Frames that wait or are being inspected.
    waiting_count: int
    #: Exposure of the oldest of them.
    oldest_at: datetime | None
    #: Drops ever recorded while the record's stream has existed.
    drop_count: int


def see(client: Client, cameras: Sequence[str]) -> dict[str, StreamSighting]:
    """Look at cameras, in one round trip.

    Raises:
        UnavailableError: the server does not answer.
    """
    script = client.register_script(_SEE)
    with translated(client), client.pipeline(transaction=False) as pipe:
        for camera in cameras:
            keys = [state_key(camera), frames_key(camera), drops_key(camera)]
            script(keys=keys, client=pipe)
        answers = cast("list[_Answer]", pipe.execute())
    return {camera: _seen(camera, answer) for camera, answer in zip(cameras, answers, strict=True)}


def _seen(camera: str, answer: _Answer) -> StreamSighting:
    fields, waiting_count, oldest, captured_at_ms, drop_count = answer
    oldest_at = None
    if oldest:
        entry_id = EntryId.parse(oldest.decode())
        oldest_at = identity(camera, entry_id, {b"captured_at_ms": captured_at_ms}).captured_at
    return StreamSighting(
        said=_said(fields),
        waiting_count=waiting_count,
        oldest_at=oldest_at,
        drop_count=drop_count,
    )


def _said(pairs: list[bytes]) -> CameraState | None:
    fields = dict(zip(pairs[::2], pairs[1::2], strict=True))
    try:
        return decode_state(fields) if fields else None
    except CodecError:
        return None
