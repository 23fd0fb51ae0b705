"""An address is understood or refused without saying the password."""

import pytest
import redis

from inspection.errors import ConfigurationError, InspectionError, UnavailableError
from inspection.stream.connection import (
    Server,
    address,
    connect,
    connect_async,
    described,
    translated,
)


@pytest.mark.parametrize(
    "url",
    [
        "http://:s3cret@localhost/0",
        "redis://:s3cret/x@localhost:6379/0",
        "redis+sentinel://:s3cret@localhost:26379/",
        "redis+sentinel://:s3cret@localhost:port/line/0",
        "redis://:s3cret@localhost/0?protocol=2",
        "redis://:s3cret@localhost/0?decode_responses=true",
        "",
    ],
)
def test_connect_refuses_an_address_without_quoting_it_when_it_cannot_be_used(url: str) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        connect(url)

    assert "s3cret" not in str(refusal.value)
    assert refusal.value.__cause__ is None


def test_connect_waits_longer_for_an_answer_when_commands_block() -> None:
    client = connect_async("redis://localhost", block_ms=7000)

    assert client.connection_pool.connection_kwargs["socket_timeout"] > 7


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("redis://user:s3cret@cache.example:6380/2", "the stream server at cache.example:6380"),
        ("unix://:s3cret@/run/redis.sock", "the stream server at /run/redis.sock"),
        ("redis+sentinel://u:s3cret@a:1,b:2/line/0", "the Sentinel service line"),
    ],
)
def test_address_names_the_server_and_no_password_when_it_has_one(url: str, said: str) -> None:
    assert address(connect(url)) == said


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (redis.ConnectionError("refused"), UnavailableError),
        (redis.TimeoutError("late"), UnavailableError),
        (redis.BusyLoadingError("loading"), UnavailableError),
        (redis.exceptions.OutOfMemoryError("full"), UnavailableError),
        (redis.ReadOnlyError("replica"), UnavailableError),
        (redis.ResponseError("MISCONF disk full"), UnavailableError),
        (redis.AuthenticationError("WRONGPASS"), ConfigurationError),
        (redis.exceptions.NoPermissionError("NOPERM"), ConfigurationError),
        (redis.ResponseError("WRONGTYPE"), InspectionError),
    ],
)
def test_translated_says_what_can_be_done_when_the_server_fails(
    error: redis.RedisError, expected: type[InspectionError]
) -> None:
    with (
        pytest.raises(InspectionError) as raised,
        translated(connect("redis://:s3cret@localhost")),
    ):
        raise error

    assert type(raised.value) is expected
    assert raised.value.__cause__ is error
    assert "s3cret" not in str(raised.value)


@pytest.mark.parametrize(
    ("info", "server"),
    [
        (
            {"redis_version": "7.0.15", "redis_mode": "standalone", "aof_enabled": 1},
            Server(kind="Redis", version="7.0.15", is_persistent=True),
        ),
        (
            {"redis_version": "7.2.4", "valkey_version": "8.1.0", "server_mode": "standalone"},
            Server(kind="Valkey", version="8.1.0", is_persistent=False),
        ),
    ],
)
def test_server_is_described_when_frames_may_be_trusted_to_it(
    info: dict[str, object], server: Server
) -> None:
    assert described(info | {"maxmemory_policy": "noeviction"}, where="it") == server


@pytest.mark.parametrize(
    ("info", "said"),
    [
        ({"redis_version": "6.2.14"}, "it is Redis 6.2.14: take Redis 7"),
        ({"redis_version": "7.2.4", "valkey_version": "7.2.5"}, "it is Valkey 7.2.5: take"),
        ({"maxmemory_policy": "allkeys-lru"}, "set maxmemory-policy to noeviction"),
        ({"maxmemory_policy": None}, "set maxmemory-policy to noeviction"),
        ({"redis_mode": "cluster"}, "it is a cluster"),
        ({"valkey_version": "9.1.0", "server_mode": "cluster"}, "it is a cluster"),
    ],
)
def test_server_is_refused_with_the_cure_when_frames_may_not_be_trusted_to_it(
    info: dict[str, object], said: str
) -> None:
    sound = {"redis_version": "7.0.15", "maxmemory_policy": "noeviction"}

    with pytest.raises(ConfigurationError, match=said):
        described(sound | info, where="it")
