"""Real servers on free loopback ports for as long as a test session lasts."""

import contextlib
import functools
import os
import pwd
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import psycopg
import pytest
import redis
from sqlalchemy.engine import make_url

#: Debian keeps PostgreSQL's programs off the PATH.
POSTGRES_FOLDERS = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)

INITDB_OPTIONS = ("-U", "postgres", "--auth=trust", "--no-sync", "--encoding=UTF8", "--locale=C")

#: A test database is made anew each time; it need not survive a power cut.
POSTGRES_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "shared_buffers": "32MB",
}


def unavailable(what: str) -> NoReturn:
    """Skip the test because `what` is missing here; fail it where nothing may be missing."""
    if os.environ.get("CI"):
        pytest.fail(f"{what} (CI is set: nothing may be missing)", pytrace=False)
    pytest.skip(what)


def free_port() -> int:
    """Return a TCP port of the loopback interface that nobody listens on.

    It is below those that systems give to outgoing connections, which could take it before the
    server does, and low enough for Redis, which as a cluster needs the one 10,000 above it too.
    """
    while True:
        port = random.SystemRandom().randrange(20_000, 30_000)
        with contextlib.suppress(OSError), socket.socket() as listener:
            listener.bind(("127.0.0.1", port))
            return port


def wait_until(
    predicate: Callable[[], Any],
    timeout_s: float = 40.0,
    *,
    process: "subprocess.Popen[Any] | None" = None,
    log: Path | None = None,
) -> Any:
    """Return what `predicate` says as soon as that is true.

    Gives up after `timeout_s`, or at once when `process` has ended, showing the end of `log`.
    """
    deadline = time.monotonic() + timeout_s
    while not (answer := predicate()):
        ended = process is not None and process.poll() is not None
        if ended or time.monotonic() > deadline:
            what = (
                f"the process ended with {process.returncode}" if ended else f"{timeout_s} s over"
            )
            tail = log.read_text(errors="replace")[-4000:] if log and log.exists() else ""
            pytest.fail(f"{what} before {predicate} held\n{tail}", pytrace=True)
        time.sleep(0.01)
    return answer


@dataclass(frozen=True, kw_only=True)
class Server:
    """A child process that ends with the tests, even when they are killed."""

    command: Sequence[str]
    folder: Path
    answers: Callable[[], Any]
    #: Whom to run as: arguments of `subprocess.Popen`.
    run_as: dict[str, Any] = field(default_factory=dict)
    stop_signal: signal.Signals = signal.SIGTERM

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Run it until the block ends; its log is kept in `folder`."""
        leash = ["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []
        log = self.folder / "server.log"
        with (
            log.open("wb") as output,
            subprocess.Popen(
                [*leash, *self.command],
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
                **self.run_as,
            ) as process,
        ):
            try:
                wait_until(self.answers, process=process, log=log)
                yield
            finally:
                process.send_signal(self.stop_signal)


@contextlib.contextmanager
def redis_server(*lines: str, password: str = "") -> Iterator[str]:
    """Run the machine's Redis and give its URL.

    It keeps nothing on disk unless `lines`, which end its configuration file, say so.
    """
    if not (binary := shutil.which("redis-server")):
        unavailable("there is no redis-server on this machine")
    port = free_port()
    url = f"redis://{f':{password}@' if password else ''}127.0.0.1:{port}/0"
    mode = ["--sentinel"] if any(line.startswith("sentinel ") for line in lines) else []
    with tempfile.TemporaryDirectory(prefix="inspection-redis-") as name:
        folder = Path(name)
        settings = ("bind 127.0.0.1", f"port {port}", 'save ""', *lines)
        (folder / "redis.conf").write_text("\n".join(settings) + "\n")
        server = Server(
            command=[binary, "redis.conf", *mode],
            folder=folder,
            answers=functools.partial(_redis_answers, url),
        )
        with server.running():
            yield url


@dataclass(frozen=True, kw_only=True)
class Mosquitto:
    """An MQTT broker that can be started, stopped and started again, and forgets meanwhile."""

    port: int
    folder: Path
    #: Ends its configuration file.
    lines: Sequence[str] = ()

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Run it until the block ends."""
        user = pwd.getpwuid(os.getuid()).pw_name  # started by root it would become another
        settings = (f"user {user}", f"listener {self.port} 127.0.0.1", *self.lines)
        (self.folder / "mosquitto.conf").write_text("\n".join(settings) + "\n")
        server = Server(
            command=[_mosquitto_binary(), "-c", "mosquitto.conf"],
            folder=self.folder,
            answers=functools.partial(_accepts, self.port),
        )
        with server.running():
            yield


