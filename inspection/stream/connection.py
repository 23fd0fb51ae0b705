"""The connection to the server of the streams: how it is made, checked, and how it fails."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import redis
import redis.asyncio
from redis.asyncio.retry import Retry as AsyncRetry
from redis.asyncio.sentinel import Sentinel as AsyncSentinel
from redis.backoff import ExponentialWithJitterBackoff
from redis.retry import Retry
from redis.sentinel import Sentinel

from inspection.errors import ConfigurationError, InspectionError, UnavailableError

#: Seconds to wait for a connection, and for an answer beyond the time a command may block.
_TIMEOUT_S = 5.0
#: Further attempts of a command after the first; together they wait less than two seconds.
_RETRIES = 3
#: Seconds after which an idle connection is asked whether it is still there before it is used.
_HEALTH_CHECK_S = 15
#: Options of an address that would change what answers look like.
_RESERVED_OPTIONS = frozenset({"decode_responses", "legacy_responses", "protocol", "encoding"})
#: redis-py leaves its two Sentinel classes without types.
_SENTINEL: Any = Sentinel
_ASYNC_SENTINEL: Any = AsyncSentinel
_SENTINEL_SCHEMES = {"redis+sentinel": False, "rediss+sentinel": True}
_SENTINEL_PORT = 26379

#: Beginnings of error replies after which the same command may succeed a little later.
_PASSING = ("OOM", "MISCONF", "NOREPLICAS", "READONLY", "LOADING", "MASTERDOWN", "CLUSTERDOWN")
_FORBIDDEN = (
    redis.AuthenticationError,
    redis.exceptions.AuthorizationError,
    redis.exceptions.NoPermissionError,
    redis.exceptions.AuthenticationWrongNumberOfArgsError,
)
_ABSENT = (
    redis.ConnectionError,
    redis.TimeoutError,
    redis.exceptions.OutOfMemoryError,
    redis.exceptions.ReadOnlyError,
    redis.exceptions.ClusterDownError,
)

Client = redis.Redis
AsyncClient = redis.asyncio.Redis


@dataclass(frozen=True, kw_only=True)
class Server:
    """What a server says about itself."""

    #: `Redis` or `Valkey`.
    kind: str
    version: str
    #: Whether an append-only file keeps frames when it restarts.
    is_persistent: bool


def connect(url: str, *, retries: int = _RETRIES) -> Client:
    """Return a client of `url`; nothing is sent yet.

    Args:
        url: `redis://`, `rediss://` (TLS), `unix://`, or Sentinel's
            `redis+sentinel://user:password@host:port,host:port/service/database`, where user and
            password are those of the service.
        retries: further attempts after a lost connection, with backoff and jitter.

    Raises:
        ConfigurationError: the address cannot be used.
    """
    backoff = ExponentialWithJitterBackoff(base=0.05, cap=1.0)
    options = _options(block_ms=0) | {"retry": Retry(backoff, retries)}
    with _usable(url):
        if (service := _sentinel_service(url)) is not None:
            sentinel = _SENTINEL(
                service.sentinels,
                sentinel_kwargs=_sentinel_options() | {"retry": Retry(backoff, 1)},
                **service.options,
                **options,
            )
            client: Client = sentinel.master_for(service.name, redis_class=_SentinelClient)
            return client
        return redis.Redis.from_url(url, **options)


def connect_async(url: str, *, block_ms: int) -> AsyncClient:
    """Return an asyncio client of `url` for commands that block up to `block_ms`.

    No command is tried again behind the caller's back: a second reading would leave what the lost
    answer of the first held pending until it is stale.

    Raises:
        ConfigurationError: the address cannot be used.
    """
    backoff = ExponentialWithJitterBackoff(base=0.05, cap=1.0)
    options = _options(block_ms=block_ms) | {"retry": AsyncRetry(backoff, 0)}
    with _usable(url):
        if (service := _sentinel_service(url)) is not None:
            sentinel = _ASYNC_SENTINEL(
                service.sentinels,
                sentinel_kwargs=_sentinel_options() | {"retry": AsyncRetry(backoff, 1)},
                **service.options,
                **options,
            )
            client: AsyncClient = sentinel.master_for(
                service.name, redis_class=_AsyncSentinelClient
            )
            return client
        return redis.asyncio.Redis.from_url(url, **options)


def check_server(client: Client) -> Server:
    """Return what the server is, if frames may be trusted to it.

    Raises:
        ConfigurationError: it is older than Redis 7 or Valkey 8, a cluster, would evict streams
            when its memory is full, or refuses the password.
        UnavailableError: it does not answer.
    """
    with translated(client):
        info: dict[str, Any] = client.info()
        policy = info.get("maxmemory_policy") or client.config_get("maxmemory-policy").get(
            "maxmemory-policy"
        )
    return described(info | {"maxmemory_policy": policy}, where=address(client))


def described(info: Mapping[str, Any], *, where: str) -> Server:
    """Return what a server is that answers INFO with `info`.

    Raises:
        ConfigurationError: as for `check_server`.
    """
    kind, version, oldest = (
        ("Valkey", str(info["valkey_version"]), 8)
        if "valkey_version" in info
        else ("Redis", str(info["redis_version"]), 7)
    )
    if int(version.partition(".")[0]) < oldest:
        raise ConfigurationError(
            f"{where} is {kind} {version}: take Redis 7, Valkey 8 or a later one"
        )
    if info.get("redis_mode", info.get("server_mode")) == "cluster":
        raise ConfigurationError(
            f"{where} is a cluster: take a single server, or several under Sentinel"
        )
    policy = info.get("maxmemory_policy")
    if policy != "noeviction":
        raise ConfigurationError(
            f"{where} has maxmemory-policy {policy} and may throw frames away when its memory is "
            "full: set maxmemory-policy to noeviction"
        )
    return Server(kind=kind, version=version, is_persistent=bool(info.get("aof_enabled")))


@contextmanager
def translated(client: Client | AsyncClient) -> Iterator[None]:
    """Turn redis-py's errors into this program's.

    Raises:
        UnavailableError: the server does not answer, is loading, or cannot take more for now.
        ConfigurationError: it refuses the user or password.
        InspectionError: any other error reply.
    """
    try:
        yield
    except _FORBIDDEN as error:
        raise ConfigurationError(
            f"{address(client)} refuses the user or password: {error}"
        ) from error
    except _ABSENT as error:
        raise UnavailableError(f"{address(client)} cannot be used for now: {error}") from error
    except redis.RedisError as error:
        if str(error).startswith(_PASSING):
            raise UnavailableError(f"{address(client)} cannot be used for now: {error}") from error
        raise InspectionError(f"{address(client)} answered: {error}") from error


def address(client: Client | AsyncClient) -> str:
    """Return where the client connects to, without user and password."""
    pool = client.connection_pool
    if service := getattr(pool, "service_name", None):
        return f"the Sentinel service {service}"
    options = pool.connection_kwargs
    if path := options.get("path"):
        return f"the stream server at {path}"
    return f"the stream server at {options.get('host', 'localhost')}:{options.get('port', 6379)}"


class _SentinelClient(redis.Redis):
    """A client that closes its connections to the Sentinels too."""

    def close(self) -> None:
        super().close()
        for sentinel in _sentinels(self):
            sentinel.close()


class _AsyncSentinelClient(redis.asyncio.Redis):
    """A client that closes its connections to the Sentinels too."""

    async def aclose(self, close_connection_pool: bool | None = None) -> None:
        await super().aclose(close_connection_pool)
        for sentinel in _sentinels(self):
            await sentinel.aclose()


@dataclass(frozen=True, kw_only=True)
class _SentinelService:
    name: str
    #: Host and port of every Sentinel.
    sentinels: list[tuple[str, int]]
    #: Database, user, password and TLS of the servers.
    options: dict[str, Any]


def _options(*, block_ms: int) -> dict[str, Any]:
    return {
        "decode_responses": False,
        # Both said aloud, because each version of redis-py has its own defaults for the shapes
        # of answers.
        "protocol": 3,
        "legacy_responses": False,
        "socket_connect_timeout": _TIMEOUT_S,
        # Never None: a peer that vanished would hang us for good.
        "socket_timeout": block_ms / 1000 + _TIMEOUT_S,
        "health_check_interval": _HEALTH_CHECK_S,
    }


def _sentinel_options() -> dict[str, Any]:
    return {"socket_connect_timeout": _TIMEOUT_S, "socket_timeout": _TIMEOUT_S}


@contextmanager
def _usable(url: str) -> Iterator[None]:
    reserved = _RESERVED_OPTIONS & parse_qs(url.partition("?")[2]).keys()
    if reserved:
        raise ConfigurationError(
            f"the address of the stream server must not set {', '.join(sorted(reserved))}"
        )
    try:
        yield
    except ValueError:
        # Without the cause: it quotes the address, and with it, perhaps, the password.
        raise ConfigurationError(
            "the address of the stream server cannot be read: take redis://host:6379/0, "
            "rediss://… for TLS, unix://…, or redis+sentinel://host:26379,host:26379/service/0; "
            "write special characters of a password as %XX"
        ) from None


def _sentinels(client: Client | AsyncClient) -> list[Any]:
    pool: Any = client.connection_pool
    sentinels: list[Any] = pool.sentinel_manager.sentinels
    return sentinels


def _sentinel_service(url: str) -> _SentinelService | None:
    parts = urlsplit(url)
    if parts.scheme not in _SENTINEL_SCHEMES:
        return None
    credentials, _, hosts = parts.netloc.rpartition("@")
    user, _, password = credentials.partition(":")
    service, _, database = parts.path.strip("/").partition("/")
    if not service or not hosts:
        raise ValueError(url)
    sentinels = []
    for host in hosts.split(","):
        name, _, port = host.rpartition(":") if ":" in host else (host, "", str(_SENTINEL_PORT))
        sentinels.append((name, int(port)))
    return _SentinelService(
        name=service,
        sentinels=sentinels,
        options={
            "db": int(database or 0),
            "username": unquote(user) or None,
            "password": unquote(password) or None,
            "ssl": _SENTINEL_SCHEMES[parts.scheme],
        },
    )
