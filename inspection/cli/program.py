"""The whole program on this machine: servers, processes, their order at start and stop."""

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

import redis

from inspection.accounting import accounts, total
from inspection.cli import api, context, output, weights
from inspection.cli.audit_key import audit_keys
from inspection.cli.site_file import SiteFile, create_missing
from inspection.cli.supervisor import Part, Supervisor
from inspection.domain.health import CaptureState
from inspection.domain.ledger import Account
from inspection.errors import UnavailableError
from inspection.settings import Settings
from inspection.settings.preparation import child_environment, prepare_ray
from inspection.store import lines
from inspection.store.database import Database
from inspection.stream.connection import connect
from inspection.stream.embedded import EmbeddedServer
from inspection.stream.state import state
from inspection.telemetry import logger

#: The processes that inspect, in the order they are started.
PARTS = (
    Part(name="serve", arguments=("serve",)),
    Part(name="inspector", arguments=("inspector",), follows="serve"),
    Part(name="alerter", arguments=("alerter",)),
    Part(name="keeper", arguments=("keeper",)),
    Part(name="api", arguments=("api",)),
)

#: Started where a line learns references from its stream.
LEARNER = Part(name="learner", arguments=("reference", "learn"), follows="serve")

CAPTURE = Part(name="capture", arguments=("capture",), may_end=True)

#: Draining is given up when nothing has moved for so many seconds.
STANDSTILL_S = 180.0

#: Seconds until a Valkey that could not start is tried again.
REVIVAL_S = 2.0

#: Seconds between two looks at what is left.
DRAIN_LOOK_S = 0.3

#: Who is written down for what a configuration file or the demo sets.
ACTOR = "inspection up"


@dataclass
class Program:
    """A running line; made by `running`."""

    settings: Settings
    database: Database
    streams: redis.Redis
    supervisor: Supervisor
    embedded: EmbeddedServer | None
    #: Where a browser on this machine opens the interface.
    url: str
    _account: Account = field(default_factory=Account)
    #: When a Valkey that could not start is tried again, by the monotonic clock.
    _revival_due_s: float = 0.0

    def capture(self) -> None:
        """Start the cameras."""
        self.supervisor.start(CAPTURE)

    @property
    def has_replicas(self) -> bool:
        """Whether the detector can be called."""
        return context.replicas_address(self.settings) is not None

    def tend(self) -> None:
        """Restart what died.

        Raises:
            InspectionError: a process cannot be kept running.
        """
        if self.embedded is not None and not self.embedded.is_running:
            self._revive(self.embedded)
        self.supervisor.tend()

    def _revive(self, valkey: EmbeddedServer) -> None:
        """Start a dead Valkey again; one that cannot start for now is tried again later."""
        if time.monotonic() < self._revival_due_s:
            return
        logger().warning("process_died", name="valkey")
        try:
            valkey.start()
        except UnavailableError as error:
            logger().warning("process_failed", name="valkey", why=str(error))
            self._revival_due_s = time.monotonic() + REVIVAL_S

    @property
    def is_captured(self) -> bool:
        """Whether every camera has come to its end."""
        return self.supervisor.has_ended(CAPTURE.name)

    def account(self) -> Account:
        """Return the account over all cameras; the last one known while a server is away."""
        try:
            self._account = total(accounts(self.database, self.streams, self.settings.journals))
        except UnavailableError as error:
            logger().warning("account_unavailable", why=str(error))
        return self._account

    def failed_cameras(self) -> dict[str, str]:
        """Return the cameras that cannot work until somebody changes something, and why."""
        with self.database.read() as connection:
            cameras = lines.list_cameras(connection)
        states = {camera.name: state(self.streams, camera.name) for camera in cameras}
        return {
            name: found.detail
            for name, found in states.items()
            if found is not None and found.state == CaptureState.FAILED
        }

    def drain(self, hurry: Callable[[], bool], refresh: Callable[[], None]) -> bool:
        """End capture, then wait until everything captured is inspected and told.

        Args:
            hurry: asked often; once it is true nothing is waited for.
            refresh: called often, to keep the figures in sight.

        Returns:
            False when something is left, which stays in the streams: `hurry` said so, or nothing
            has moved for `STANDSTILL_S`.
        """
        self.supervisor.stop(CAPTURE.name)
        before = self.account()
        moved_s = time.monotonic()
        while not hurry() and time.monotonic() - moved_s < STANDSTILL_S:
            self.tend()
            refresh()
            account = self.account()
            if account.in_flight == 0 and self._is_told():
                return True
            if account != before:
                before, moved_s = account, time.monotonic()
            time.sleep(DRAIN_LOOK_S)
        logger().warning("not_drained", in_flight=before.in_flight)
        return False

    def _is_told(self) -> bool:
        """Say whether no alert waits to be opened or delivered."""
        from inspection.alerting import worker

        try:
            with self.database.read() as connection:
                return worker.is_idle(connection, context.clock())
        except UnavailableError:
            return False


@contextmanager
def running(
    settings: Settings, site_file: SiteFile, *, is_fresh: bool = False
) -> Iterator[Program]:
    """Start everything; on leaving stop everything, leaving no process behind.

    Args:
        settings: of this program; its children get the same.
        site_file: what to create where it does not exist.
        is_fresh: forget what an earlier run kept in the data directory.

    Raises:
        ConfigurationError: something is set that cannot work.
    """
    context.check_settings(settings)
    weights.found(settings)
    with ExitStack() as stack:
        supervisor = Supervisor(
            environment={},
            run_dir=settings.run_dir,
            log_dir=settings.data_dir.absolute() / "logs",
        )
        stack.enter_context(supervisor.alone())
        if is_fresh:
            _forget(settings)
        prepare_ray(settings)
        embedded = EmbeddedServer(settings.valkey_dir) if settings.redis_url is None else None
        if embedded is not None:
            stack.callback(embedded.stop)
        redis_url = settings.redis_url or (embedded.start() if embedded else "")
        streams = stack.enter_context(connect(redis_url))
        context.checked_streams(streams)
        audit_keys(settings, is_made=True)
        database = stack.enter_context(context.migrated_database(settings))
        with database.write() as connection:
            create_missing(connection, site_file, at=context.clock(), by=ACTOR)
        address = api.address_for_children(settings)
        children = settings.model_copy(update={"api_address": address})
        supervisor.environment = child_environment(children, redis_url=redis_url)
        with database.read() as connection:
            learns = any(line.learn_count for line in lines.list_lines(connection))
        names = (CAPTURE.name, LEARNER.name, "api", "inspector", "alerter", "keeper", "serve")
        stack.callback(supervisor.stop, *names)
        for part in (*PARTS, LEARNER) if learns else PARTS:
            supervisor.start(part)
        url = api.url(settings, address)
        output.say(f"interface: {url}/docs")
        yield Program(
            settings=settings,
            database=database,
            streams=streams,
            supervisor=supervisor,
            embedded=embedded,
            url=url,
        )


def _forget(settings: Settings) -> None:
    """Remove what an earlier run recorded; what finds its left-over processes stays."""
    shutil.rmtree(settings.valkey_dir / "appendonlydir", ignore_errors=True)
    for path in settings.data_dir.iterdir():
        if path in (settings.run_dir, settings.valkey_dir) or path.name.startswith("."):
            continue
        shutil.rmtree(path) if path.is_dir() else path.unlink()
