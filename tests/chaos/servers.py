"""A plant's own Redis and PostgreSQL: durable, killed without warning, started again."""

import contextlib
import functools
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from tests import servers

#: What a plant would set: an answer means that it is on the disk.
REDIS_LINES = ("appendonly yes", "appendfsync always")
POSTGRES_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "fsync": "on",
    "synchronous_commit": "on",
    "shared_buffers": "32MB",
}

#: Seconds a server gets to come up on what it left, and attempts.
START_S, ATTEMPTS = 60.0, 3


@dataclass(kw_only=True)
class PlantServer:
    """A server in a folder of its own, on a port that stays the same."""

    name: str
    url: str
    command: Sequence[str]
    folder: Path
    answers: Callable[[], Any]
    run_as: dict[str, Any] = field(default_factory=dict)
    process: "subprocess.Popen[bytes] | None" = None

    def start(self) -> None:
        """Start it and wait until it answers."""
        leash = ["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []
        for _ in range(ATTEMPTS):
            with (self.folder / "server.log").open("ab") as log:
                self.process = subprocess.Popen(
                    [*leash, *self.command],
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    cwd=self.folder,
                    **self.run_as,
                )
            until_s = time.monotonic() + START_S
            while self.process.poll() is None and time.monotonic() < until_s:
                if self.answers():
                    return
                time.sleep(0.02)
            self.kill()
        log_end = (self.folder / "server.log").read_text(errors="replace")[-2000:]
        raise RuntimeError(f"{self.name} does not come up again:\n{log_end}")

    def kill(self) -> None:
        """Send SIGKILL to it and everything below it."""
        for process in reversed(self.processes()):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        if self.process is not None:
            self.process.wait()

    def processes(self) -> list[psutil.Process]:
        """Return its processes, the one that was started first."""
        with contextlib.suppress(psutil.NoSuchProcess):
            if self.process is not None and self.process.poll() is None:
                first = psutil.Process(self.process.pid)
                return [first, *first.children(recursive=True)]
        return []


@contextlib.contextmanager
def redis() -> Iterator[PlantServer]:
    """Run a Redis that keeps what it has answered for."""
    if not (binary := shutil.which("redis-server")):
        servers.unavailable("there is no redis-server on this machine")
    port = servers.free_port()
    url = f"redis://127.0.0.1:{port}/0"
    with tempfile.TemporaryDirectory(prefix="inspection-redis-") as name:
        lines = ("bind 127.0.0.1", f"port {port}", 'save ""', *REDIS_LINES)
        (Path(name) / "redis.conf").write_text("\n".join(lines) + "\n")
        yield from _running(
            PlantServer(
                name="redis",
                url=url,
                command=[binary, "redis.conf"],
                folder=Path(name),
                answers=functools.partial(servers._redis_answers, url),
            )
        )


@contextlib.contextmanager
def postgresql() -> Iterator[PlantServer]:
    """Run a PostgreSQL that keeps what it has committed."""
    binaries = servers._postgres_binaries()
    port = servers.free_port()
    url = f"postgresql://postgres@127.0.0.1:{port}/postgres"
    run_as, owner = servers._unprivileged()
    with tempfile.TemporaryDirectory(prefix="inspection-postgres-") as name:
        folder = Path(name)
        if owner is not None:
            os.chown(folder, owner, -1)
        data = folder / "data"
        subprocess.run(
            [binaries / "initdb", "-D", data, *servers.INITDB_OPTIONS],
            cwd=folder,
            stdout=subprocess.DEVNULL,
            check=True,
            **run_as,
        )
        settings = [part for one in POSTGRES_SETTINGS.items() for part in ("-c", "=".join(one))]
        yield from _running(
            PlantServer(
                name="postgresql",
                url=url,
                command=[
                    *(str(binaries / "postgres"), "-D", str(data), "-p", str(port)),
                    *settings,
                ],
                folder=folder,
                answers=functools.partial(servers._postgres_answers, url),
                run_as=run_as,
            )
        )


def _running(server: PlantServer) -> Iterator[PlantServer]:
    server.start()
    try:
        yield server
    finally:
        server.kill()
