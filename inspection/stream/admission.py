"""Whether a frame is let into its stream: the parts of a script, whoever adds it."""

from enum import StrEnum
from typing import Final

#: Frames `drop_oldest` drops for one that comes, at most: after the limit was lowered a stream
#: shrinks in steps instead of holding up everybody else's commands.
DROPS_AT_ONCE: Final = 16

# `look` says what a stream has seen: newest id, frames, how far the group has come.
# `admit` adds a frame, or does what the policy says when there is no room: `added`, `dropped`, or
# `full`, after which nothing has happened. The fields of its entry that follow its identity are
# ARGV from `first` on.
ADMISSION: Final = """
local function field(pairs, name)
  for i = 1, #pairs, 2 do
    if pairs[i] == name then return pairs[i + 1] end
  end
end

local function look(frames, group)
  local seen = {last = '', last_ms = 0, last_number = 0, delivered = '-', length = 0}
  if redis.call('EXISTS', frames) == 0 then return seen end
  -- FULL with COUNT 1 copies one picture, the short form copies two.
  local info = redis.call('XINFO', 'STREAM', frames, 'FULL', 'COUNT', '1')
  seen.last, seen.length = field(info, 'last-generated-id'), field(info, 'length')
  local last_ms, last_number = string.match(seen.last, '^(%d+)-(%d+)$')
  seen.last_ms, seen.last_number = tonumber(last_ms), tonumber(last_number)
  for _, one in ipairs(field(info, 'groups')) do
    if field(one, 'name') == group then seen.delivered = '(' .. field(one, 'last-delivered-id') end
  end
  return seen
end

local function admit(to, number, captured_at_ms, first)
  local seen, length, limit = to.seen, to.seen.length, to.limit
  local function drop(drop_number, drop_ms)
    redis.call('XADD', to.drops, '*', 'v', to.version, 'sequence_number', drop_number,
               'captured_at_ms', drop_ms, 'cause', to.policy)
  end

  if to.policy == 'drop_oldest' then
    local dropped = 0
    while length >= limit and dropped < to.drops_at_once do
      local oldest = redis.call('XRANGE', to.frames, seen.delivered, '+', 'COUNT', '1')[1]
      if not oldest then break end
      local oldest_ms, oldest_number = string.match(oldest[1], '^(%d+)-(%d+)$')
      local known_ms = field(oldest[2], 'captured_at_ms')
      if known_ms and string.match(known_ms, '^%d+$') then oldest_ms = known_ms end
      drop(oldest_number, oldest_ms)
      redis.call('XDEL', to.frames, oldest[1])
      dropped, length = dropped + 1, length - 1
    end
    if dropped > 0 then limit = length + 1 end
  end

  if length >= limit and to.policy == 'block' then return 'full' end
  local time_ms = math.max(seen.last_ms, tonumber(captured_at_ms))
  local id = string.format('%.0f', time_ms) .. '-' .. number
  if length >= limit then
    drop(number, captured_at_ms)
    -- The stream remembers the number; the record leaves as soon as the ledger has it.
    redis.call('XSETID', to.frames, id)
    return 'dropped'
  end
  redis.call('XADD', to.frames, id, 'v', to.version, 'sequence_number', number,
             'captured_at_ms', captured_at_ms, unpack(ARGV, first))
  return 'added'
end
"""


class Admission(StrEnum):
    """What became of a frame that was to be added."""

    #: It is in the stream, or has been and is settled.
    ADDED = "added"
    #: It is not; the stream is full and the policy is to wait: add it again later.
    FULL = "full"
    #: It is not and will not be; a drop record says why.
    DROPPED = "dropped"
