"""The embedded Valkey keeps every accepted frame and its port, and leaves no orphan."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path

import psutil
import pytest

from inspection.domain.frame import Frame
from inspection.domain.line import OverflowPolicy
from inspection.errors import ConfigurationError, UnavailableError
from inspection.stream.backlog import in_flight
from inspection.stream.codec import frames_key
from inspection.stream.connection import Client, connect
from inspection.stream.embedded import EmbeddedServer, remembered_url, running_url
from inspection.stream.producer import Producer

MakeFrame = Callable[..., Frame]
Kill = Callable[[EmbeddedServer], None]

#: A program that starts a server and is killed before it can stop it.
KILLED_PROGRAM = """
import os, signal, sys
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from inspection.stream.embedded import EmbeddedServer
server = EmbeddedServer(Path(sys.argv[1]))
server.start()
print(server.pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "stream data"


@pytest.fixture
def server(folder: Path) -> Iterator[EmbeddedServer]:
    server = EmbeddedServer(folder)
    yield server
    server.stop()


def add(url: str, *frames: Frame) -> None:
    with connect(url) as client:
        producer = Producer(
            client, camera="cam-1", overflow=OverflowPolicy.BLOCK, backlog_limit=1000
        )
        for frame in frames:
            producer.add(frame)


def add_until_unavailable(client: Client, make_frame: MakeFrame) -> int:
    producer = Producer(client, camera="cam-1", overflow=OverflowPolicy.BLOCK, backlog_limit=10_000)
    for number in count(1):
        try:
            producer.add(make_frame(number, payload=bytes(100_000)))
        except UnavailableError:
            return number - 1
    raise AssertionError


def waiting(url: str) -> frozenset[int]:
    with connect(url) as client:
        return in_flight(client, "cam-1").sequence_numbers


@pytest.fixture
def kill(wait_until: Callable[..., None]) -> Kill:
    def kill(server: EmbeddedServer) -> None:
        assert server.pid is not None
        os.kill(server.pid, signal.SIGKILL)
        wait_until(lambda: not server.is_running)

    return kill


def orphan_of(folder: Path) -> int:
    ended = subprocess.run(
        [sys.executable, "-c", KILLED_PROGRAM, folder], stdout=subprocess.PIPE, check=False
    )
    assert ended.returncode == -signal.SIGKILL
    return int(ended.stdout)


def is_alive(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def test_embedded_server_has_no_url_when_it_was_never_started(server: EmbeddedServer) -> None:
    with pytest.raises(UnavailableError, match="never started"):
        _ = server.url


def test_embedded_server_is_reached_by_its_owner_only_when_it_runs(
    server: EmbeddedServer, folder: Path
) -> None:
    url = server.start()

    modes = {path.name: path.stat().st_mode & 0o077 for path in folder.rglob("*")}
    with (
        connect(url.replace("redis://:", "redis://:not-")) as client,
        pytest.raises(ConfigurationError),
    ):
        in_flight(client, "cam-1")
    assert server.pid is not None
    addresses = {one.laddr.ip for one in psutil.Process(server.pid).net_connections()}
    assert addresses == {"127.0.0.1"}
    assert (modes["password"], modes["valkey.conf"]) == (0, 0)
    assert folder.stat().st_mode & 0o077 == 0
    assert os.getsid(server.pid) == server.pid


def test_embedded_server_stays_the_same_when_it_is_started_twice(server: EmbeddedServer) -> None:
    first = server.start()
    pid = server.pid

    assert server.start() == first
    assert server.pid == pid


def test_embedded_server_has_every_accepted_frame_and_its_port_when_it_was_killed_meanwhile(
    server: EmbeddedServer, make_frame: MakeFrame, kill: Kill, wait_until: Callable[..., None]
) -> None:
    url = server.start()

    with connect(url, retries=0) as client, ThreadPoolExecutor() as pool:
        adding = pool.submit(add_until_unavailable, client, make_frame)
        with connect(url) as observer:
            wait_until(lambda: observer.xlen(frames_key("cam-1")) >= 10)
        kill(server)
        accepted_count = adding.result()
    restarted = server.start()

    # The answer to the last one may have been lost.
    assert restarted == url
    assert len(waiting(url)) - accepted_count in (0, 1)
    assert waiting(url) == set(range(1, len(waiting(url)) + 1))


def test_embedded_server_is_not_running_when_it_was_killed(
    server: EmbeddedServer, folder: Path, kill: Kill
) -> None:
    server.start()

    kill(server)

    assert server.pid is None
    assert running_url(folder) is None


def test_clients_go_on_by_themselves_when_the_server_was_killed_and_restarted(
    server: EmbeddedServer, make_frame: MakeFrame, kill: Kill
) -> None:
    with connect(server.start()) as client:
        producer = Producer(
            client, camera="cam-1", overflow=OverflowPolicy.BLOCK, backlog_limit=1000
        )
        producer.add(make_frame(1))
        kill(server)
        server.start()

        producer.add(make_frame(2))

        assert in_flight(client, "cam-1").sequence_numbers == {1, 2}


def test_embedded_server_has_its_data_when_it_was_stopped(
    server: EmbeddedServer, folder: Path, make_frame: MakeFrame
) -> None:
    url = server.start()
    add(url, make_frame(1))

    server.stop()

    assert not server.is_running
    assert (running_url(folder), remembered_url(folder)) == (None, url)
    assert EmbeddedServer(folder).url == url
    assert server.start() == url
    assert waiting(url) == {1}


def test_embedded_server_tells_other_programs_where_it_is_when_it_runs(
    server: EmbeddedServer, folder: Path
) -> None:
    assert running_url(folder) is None

    url = server.start()

    assert running_url(folder) == url


@pytest.mark.parametrize("is_written_down", [True, False])
def test_embedded_server_ends_the_orphan_of_a_killed_program_when_it_starts(
    server: EmbeddedServer, folder: Path, make_frame: MakeFrame, is_written_down: bool
) -> None:
    orphan = orphan_of(folder)
    url = remembered_url(folder)
    assert url is not None
    add(url, make_frame(1))
    if not is_written_down:
        (folder / "valkey.pid").unlink()

    server.start()

    assert not is_alive(orphan)
    assert server.url == url
    assert waiting(url) == {1}


def test_embedded_server_leaves_a_process_alone_when_it_only_got_the_number_of_the_orphan(
    server: EmbeddedServer, folder: Path
) -> None:
    folder.mkdir()
    with subprocess.Popen(["sleep", "60"]) as stranger:
        orphan = {"pid": stranger.pid, "name": "valkey-server", "started_at_s": 1.0}
        (folder / "valkey.pid").write_text(json.dumps(orphan | {"started_after_boot_s": 1.0}))

        server.start()

        assert stranger.poll() is None
        stranger.kill()


@pytest.mark.parametrize("content", ["", "{}", '{"pid": "x"}', "12"])
def test_embedded_server_starts_when_its_pid_file_is_damaged(
    server: EmbeddedServer, folder: Path, content: str
) -> None:
    folder.mkdir()
    (folder / "valkey.pid").write_text(content)

    assert server.start()


def test_embedded_server_refuses_a_folder_when_another_program_runs_a_server_on_it(
    server: EmbeddedServer, folder: Path
) -> None:
    server.start()

    with pytest.raises(ConfigurationError, match="another running program"):
        EmbeddedServer(folder).start()

    assert server.is_running


def test_embedded_server_takes_another_port_when_somebody_has_taken_its_own(
    server: EmbeddedServer, folder: Path
) -> None:
    server.start()
    server.stop()
    port = int((folder / "port").read_text())

    with socket.socket() as stranger:
        stranger.bind(("127.0.0.1", port))
        stranger.listen()
        server.start()

    assert int((folder / "port").read_text()) != port


def test_embedded_server_says_why_when_it_does_not_start(
    server: EmbeddedServer, folder: Path
) -> None:
    (folder / "appendonlydir").mkdir(parents=True)
    (folder / "appendonlydir" / "appendonly.aof.manifest").write_text("nonsense\n")

    with pytest.raises(UnavailableError, match="manifest"):
        server.start()

    assert not server.is_running


def test_embedded_server_frees_the_disk_when_frames_are_settled(
    server: EmbeddedServer, folder: Path, make_frame: MakeFrame, wait_until: Callable[..., None]
) -> None:
    def size_bytes() -> int:
        return sum(path.stat().st_size for path in (folder / "appendonlydir").iterdir())

    with connect(server.start()) as client:
        producer = Producer(
            client, camera="cam-1", overflow=OverflowPolicy.BLOCK, backlog_limit=1000
        )
        for number in range(1, 9):
            producer.add(make_frame(number, payload=bytes(10_000_000)))
            client.xtrim(frames_key("cam-1"), maxlen=1, approximate=False)

        wait_until(lambda: size_bytes() < 40_000_000)
