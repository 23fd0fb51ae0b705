"""`inspection api`: a process that listens where it is told, and ends when it is told."""

import contextlib
import signal
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import psutil
import pytest

from inspection.domain.access import Permission
from inspection.domain.key import KeyWish
from inspection.store import keys
from inspection.store.database import Database
from inspection.store.heartbeats import list_heartbeats
from tests import servers
from tests.factories import NOON
from tests.integration.cli.console import Console

pytestmark = pytest.mark.timeout(120)

#: Most memory the process may have, in bytes.
MEMORY_LIMIT_BYTES = 250 * 10**6


@contextlib.contextmanager
def running(console: Console) -> Iterator[tuple["subprocess.Popen[bytes]", str]]:
    """Run the process; give it and the `host:port` it has taken."""
    log = console.data_dir / "api.log"
    command = [sys.executable, "-m", "inspection", "api"]
    with (
        log.open("wb") as output,
        subprocess.Popen(command, env=console.environment, stderr=output) as process,
    ):
        try:
            servers.wait_until(lambda: "api_ready" in log.read_text(), process=process, log=log)
            record = next(line for line in log.read_text().splitlines() if "api_ready" in line)
            yield process, record.partition("address=")[2].split()[0]
        finally:
            process.kill()


def test_process_serves_with_tls_little_memory_and_ends_with_streams_open(
    site_console: Console,
    site_database: Database,
    certificate: servers.Certificate,
    wait_until: Any,
) -> None:
    console = site_console.having(
        API_ADDRESS="127.0.0.1:0",
        API_CERTIFICATE=certificate.certificate,
        API_CERTIFICATE_KEY=certificate.key,
    )
    with site_database.write() as connection:
        wish = KeyWish(name="screen", scopes=frozenset({Permission.READ}))
        _, token = keys.add_key(connection, wish, at=NOON, by="test")
    told: list[str] = []
    with (
        running(console) as (process, address),
        httpx.Client(
            base_url=f"https://localhost:{address.rpartition(':')[2]}",
            verify=ssl.create_default_context(cafile=certificate.certificate),
            headers={"Authorization": f"Bearer {token.text}"},
        ) as client,
    ):
        assert client.get("/readyz").status_code == 200
        lines = client.get("/api/v1/lines")
        assert [line["line"] for line in lines.json()["items"]] == ["line-1", "line-2"]
        assert lines.headers["strict-transport-security"]
        for path in ("/docs", "/api/v1/openapi.json", "/api/v1/cameras"):
            client.get(path)
        assert psutil.Process(process.pid).memory_info().rss <= MEMORY_LIMIT_BYTES

        def listen() -> None:
            with client.stream("GET", "/api/v1/events") as answer:
                for text in answer.iter_lines():
                    told.append(text)  # noqa: PERF402 - as it comes, not at the end

        listener = threading.Thread(target=listen)
        listener.start()
        wait_until(lambda: told)
        assert beating(site_database) == ["api"]
        process.send_signal(signal.SIGTERM)
        # A server that waited for its streams would never end.
        code = process.wait(20)
        listener.join(5)

    assert code == 0
    assert "event: over" in told


def test_address_that_is_taken_is_named_with_the_cure(site_console: Console) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        ended = site_console.having(API_ADDRESS=address).run("api")

    assert ended.code == 2
    assert f"nobody can listen at {address}" in ended.sentence
    assert "name a free address" in ended.sentence


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"API_ADDRESS": "8080"}, "INSPECTION_API_ADDRESS"),
        ({"API_PROXIES": "10.0.0.0/8, nonsense"}, "INSPECTION_API_PROXIES"),
        ({"API_CERTIFICATE": "/nowhere.pem"}, "INSPECTION_API_CERTIFICATE"),
        ({"API_CERTIFICATE_KEY": "/nowhere.pem"}, "INSPECTION_API_CERTIFICATE_KEY"),
    ],
)
def test_setting_that_cannot_work_is_named(
    site_console: Console, settings: dict[str, str], named: str
) -> None:
    ended = site_console.having(**{"API_ADDRESS": "127.0.0.1:0", **settings}).run("api")

    assert ended.code == 2
    assert named in ended.sentence


def beating(database: Database) -> list[str]:
    with database.read() as connection:
        return [one.process for one in list_heartbeats(connection)]
