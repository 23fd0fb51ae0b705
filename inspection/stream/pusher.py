"""Frames that others send: numbered and added in one atomic step, by any number of processes.

A pushed camera has no owner and no journal. Its stream gives the numbers: the one after the newest
the stream, the ledger or this process has seen. What became of a frame is remembered under the
token of whoever sent it, in the same step, so that sending it again gives the same answer.
"""

import hashlib
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, cast

from inspection.domain.frame import (
    Content,
    FrameIdentity,
    milliseconds,
    moment,
)
from inspection.domain.health import CameraState, CaptureState
from inspection.domain.line import Camera
from inspection.errors import ConflictError
from inspection.stream.admission import ADMISSION, DROPS_AT_ONCE, Admission
from inspection.stream.codec import (
    GROUP,
    SCHEMA,
    drops_key,
    encode_content,
    frames_key,
    pushed_key,
    state_key,
)
from inspection.stream.connection import Client, translated
from inspection.stream.state import encode_state

#: A token that its sender chose is remembered for so long: longer than anybody tries again.
TOKEN_LIFE: Final = timedelta(hours=1)
#: One that this program chose only serves to repeat a command whose answer was lost.
OWN_TOKEN_LIFE: Final = timedelta(minutes=1)

# KEYS: frames, drops, state, token.
# ARGV: captured_at_ms, overflow policy, limit of the backlog, group, version, drops at once,
#       highest number known elsewhere, fingerprint, milliseconds the token is remembered, how many
#       of the following are the state's, the fields of the state, then those of the entry.
# Answers fingerprint, what became of the frame, its number and captured_at_ms, and whether that
# was decided before; or `stranger`: the stream has come to numbers no frame can have.
_PUSH: Final = (
    "#!lua\n"
    + ADMISSION
    + """
local known = redis.call('GET', KEYS[4])
if known then
  local fingerprint, outcome, number, captured_at_ms =
    string.match(known, '^(%x+) (%a+) (%d+) (%d+)$')
  return {fingerprint, outcome, number, captured_at_ms, '1'}
end
local seen = look(KEYS[1], ARGV[4])
local newest = math.max(seen.last_number, tonumber(ARGV[7]))
if newest >= 2^53 then return {'stranger'} end
local number = string.format('%.0f', newest + 1)
local to = {frames = KEYS[1], drops = KEYS[2], policy = ARGV[2], limit = tonumber(ARGV[3]),
            version = ARGV[5], drops_at_once = tonumber(ARGV[6]), seen = seen}
local state_end = 10 + tonumber(ARGV[10])
local outcome = admit(to, number, ARGV[1], state_end + 1)
if outcome ~= 'full' then
  redis.call('HSET', KEYS[3], unpack(ARGV, 11, state_end))
  redis.call('SET', KEYS[4], table.concat({ARGV[8], outcome, number, ARGV[1]}, ' '), 'PX', ARGV[9])
end
return {ARGV[8], outcome, number, ARGV[1], ''}
"""
)


@dataclass(frozen=True, kw_only=True)
class Push:
    """A frame somebody sends."""

    content: Content
    #: When the exposure was made; aware UTC.
    captured_at: datetime
    #: What its sender calls this frame, when he sends it again as well.
    token: str
    #: Tells what was sent from anything else that is sent with the same token; hexadecimal.
    fingerprint: str
    #: For how long the token is remembered.
    token_life: timedelta = TOKEN_LIFE


@dataclass(frozen=True, kw_only=True)
class Pushed:
    """What became of a frame that was sent."""

    identity: FrameIdentity
    #: `FULL`: nothing; the identity was not given.
    admission: Admission
    #: Whether it was sent before.
    is_repeated: bool


@dataclass(kw_only=True)
class Pusher:
    """Adds pushed frames of all cameras; its threads may share it."""

    #: A client of `inspection.stream.connection.connect`, which stays the caller's.
    client: Client
    #: Name of this machine.
    host: str
    #: The highest number given here, by camera: a server that forgot some gives them to no other.
    _given: dict[str, int] = field(default_factory=dict)

    def push(self, camera: Camera, push: Push, *, ledger_number: int, at: datetime) -> Pushed:
        """Give the frame its identity and add it, or do what the policy of a full stream says.

        Args:
            camera: a pushed one.
            push: the frame.
            ledger_number: the highest in the ledger, which outlives the server of the streams.
            at: now.

        Raises:
            UnavailableError: the server does not answer or its memory is full.
            ConflictError: its token came with another frame before, or the stream holds an entry
                with a number no frame can have.
        """
        floor = max(ledger_number, self._given.get(camera.name, 0))
        state = _fields(encode_state(self._state(push, at)))
        with translated(self.client):
            answer = cast(
                "list[bytes]",
                self.client.register_script(_PUSH)(
                    keys=_keys(camera.name, push.token),
                    args=[
                        milliseconds(push.captured_at),
                        camera.overflow.value,
                        camera.backlog_limit,
                        GROUP,
                        SCHEMA,
                        DROPS_AT_ONCE,
                        floor,
                        push.fingerprint,
                        round(1000 * push.token_life.total_seconds()),
                        len(state),
                        *state,
                        *_fields(encode_content(push.content)),
                    ],
                ),
            )
        if answer[0] == b"stranger":
            raise ConflictError(
                f"the stream of camera {camera.name!r} holds an entry of a stranger, with a number "
                "no frame can have; remove it"
            )
        if answer[0].decode() != push.fingerprint:
            raise ConflictError("another frame was sent with this key before; take a new key")
        pushed = _pushed(camera.name, answer)
        if pushed.admission is not Admission.FULL:
            number = pushed.identity.sequence_number
            self._given[camera.name] = max(floor, number, self._given.get(camera.name, 0))
        return pushed

    def _state(self, push: Push, at: datetime) -> CameraState:
        return CameraState(
            state=CaptureState.LIVE.value,
            detail="",
            reported_at=at,
            host=self.host,
            last_frame_at=push.captured_at,
        )


def _keys(camera: str, token: str) -> list[str]:
    # Hashed: it is as long as its sender likes.
    hashed = hashlib.sha256(token.encode(errors="surrogatepass")).hexdigest()
    return [
        frames_key(camera),
        drops_key(camera),
        state_key(camera),
        pushed_key(camera, hashed),
    ]


def _fields(mapping: dict[bytes, bytes]) -> list[bytes]:
    return [part for pair in mapping.items() for part in pair]


def _pushed(camera: str, answer: list[bytes]) -> Pushed:
    _, outcome, number, captured_at_ms, is_repeated = answer
    identity = FrameIdentity(
        camera=camera, sequence_number=int(number), captured_at=moment(int(captured_at_ms))
    )
    return Pushed(
        identity=identity, admission=Admission(outcome.decode()), is_repeated=bool(is_repeated)
    )