@contextlib.contextmanager
def mosquitto_server(*lines: str) -> Iterator[Mosquitto]:
    """Prepare a broker; everybody may use it unless `lines` of its configuration say who."""
    _mosquitto_binary()
    with tempfile.TemporaryDirectory(prefix="inspection-mosquitto-") as name:
        yield Mosquitto(
            port=free_port(), folder=Path(name), lines=lines or ("allow_anonymous true",)
        )


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """A certificate that vouches for itself, and its key: files in PEM."""

    certificate: Path
    key: Path


def certificate(folder: Path, *, host: str) -> Certificate:
    """Make a certificate for a host name that nobody knows."""
    if not (binary := shutil.which("openssl")):
        unavailable("there is no openssl on this machine")
    made = Certificate(certificate=folder / "certificate.pem", key=folder / "key.pem")
    command = [binary, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    command += ["-nodes", "-days", "2", "-subj", f"/CN={host}", "-addext"]
    command += [f"subjectAltName=DNS:{host}", "-keyout", str(made.key)]
    subprocess.run([*command, "-out", str(made.certificate)], check=True, capture_output=True)
    return made


@contextlib.contextmanager
def postgres_server() -> Iterator[str]:
    """Run PostgreSQL from whatever is installed and give the URL of its maintenance database."""
    binaries = _postgres_binaries()
    port = free_port()
    url = f"postgresql://postgres@127.0.0.1:{port}/postgres"
    run_as, owner = _unprivileged()
    with tempfile.TemporaryDirectory(prefix="inspection-postgres-") as name:
        folder = Path(name)
        if owner is not None:
            os.chown(folder, owner, -1)
        data = folder / "data"
        made = subprocess.run(
            [binaries / "initdb", "-D", data, *INITDB_OPTIONS],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
            **run_as,
        )
        if made.returncode:
            pytest.fail(f"initdb failed: {made.stderr}", pytrace=False)
        settings = [
            part for key, value in POSTGRES_SETTINGS.items() for part in ("-c", f"{key}={value}")
        ]
        server = Server(
            command=[str(binaries / "postgres"), "-D", str(data), "-p", str(port), *settings],
            folder=folder,
            answers=functools.partial(_postgres_answers, url),
            run_as=run_as,
            stop_signal=signal.SIGINT,  # its fast shutdown: does not wait for clients
        )
        with server.running():
            yield url


@contextlib.contextmanager
def postgres_database(server_url: str, name: str, *, template: str = "template1") -> Iterator[str]:
    """Make a database on a server, a copy of `template`, for as long as the block lasts."""
    with psycopg.connect(server_url, autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        yield make_url(server_url).set(database=name).render_as_string(hide_password=False)
        server.execute(f"DROP DATABASE {name} WITH (FORCE)")


def _mosquitto_binary() -> str:
    # Debian keeps it off the PATH of users.
    found = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
    return found or unavailable("there is no mosquitto on this machine")


def _accepts(port: int) -> bool:
    with contextlib.suppress(OSError):
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
        return True
    return False


def _redis_answers(url: str) -> bool:
    with contextlib.suppress(redis.RedisError), redis.Redis.from_url(url) as client:
        return bool(client.ping())
    return False


def _postgres_answers(url: str) -> bool:
    with contextlib.suppress(psycopg.OperationalError), psycopg.connect(url, connect_timeout=2):
        return True
    return False


def _postgres_binaries() -> Path:
    on_path = shutil.which("initdb")
    folders = [*POSTGRES_FOLDERS, *([Path(on_path).resolve().parent] if on_path else [])]
    for folder in folders:
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            return folder
    unavailable("there is no PostgreSQL on this machine")


def _unprivileged() -> tuple[dict[str, Any], int | None]:
    """Say how to run a server that refuses to run as root, and who then owns its files."""
    if os.getuid() != 0:
        return {}, None
    names = {user.pw_name: user for user in pwd.getpwall()}
    user = names.get("postgres") or names["nobody"]
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}, user.pw_uid
