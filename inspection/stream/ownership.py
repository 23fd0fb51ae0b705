"""Whose camera it is: two machines that capture one name would count two parts as one frame.

Whoever captures a camera holds it by a key that expires `LEASE_S` after each frame and report of
his. The key is looked at and renewed in the same atomic step as the frame is added.
"""

from dataclasses import dataclass
from typing import Final, cast

from inspection.errors import ConfigurationError
from inspection.stream.codec import owner_key, refused_key
from inspection.stream.connection import Client, translated

#: A camera is free again so long after its owner's last sign of life, in seconds.
LEASE_S: Final = 15.0

#: Another machine that has a camera for longer than this is alive, in seconds.
PATIENCE_S: Final = LEASE_S + 2.0

#: It is remembered for so long that somebody was refused, in seconds.
_REFUSAL_S: Final = 3600

# `taken` says who else has the camera, or takes or keeps it for the caller.
# First ARGV: the caller, or nothing when it does not matter; his host; milliseconds of the lease;
# seconds for which a refusal is remembered.
OWNED: Final = """#!lua
local function taken(owner_key, refused_key)
  local caller = ARGV[1]
  if caller == '' then return false end
  local owner = redis.call('GET', owner_key)
  if owner and owner ~= caller then
    redis.call('SET', refused_key, ARGV[2], 'EX', ARGV[4])
    return owner
  end
  redis.call('SET', owner_key, caller, 'PX', ARGV[3])
  return false
end
"""

# KEYS: owner, refused. ARGV: as for `taken`. Answers who else has the camera.
_CLAIM = (
    OWNED
    + """
local owner = taken(KEYS[1], KEYS[2])
if not owner then redis.call('DEL', KEYS[2]) end
return owner
"""
)

# KEYS: owner. ARGV: the caller.
_RELEASE = """#!lua flags=allow-oom
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
"""


@dataclass(frozen=True, kw_only=True)
class Owner:
    """Who captures a camera."""

    #: Tells its journal from any other.
    journal: str
    #: Name of its machine.
    host: str
    #: For how long he waits for another machine to let go, in seconds.
    patience_s: float = PATIENCE_S

    def __str__(self) -> str:
        return f"{self.journal} {self.host}"


class Ownership:
    """One camera's owner, from the point of view of one who wants to be it."""

    def __init__(self, client: Client, *, camera: str, owner: Owner | None) -> None:
        """Prepare.

        Args:
            client: a client of `inspection.stream.connection.connect`.
            camera: name of the camera.
            owner: who wants it; None when it is known that nobody else does.
        """
        self._client = client
        self._camera = camera
        self._owner = owner

    @property
    def keys(self) -> list[str]:
        """Keys that a script with `OWNED` is given."""
        return [owner_key(self._camera), refused_key(self._camera)]

    @property
    def arguments(self) -> list[str | int]:
        """First arguments of a script with `OWNED`."""
        return [self._caller, self.host, round(1000 * LEASE_S), _REFUSAL_S]

    @property
    def host(self) -> str:
        """Name of the machine that wants the camera; empty when nobody said."""
        return "" if self._owner is None else self._owner.host

    @property
    def patience_s(self) -> float:
        """Seconds after which another machine that still has the camera is left alone."""
        return PATIENCE_S if self._owner is None else self._owner.patience_s

    def claim(self) -> str | None:
        """Take the camera; return the name of the machine that has it, None when it is ours.

        Whoever has the same journal on the same machine gets it at once.

        Raises:
            UnavailableError: the server does not answer or its memory is full.
        """
        with translated(self._client):
            script = self._client.register_script(_CLAIM)
            owner = script(keys=self.keys, args=self.arguments)
        return None if owner is None else host_of(owner)

    def release(self) -> None:
        """Let the camera go, if it is ours.

        Raises:
            UnavailableError: the server does not answer.
        """
        with translated(self._client):
            script = self._client.register_script(_RELEASE)
            script(keys=[owner_key(self._camera)], args=[self._caller])

    @property
    def _caller(self) -> str:
        return "" if self._owner is None else str(self._owner)


def host_of(owner: object) -> str:
    """Return the name of the machine of an owner, as scripts answer it."""
    return cast("bytes", owner).decode(errors="replace").partition(" ")[2]


def taken_by(host: str, camera: str) -> ConfigurationError:
    """Return the error of a camera that another machine captures."""
    return ConfigurationError(
        f"camera {camera!r} is being captured on {host} already; give the camera on this machine "
        "another name, or stop the capture there"
    )


def refused(client: Client, camera: str) -> str | None:
    """Return the machine that lately wanted to capture the camera while another one did.

    Raises:
        UnavailableError: the server does not answer.
    """
    with translated(client):
        host = client.get(refused_key(camera))
    return None if host is None else cast("bytes", host).decode(errors="replace")
