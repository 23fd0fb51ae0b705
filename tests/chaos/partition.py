"""A partition: the inspector is cut off from the database or from the streams, for a while.

Every process runs by itself, as in a plant; only the inspector's connections go through a wire.
Twice it is cut. The first time old connections go on where they were, the second time they stay
silent for ever and only new ones work.
"""

import contextlib
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
from sqlalchemy.engine import make_url

from inspection.cli.supervisor import Part, Supervisor
from tests.chaos import ledger, servers
from tests.chaos.load import Load, Shape
from tests.chaos.memory import Scale
from tests.chaos.program import REPOSITORY, environment, verified
from tests.chaos.proxy import Wire
from tests.integration.alerting.receiver import Receiver

#: Seconds until the first frame is inspected, until one is after a cut, and until none is left.
START_S, RECOVERY_S, DRAIN_S = 240.0, 300.0, 300.0

#: Seconds of quiet before the first cut and after each recovery.
QUIET_S = 5.0

INSPECTOR = Part(name="inspector", arguments=("inspector", "--slot", "1"))
OTHERS = (
    Part(name="serve", arguments=("serve",)),
    Part(name="alerter", arguments=("alerter",)),
    Part(name="capture", arguments=("capture",), may_end=True),
)


@dataclass(frozen=True, kw_only=True)
class Cut:
    """One cut and what followed."""

    is_old_revived: bool
    #: Seconds from the mending until a frame that was captured after it was recorded.
    recovery_s: float
    #: Seconds from the mending until nothing waited any more.
    drained_s: float


@dataclass(kw_only=True)
class Report:
    """What came of it."""

    of: str
    seconds: float
    cuts: list[Cut] = field(default_factory=list)
    frames: int = 0
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    telling: ledger.Telling | None = None
    untold: int = 0
    exit_code: int = 1
    peaks_mb: dict[str, int] = field(default_factory=dict)

    @property
    def is_good(self) -> bool:
        """Whether every promise was kept."""
        broken = self.lost or self.doubled or self.untold or self.exit_code
        return not broken and self.telling is not None and not self.telling.frames_without_alert


