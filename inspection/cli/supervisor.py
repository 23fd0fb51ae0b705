"""The supervisor: starts the processes of a line, restarts what dies, and stops them in order."""

import contextlib
import fcntl
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from inspection.cli import orphans
from inspection.errors import ConfigurationError, InspectionError
from inspection.telemetry import logger

#: A child that dies sooner than this after its start is failing, not merely dead.
SOON_S = 10.0

#: So many failing starts in a row end the whole program, but only of a part that never worked: a
#: plant must outlast servers that are away for hours and processes that are killed in a row.
FAILURE_LIMIT = 8

#: First and longest wait before a dead child is started again, in seconds; it doubles.
RESTART_FIRST_S, RESTART_LIMIT_S = 0.25, 10.0

#: Seconds a child gets to finish what is under way when it is asked to stop.
STOP_S = 20.0

#: Exit code of a command whose configuration cannot work: starting it again cannot help.
CONFIGURATION_EXIT = 2

#: Lines of a dead child's log that are shown.
TAIL_LINES = 8


@dataclass(frozen=True, kw_only=True)
class Part:
    """One process of the program."""

    name: str
    #: Arguments of `inspection`.
    arguments: tuple[str, ...]
    #: Restarted as well whenever this other part is.
    follows: str | None = None
    #: Its exit with code 0 is the end of its work, not a death.
    may_end: bool = False


@dataclass
class Child:
    """A started part."""

    part: Part
    process: subprocess.Popen[bytes]
    started_s: float
    failures: int = 0
    #: It, or a predecessor, has lived longer than a failing start does.
    has_worked: bool = False
    has_ended: bool = False
    #: When it is started again, after it died.
    due_s: float | None = None


@dataclass
class Supervisor:
    """Children in process sessions of their own, tied to this process by their standard input."""

    environment: Mapping[str, str]
    run_dir: Path
    log_dir: Path
    children: dict[str, Child] = field(default_factory=dict)

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Hold the data directory for this program, and end what a killed one left behind.

        Raises:
            ConfigurationError: another program holds it.
        """
        self.run_dir.mkdir(parents=True, exist_ok=True)
        with (self.run_dir / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise ConfigurationError(
                    f"another inspection runs on {self.run_dir.parent}; stop it, or set "
                    "INSPECTION_DATA_DIR to another folder"
                ) from error
            for path in sorted(self.run_dir.glob("*.pids")):
                orphans.end(path)
            yield

    def start(self, part: Part) -> None:
        """Start a part; its log goes to `LOG_DIR/NAME.log`."""
        self.log_dir.mkdir(parents=True, exist_ok=True)
        with self._log(part).open("ab") as log:
            process = subprocess.Popen(  # noqa: S603 - our own program
                [sys.executable, "-m", "inspection", *part.arguments, "--lifeline"],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env=dict(self.environment),
                start_new_session=True,
            )
        before = self.children.get(part.name)
        self.children[part.name] = Child(
            part=part,
            process=process,
            started_s=time.monotonic(),
            failures=before.failures if before else 0,
            has_worked=before is not None and before.has_worked,
        )
        logger().info("process_started", name=part.name, pid=process.pid)
        self._remember()

    def tend(self) -> None:
        """Restart what died.

        Raises:
            ConfigurationError: a child cannot work as it is configured.
            InspectionError: a child that has never worked fails again and again.
        """
        for child in list(self.children.values()):
            if self.children.get(child.part.name) is not child:
                continue  # restarted a moment ago, with the part it follows
            code = child.process.poll()
            if code is None:
                child.has_worked |= time.monotonic() - child.started_s >= SOON_S
                continue
            if child.has_ended:
                continue
            if code == 0 and child.part.may_end:
                child.has_ended = True
                continue
            if child.due_s is None:
                self._bury(child, code)
            elif time.monotonic() >= child.due_s:
                self._restart(child)

    def has_ended(self, name: str) -> bool:
        """Say whether the part has come to the end of its work."""
        return self.children[name].has_ended

    def stop(self, *names: str) -> None:
        """Stop parts, in the order given; one that does not finish in time is killed."""
        for name in names:
            child = self.children.pop(name, None)
            if child is not None and child.process.poll() is None:
                child.process.send_signal(signal.SIGTERM)
                try:
                    child.process.wait(timeout=STOP_S)
                except subprocess.TimeoutExpired:
                    logger().warning("process_killed", name=name, pid=child.process.pid)
                    _kill_tree(child.process.pid)
                    child.process.wait()
        self._remember()

    def processes(self) -> list[psutil.Process]:
        """Return this process and everything below it."""
        me = psutil.Process()
        return [me, *me.children(recursive=True)]

    def _bury(self, child: Child, code: int) -> None:
        """Note a death and when to start the part again, unless there is no use in that."""
        name = child.part.name
        tail = _tail(self._log(child.part))
        if code == CONFIGURATION_EXIT:
            raise ConfigurationError(f"{name} cannot start: {tail[-1] if tail else 'no message'}")
        is_soon = time.monotonic() - child.started_s < SOON_S
        child.failures = child.failures + 1 if is_soon else 1
        logger().warning("process_died", name=name, code=code, failures=child.failures)
        if child.failures > FAILURE_LIMIT and not child.has_worked:
            raise InspectionError(
                f"{name} failed {FAILURE_LIMIT} times in a row; the end of its log:\n"
                + "\n".join(tail)
            )
        wait_s = min(RESTART_LIMIT_S, RESTART_FIRST_S * 2 ** (child.failures - 1))
        child.due_s = time.monotonic() + wait_s

    def _restart(self, child: Child) -> None:
        self._replace(child)
        for other in list(self.children.values()):
            if other.part.follows == child.part.name and other.process.poll() is None:
                other.process.kill()
                other.process.wait()
                self._replace(other)

    def _replace(self, child: Child) -> None:
        if child.process.stdin is not None:
            child.process.stdin.close()
        self.start(child.part)

    def _log(self, part: Part) -> Path:
        return self.log_dir / f"{part.name}.log"

    def _remember(self) -> None:
        processes = [
            psutil.Process(child.process.pid)
            for child in self.children.values()
            if child.process.poll() is None
        ]
        orphans.remember(self.run_dir / "children.pids", processes)


def _tail(path: Path) -> Sequence[str]:
    with path.open(errors="replace") as log:
        return list(deque((line.rstrip() for line in log if line.strip()), maxlen=TAIL_LINES))


def _kill_tree(pid: int) -> None:
    try:
        root = psutil.Process(pid)
    except psutil.NoSuchProcess:
        return
    for process in [*root.children(recursive=True), root]:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
