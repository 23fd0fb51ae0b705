"""A server is only trusted with frames when it keeps them."""

from collections.abc import Callable
from urllib.parse import urlsplit

import pytest

from inspection.errors import ConfigurationError, UnavailableError
from inspection.stream.connection import check_server, connect, connect_async, translated

StartRedis = Callable[..., str]

RIGHT = "right-one"


def test_embedded_valkey_is_trusted_when_it_is_checked(valkey_url: str) -> None:
    with connect(valkey_url) as client:
        server = check_server(client)

    assert server.kind == "Valkey"
    assert server.is_persistent


def test_redis_of_the_machine_is_trusted_when_it_is_checked(redis_url: str) -> None:
    with connect(redis_url) as client:
        server = check_server(client)

    assert server.kind == "Redis"
    assert not server.is_persistent


@pytest.mark.parametrize("forbidden", ["", 'rename-command CONFIG ""'])
def test_redis_is_refused_when_it_evicts_although_it_may_hide_its_configuration(
    start_redis: StartRedis, forbidden: str
) -> None:
    url = start_redis("maxmemory-policy allkeys-lru", forbidden)

    with connect(url) as client, pytest.raises(ConfigurationError, match="noeviction"):
        check_server(client)


def test_redis_is_refused_when_it_is_a_cluster(start_redis: StartRedis) -> None:
    url = start_redis("cluster-enabled yes")

    with connect(url) as client, pytest.raises(ConfigurationError, match="is a cluster"):
        check_server(client)


def test_redis_is_refused_without_quoting_the_password_when_it_is_wrong(
    start_redis: StartRedis,
) -> None:
    url = start_redis(f"requirepass {RIGHT}", password=RIGHT)

    wrong = url.replace(RIGHT, "wrong-one")
    with connect(wrong) as client, pytest.raises(ConfigurationError) as refusal:
        check_server(client)

    assert "wrong-one" not in str(refusal.value)
    assert "refuses the user or password" in str(refusal.value)


def test_redis_is_unavailable_when_nobody_answers() -> None:
    with (
        connect("redis://127.0.0.1:1/0", retries=0) as client,
        pytest.raises(UnavailableError, match="refused"),
    ):
        check_server(client)


async def test_sentinel_leads_to_the_server_when_the_address_is_its_own(
    start_redis: StartRedis,
) -> None:
    url = start_redis(f"requirepass {RIGHT}", password=RIGHT)
    sentinel = urlsplit(start_redis(f"sentinel monitor line 127.0.0.1 {urlsplit(url).port} 1"))

    by_name = f"redis+sentinel://:{RIGHT}@127.0.0.1:1,127.0.0.1:{sentinel.port}/line/0"
    with connect(by_name) as client:
        server = check_server(client)
        client.set("key", "value")
    async_client = connect_async(by_name, block_ms=1000)
    with translated(async_client):
        value = await async_client.get("key")
    await async_client.aclose()

    assert server.kind == "Redis"
    assert value == b"value"