class Partition:
    """A plant whose inspector hangs on a wire."""

    def __init__(self, of: str, seconds: float, folder: Path, shape: Shape) -> None:
        """Prepare.

        Args:
            of: whom the inspector is cut off from: `database` or `redis`.
            seconds: how long.
            folder: for everything.
            shape: of the load.
        """
        self._report = Report(of=of, seconds=seconds)
        self._folder = folder
        self._load = Load(folder, shape)
        self._receiver = Receiver()
        self._supervisors: list[Supervisor] = []
        self._own: dict[str, servers.PlantServer] = {}

    def run(self, say: Any) -> Report:
        """Start everything, cut twice, drain, and count."""
        with contextlib.ExitStack() as stack:
            stack.callback(self._receiver.close)
            for server in (servers.redis(), servers.postgresql()):
                running = stack.enter_context(server)
                self._own[running.name] = running
            wire = self._wire(stack)
            settings = self._environment()
            self._add_site(settings)
            stack.enter_context(self._supervised(settings, wire))
            scale = Scale(self._processes)
            stack.enter_context(scale.weighing())
            with self._load.feeding():
                wait_until(self._inspects, START_S, "the first inspection")
                for is_old_revived in (True, False):
                    self._cut(wire, is_old_revived=is_old_revived, say=say)
            wait_until(self._is_drained, DRAIN_S, "the drain")
            self._supervisors[0].stop("capture")
            # Pictures of folders are counted; only the account knows what a live camera gave.
            wait_until(lambda: not verified(settings)["in_flight"], DRAIN_S, "what was in flight")
            wait_until(self._is_told, DRAIN_S, "the last notification")
            self._count(settings, scale)
        return self._report

    @property
    def _database_url(self) -> str:
        return self._own["postgresql"].url

    def _wire(self, stack: contextlib.ExitStack) -> Wire:
        server = self._own["postgresql" if self._report.of == "database" else "redis"]
        wire = Wire(make_url(server.url).port or 0)
        stack.enter_context(wire.forwarding())
        return wire

    def _environment(self, **urls: str) -> dict[str, str]:
        settings = {
            "INSPECTION_REDIS_URL": self._own["redis"].url,
            "INSPECTION_DATABASE_URL": self._own["postgresql"].url,
        }
        return environment(self._folder / "data", self._load.checkpoint, settings | urls)

    def _add_site(self, settings: Mapping[str, str]) -> None:
        config = self._load.configuration(self._receiver.url)
        subprocess.run(
            [sys.executable, "-m", "inspection", "line", "add", "--config", config],
            env=dict(settings),
            cwd=REPOSITORY,
            check=True,
        )

    @contextlib.contextmanager
    def _supervised(self, settings: Mapping[str, str], wire: Wire) -> Iterator[None]:
        """Run every process; the inspector's environment leads it to the wire."""
        name = (
            "INSPECTION_DATABASE_URL" if self._report.of == "database" else "INSPECTION_REDIS_URL"
        )
        url = make_url(settings[name]).set(port=wire.port).render_as_string(hide_password=False)
        for parts, given in ((OTHERS, settings), ((INSPECTOR,), {**settings, name: url})):
            supervisor = Supervisor(
                environment=given,
                run_dir=self._folder / f"run-{len(parts)}",
                log_dir=self._folder / "logs",
            )
            supervisor.run_dir.mkdir()
            self._supervisors.append(supervisor)
            for part in parts:
                supervisor.start(part)
        is_over = threading.Event()
        thread = threading.Thread(target=self._tend, args=(is_over,))
        thread.start()
        try:
            yield
        finally:
            is_over.set()
            thread.join()
            wire.mend(is_old_revived=True)
            for supervisor in reversed(self._supervisors):
                supervisor.stop(*reversed(supervisor.children))

    def _tend(self, is_over: threading.Event) -> None:
        while not is_over.wait(0.5):
            for supervisor in self._supervisors:
                supervisor.tend()

    def _processes(self) -> list[psutil.Process]:
        me = psutil.Process()
        return me.children(recursive=True)

    def _cut(self, wire: Wire, *, is_old_revived: bool, say: Any) -> None:
        time.sleep(QUIET_S)
        say(f"cut off from {self._report.of} for {self._report.seconds:g} s")
        wire.cut()
        time.sleep(self._report.seconds)
        wire.mend(is_old_revived=is_old_revived)
        mended_at = datetime.now(UTC)
        kind = "old connections go on" if is_old_revived else "old connections stay silent"
        say(f"mended; {kind}")

        def recorded() -> float | None:
            after = (
                row.recorded_at
                for row in ledger.rows(self._database_url)
                if row.captured_at > mended_at and row.outcome == "inspected"
            )
            first = min(after, default=None)
            return None if first is None else (first - mended_at).total_seconds()

        recovery_s = wait_until(recorded, RECOVERY_S, "the first frame after the cut")
        say(f"recovered {recovery_s:.1f} s after that")
        wait_until(self._is_nearly_drained, RECOVERY_S, "the end of the backlog")
        drained_s = (datetime.now(UTC) - mended_at).total_seconds()
        self._report.cuts.append(
            Cut(is_old_revived=is_old_revived, recovery_s=recovery_s, drained_s=drained_s)
        )

    def _inspects(self) -> bool:
        counts = ledger.row_counts(self._database_url)
        return all(counts.get(camera) for camera in self._load.cameras)

    def _is_nearly_drained(self) -> bool:
        """Say whether no folder has more than a few seconds' pictures without a row."""
        counts = ledger.row_counts(self._database_url)
        few = 3 * self._load.shape.rate_hz
        return all(count - counts.get(name, 0) <= few for name, count in self._load.fed.items())

    def _is_drained(self) -> bool:
        counts = ledger.row_counts(self._database_url)
        return all(counts.get(camera, 0) >= count for camera, count in self._load.fed.items())

    def _is_told(self) -> bool:
        telling = ledger.telling(self._database_url)
        received = {each.headers["webhook-id"] for each in self._receiver.requests}
        return not telling.frames_without_alert and telling.notification_ids <= received

    def _count(self, settings: Mapping[str, str], scale: Scale) -> None:
        report, found = self._report, ledger.rows(self._database_url)
        report.frames = len(found)
        report.lost, report.doubled = ledger.lost_and_doubled(found, self._load.fed)
        report.telling = ledger.telling(self._database_url)
        received = {each.headers["webhook-id"] for each in self._receiver.requests}
        unseen = report.telling.notification_ids - received
        report.untold = len(unseen) + report.telling.failed_count
        report.exit_code = verified(dict(settings))["exit_code"]
        report.peaks_mb = scale.peaks_mb()


def wait_until(predicate: Any, timeout_s: float, what: str) -> Any:
    """Return what `predicate` says as soon as it says something.

    Raises:
        RuntimeError: it does not in time.
    """
    until_s = time.monotonic() + timeout_s
    while not (answer := predicate()):
        if time.monotonic() > until_s:
            raise RuntimeError(f"{what}: not within {timeout_s:g} s")
        time.sleep(0.5)
    return answer
