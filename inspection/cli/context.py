"""What every command begins with: settings, logs, a clock, and the servers they name."""

import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from types import FrameType

import psutil
import redis

from inspection.cli import lifeline
from inspection.cli.audit_key import anchoring, audit_keys
from inspection.errors import CheckpointError, ConfigurationError, UnavailableError
from inspection.model.checkpoint_folder import read_description, resolve_checkpoint
from inspection.settings import Settings, read_settings
from inspection.settings.preparation import prepare_data_dir
from inspection.store.database import Database
from inspection.store.pictures import PictureStore
from inspection.stream.connection import Server, check_server, connect, translated
from inspection.stream.embedded import EmbeddedServer, running_url
from inspection.telemetry import configure_logs

#: Seconds a Ray cluster may take to accept a connection.
RAY_S = 5.0


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


def checkpoint(settings: Settings) -> str:
    """Return the checkpoint as replicas find it, and see that it is whole where that is here.

    Raises:
        ConfigurationError: it is missing or damaged.
    """
    if settings.ray_address is not None:
        return settings.checkpoint  # a folder of the cluster's machines
    folder = resolve_checkpoint(settings.checkpoint).absolute()
    try:
        read_description(folder)
    except CheckpointError as error:
        raise ConfigurationError(f"INSPECTION_CHECKPOINT: {error}") from error
    return str(folder)


def pictures(settings: Settings) -> PictureStore:
    """Return the picture store.

    Raises:
        ConfigurationError: its address cannot be used.
    """
    try:
        return PictureStore(settings.pictures, reserve_bytes=settings.limits.reserve_bytes)
    except ConfigurationError as error:
        raise ConfigurationError(f"INSPECTION_PICTURE_URL: {error}") from error


def check_settings(settings: Settings) -> None:
    """See that what is set can work, before anything is started.

    Raises:
        ConfigurationError: it cannot.
    """
    prepare_data_dir(settings)
    checkpoint(settings)
    pictures(settings)
    check_ray(settings)


def check_ray(settings: Settings, *, is_supervised: bool = False) -> None:
    """See that somebody listens where the Ray cluster should be; Ray would try for minutes.

    Raises:
        UnavailableError: nobody does, and `is_supervised`, as for `answering`.
        ConfigurationError: nobody does.
    """
    host, _, port = (settings.ray_address or "").removeprefix("ray://").rpartition(":")
    if not port.isdigit():
        return  # no cluster, or one that Ray looks for itself
    with answering("INSPECTION_RAY_ADDRESS", is_supervised=is_supervised):
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=RAY_S).close()
        except (OSError, OverflowError, UnicodeError) as error:
            raise UnavailableError(f"no Ray answers at {settings.ray_address}: {error}") from error


@contextmanager
def streams(settings: Settings) -> Iterator[redis.Redis]:
    """Connect to the server of the streams; wake the embedded one if it sleeps.

    Raises:
        ConfigurationError: it does not answer, or the data directory cannot be written.
    """
    url = settings.redis_url or running_url(settings.valkey_dir)
    if url is not None:
        with connect(url) as client:
            with answering("INSPECTION_REDIS_URL"), translated(client):
                client.ping()
            yield client
        return
    prepare_data_dir(settings)
    server = EmbeddedServer(settings.valkey_dir)
    try:
        with connect(server.start()) as client:
            yield client
    finally:
        server.stop()


@contextmanager
def served_metrics(settings: Settings, database: Database) -> Iterator[None]:
    """Serve `/metrics` while the block runs, if an address for it is set.

    Raises:
        ConfigurationError: nobody can listen there, or no stream server is known.
    """
    if settings.metrics_address is None:
        yield
        return
    from inspection.metrics import InspectionCollector, served

    # Who asks waits ten seconds by default: one attempt more, not three.
    with connect(redis_url(settings), retries=1) as client, ExitStack() as stack:
        collector = InspectionCollector(database, client, settings.journals, clock=clock)
        try:
            stack.enter_context(served(collector, settings.metrics_address))
        except ConfigurationError as error:
            raise ConfigurationError(f"INSPECTION_METRICS_ADDRESS: {error}") from error
        yield


def checked_streams(client: redis.Redis) -> Server:
    """Return what the server of the streams is, if frames may be trusted to it.

    Raises:
        ConfigurationError: they may not, or it does not answer.
    """
    with answering("INSPECTION_REDIS_URL"):
        return check_server(client)


@contextmanager
def opened_database(settings: Settings, *, is_supervised: bool = False) -> Iterator[Database]:
    """Open the database, at the newest schema.

    Args:
        settings: of this process.
        is_supervised: as for `answering`.

    Raises:
        UnavailableError: it does not answer, and `is_supervised`.
        ConfigurationError: it does not answer, or its schema is not this program's.
    """
    with _database(settings) as database:
        with answering("INSPECTION_DATABASE_URL", is_supervised=is_supervised):
            database.check()
        yield database


@contextmanager
def migrated_database(settings: Settings) -> Iterator[Database]:
    """Open the database and bring its tables up to date.

    Raises:
        ConfigurationError: it does not answer, or was made by a newer version of this program.
    """
    with _database(settings) as database:
        with answering("INSPECTION_DATABASE_URL"):
            database.migrate()
        yield database


@contextmanager
def answering(variable: str, *, is_supervised: bool = False) -> Iterator[None]:
    """Take a server that does not answer at the start for a wrong setting.

    Args:
        variable: the setting.
        is_supervised: somebody starts this process again, so that an outage is no wrong setting.

    Raises:
        UnavailableError: it does not answer, and `is_supervised`.
        ConfigurationError: it does not answer; the message names the variable and the cure.
    """
    try:
        yield
    except UnavailableError as error:
        if is_supervised:
            raise
        raise ConfigurationError(
            f"{variable}: {error}; start the server, or correct the address"
        ) from error


@contextmanager
def _database(settings: Settings) -> Iterator[Database]:
    if settings.database_url is None:
        prepare_data_dir(settings)
    database = Database.open(settings.database, audit_keys=audit_keys(settings))
    try:
        with anchoring(settings, database):
            yield database
    finally:
        database.close()
