"""What the program needs others for: stream server, database, picture store, Ray."""

import stat
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import text

from inspection.cli import context
from inspection.cli.audit_key import audit_keys
from inspection.domain.frame import moment
from inspection.errors import ConfigurationError, InspectionError, UnavailableError
from inspection.settings import Settings
from inspection.settings.preparation import prepare_data_dir
from inspection.store import partitions
from inspection.store.audit_state import audit_state
from inspection.store.heartbeats import list_heartbeats
from inspection.stream.connection import translated

#: What is put into the picture store to see that it takes pictures; always the same.
PROBE = b"inspection doctor"

#: More of its memory than this share in use is a fault of a stream server with a limit.
MEMORY_SHARE = 0.8

#: Clocks that differ by more make lags and times in the history wrong.
SKEW = timedelta(seconds=2)

#: How long after it was recorded a frame may be covered by a digest of the audit.
SEALING = timedelta(minutes=5)

#: Before this a clock was never set.
_BUILT_AT = datetime(2026, 1, 1, tzinfo=UTC)


def stream_server(settings: Settings) -> str:
    """See that frames may be trusted to the stream server."""
    with context.streams(settings) as client:
        server = context.checked_streams(client)
        with translated(client):
            info: dict[str, Any] = client.info()
    if not server.is_persistent:
        raise UnavailableError(
            f"{server.kind} {server.version} keeps nothing when it restarts: set appendonly yes"
        )
    if info.get("aof_last_write_status", "ok") != "ok":
        raise UnavailableError(
            f"{server.kind} cannot write its append-only file: make room on its disk"
        )
    used, limit = int(info.get("used_memory", 0)), int(info.get("maxmemory", 0))
    if limit and used > MEMORY_SHARE * limit:
        raise UnavailableError(
            f"{server.kind} uses {used / 2**20:.0f} of {limit / 2**20:.0f} MiB: raise maxmemory, "
            "or lower the cameras' backlog_limit"
        )
    where = "set by INSPECTION_REDIS_URL" if settings.redis_url else "embedded"
    return f"{server.kind} {server.version}, {where}"


def database(settings: Settings) -> str:
    """See that the database answers, has this program's tables, and can be written."""
    with context.opened_database(settings) as opened:
        with opened.write() as connection:
            wanted = partitions.locks_wanted(connection)
        if wanted is not None:
            raise ConfigurationError(
                "PostgreSQL has too little room for the locks of so many weeks: set "
                f"max_locks_per_transaction = {wanted} or more, and start it again"
            )
        return f"{opened.address}, schema {opened.revision()}"


def audit(settings: Settings) -> str:
    """See that what is recorded is sealed, and soon; to verify it is another command's work."""
    keys = audit_keys(settings)
    with context.opened_database(settings) as opened, opened.read() as connection:
        state = audit_state(connection)
    if keys is None or (state.head is not None and keys.secret(state.head.key_id) is None):
        wanted = "" if state.head is None else f" {state.head.key_id}"
        raise ConfigurationError(
            f"this machine has not the key{wanted} that the audit is sealed with: set "
            "INSPECTION_AUDIT_KEY_FILE to the same key everywhere"
        )
    if state.head is not None and state.unsealed_count:
        raise UnavailableError(
            f"{state.unsealed_count} changes were never sealed: see `inspection audit verify`; if "
            "a process had no key, give it one and run `inspection audit adopt`"
        )
    if state.open_since is not None and context.clock() - state.open_since > SEALING:
        raise UnavailableError(
            f"no digest covers what was recorded since {state.open_since:%Y-%m-%d %H:%M:%S}: "
            "start `inspection keeper`"
        )
    if state.head is None:
        return "nothing to seal yet"
    verified = f"{state.verified_at:%Y-%m-%d}" if state.verified_at else "never"
    return (
        f"{state.head.number} links, the last of {state.head.sealed_at:%H:%M}; verified {verified}"
    )


def clocks(settings: Settings) -> str:
    """See that the clocks of machine, servers and processes agree."""
    now = context.clock()
    if now < _BUILT_AT:
        raise ConfigurationError(
            f"this machine believes it is {now:%Y-%m-%d}: set its clock, and keep it set (NTP)"
        )
    wrong = [
        f"the clock of {whose} is {_skew(at)}"
        for whose, at in _times(settings)
        if abs(at - context.clock()) > SKEW
    ]
    if wrong:
        raise ConfigurationError("; ".join(wrong) + ": keep all of them set (NTP)")
    return f"within {SKEW.total_seconds():.0f} s of each other; time zone {now.astimezone():%Z}"


def pictures(settings: Settings) -> str:
    """See that the picture store takes and gives pictures."""
    store = context.pictures(settings)
    try:
        store.get(store.put(PROBE, "application/octet-stream"))
    except InspectionError as error:
        raise UnavailableError(
            f"{error}; correct INSPECTION_PICTURE_URL, or who may write there"
        ) from error
    return settings.pictures


def ray(settings: Settings) -> str:
    """See that the cluster answers, and that the token of our own Ray is secret."""
    context.check_ray(settings)
    if settings.ray_address is not None:
        return f"{settings.ray_address} answers"
    prepare_data_dir(settings)
    token = settings.run_dir / "ray-token"
    if token.exists() and token.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise ConfigurationError(
            f"others may read {token}, and run code through Ray: run `chmod 600 {token}`"
        )
    is_ready = context.replicas_address(settings) is not None
    return "replicas can be called" if is_ready else "no replicas on this machine now"


def _times(settings: Settings) -> Iterator[tuple[str, datetime]]:
    """Yield whose clock says what at this moment; what does not answer is another finding."""
    try:
        with context.streams(settings) as client, translated(client):
            seconds, microseconds = client.time()
            yield "the stream server", moment(1000 * seconds + microseconds // 1000)
    except InspectionError:
        pass
    try:
        with context.opened_database(settings) as opened, opened.read() as connection:
            beats = list_heartbeats(connection)
            if not opened.is_sqlite:
                yield (
                    "the database",
                    connection.execute(text("SELECT clock_timestamp()")).scalar_one(),
                )
    except InspectionError:
        return
    # Who is behind may as well be silent; who is ahead can only be wrong.
    now = context.clock()
    ahead = {beat.host: beat.beat_at for beat in beats if beat.beat_at > now + SKEW}
    yield from ahead.items()


def _skew(at: datetime) -> str:
    seconds = (at - context.clock()).total_seconds()
    return f"{abs(seconds):.0f} s {'ahead of' if seconds > 0 else 'behind'} this machine's"
