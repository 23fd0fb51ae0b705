"""What every command begins with: settings, logs, a clock, and the servers they name."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from types import FrameType

import psutil
import redis

from inspection.cli import lifeline
from inspection.errors import ConfigurationError
from inspection.settings import Settings, read_settings
from inspection.store.database import Database
from inspection.stream.connection import connect
from inspection.stream.embedded import EmbeddedServer, running_url
from inspection.telemetry import configure_logs


def clock() -> datetime:
    """Return the time now."""
    return datetime.now(UTC)


def begin(process: str, *, has_lifeline: bool = False) -> Settings:
    """Read the settings and send log records to stderr.

    Raises:
        ConfigurationError: a setting is unknown or malformed.
    """
    settings = read_settings()
    configure_logs(process=process, log_format=settings.log_format, level=settings.log_level)
    if has_lifeline:
        lifeline.follow()
    return settings


def stop_on_signals() -> threading.Event:
    """Return an event that SIGINT and SIGTERM set."""
    stop = threading.Event()

    def handle(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGINT, handle)
    signal.signal(signal.SIGTERM, handle)
    return stop


def second_signal(stop: threading.Event) -> Callable[[], bool]:
    """Return what says whether another signal comes after those that `stop` has seen."""
    stop.clear()
    return stop.is_set


def redis_url(settings: Settings) -> str:
    """Return the URL of the server of the streams for a process of its own.

    Raises:
        ConfigurationError: none is set and no program runs an embedded one.
    """
    if settings.redis_url is not None:
        return settings.redis_url
    url = running_url(settings.valkey_dir)
    if url is None:
        raise ConfigurationError(
            "no stream server: set INSPECTION_REDIS_URL, or start everything with `inspection up`"
        )
    return url


def replicas_address(settings: Settings) -> str | None:
    """Return the Ray address of replicas that can be called, None while there are none."""
    if settings.ray_address is not None:
        return settings.ray_address
    try:
        pid, _, address = settings.ray_address_file.read_text().partition(" ")
    except FileNotFoundError:
        return None
    # The file of a killed process is not an address.
    return address if pid.isdigit() and psutil.pid_exists(int(pid)) else None


@contextmanager
def streams(settings: Settings) -> Iterator[redis.Redis]:
    """Connect to the server of the streams; wake the embedded one if it sleeps.

    Raises:
        UnavailableError: it does not answer.
    """
    url = settings.redis_url or running_url(settings.valkey_dir)
    if url is not None:
        with connect(url) as client:
            yield client
        return
    server = EmbeddedServer(settings.valkey_dir)
    try:
        with connect(server.start()) as client:
            yield client
    finally:
        server.stop()


@contextmanager
def opened_database(settings: Settings) -> Iterator[Database]:
    """Open the database, at the newest schema.

    Raises:
        UnavailableError: it does not answer.
        ConfigurationError: its schema is not this program's.
    """
    database = Database.open(settings.database)
    try:
        database.check()
        yield database
    finally:
        database.close()
