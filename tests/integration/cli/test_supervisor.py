"""The supervisor keeps its children running, and leaves none behind however it ends."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from inspection.cli import orphans, supervisor
from inspection.cli.supervisor import Part, Supervisor
from inspection.errors import ConfigurationError, InspectionError
from tests import servers
from tests.integration.cli.console import Console

pytestmark = pytest.mark.timeout(120)

ALERTER = Part(name="alerter", arguments=("alerter",))
START_S = 60.0
#: Nobody listens there: the alerter goes on without looking at cameras.
NO_STREAMS = "redis://127.0.0.1:1/0"

#: A supervisor in a process of its own, which says who its child is and then only waits.
PROGRAM = """
import sys, time, os
from pathlib import Path
from inspection.cli.supervisor import Part, Supervisor
from inspection.telemetry import configure_logs
configure_logs(process="up", log_format="json")
folder = Path(sys.argv[1])
supervisor = Supervisor(environment=os.environ, run_dir=folder / "run", log_dir=folder / "logs")
with supervisor.alone():
    supervisor.start(Part(name="alerter", arguments=("alerter",)))
    print(supervisor.children["alerter"].process.pid, flush=True)
    time.sleep(600)
"""


@pytest.fixture
def supervise(tmp_path: Path) -> Iterator[Callable[[Console], Supervisor]]:
    """Make a supervisor on a console's settings; its children end with the test."""
    made: list[Supervisor] = []

    def supervised(console: Console) -> Supervisor:
        one = Supervisor(
            environment=console.having(**{"REDIS_URL": NO_STREAMS} | console.settings).environment,
            run_dir=tmp_path / "run",
            log_dir=tmp_path / "logs",
        )
        made.append(one)
        one.run_dir.mkdir()
        return one

    yield supervised
    for one in made:
        for child in one.children.values():
            child.process.kill()
            child.process.communicate()


def ready_count(log_dir: Path) -> int:
    log = log_dir / "alerter.log"
    return log.read_text().count("alerter_ready") if log.exists() else 0


def replaced(supervisor: Supervisor, dead: "subprocess.Popen[bytes]") -> "subprocess.Popen[bytes]":
    """Tend until the alerter, which is dead, was started again after its wait."""

    def successor() -> "subprocess.Popen[bytes] | None":
        supervisor.tend()
        process = supervisor.children["alerter"].process
        return process if process is not dead else None

    process: subprocess.Popen[bytes] = servers.wait_until(successor, START_S)
    return process


def test_child_is_started_again_when_it_is_killed_and_stops_when_it_is_asked(
    site_console: Console, supervise: Callable[[Console], Supervisor]
) -> None:
    supervisor = supervise(site_console)
    supervisor.start(ALERTER)
    first = supervisor.children["alerter"].process
    servers.wait_until(lambda: ready_count(supervisor.log_dir) == 1, START_S, process=first)
    supervisor.tend()
    assert supervisor.children["alerter"].process is first

    first.kill()
    first.communicate()
    second = replaced(supervisor, first)

    assert second.pid != first.pid
    servers.wait_until(lambda: ready_count(supervisor.log_dir) == 2, START_S, process=second)
    supervisor.stop("alerter")
    assert second.returncode == 0
    assert not supervisor.children
    second.communicate()


def test_program_ends_with_the_sentence_of_a_child_that_cannot_work(
    console: Console, supervise: Callable[[Console], Supervisor]
) -> None:
    supervisor = supervise(console)
    supervisor.start(ALERTER)
    supervisor.children["alerter"].process.wait(START_S)

    with pytest.raises(ConfigurationError, match=r"alerter cannot start: .* has no tables"):
        supervisor.tend()


def test_program_ends_when_a_child_fails_again_and_again(
    console: Console,
    supervise: Callable[[Console], Supervisor],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(supervisor, "SOON_S", START_S)
    monkeypatch.setattr(supervisor, "FAILURE_LIMIT", 1)
    one = supervise(console.having(DATABASE_URL="postgresql://127.0.0.1:1/x"))
    one.start(ALERTER)
    first = one.children["alerter"].process
    first.wait(START_S)

    replaced(one, first).wait(START_S)

    with pytest.raises(InspectionError, match="alerter failed 1 times in a row") as raised:
        one.tend()
    first.communicate()
    assert "does not answer" in str(raised.value)


def test_child_that_has_worked_is_started_again_however_often_it_is_killed(
    site_console: Console,
    supervise: Callable[[Console], Supervisor],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(supervisor, "FAILURE_LIMIT", 1)
    monkeypatch.setattr(supervisor, "SOON_S", 0.0)
    one = supervise(site_console)
    one.start(ALERTER)
    one.tend()  # it lives longer than no time at all
    monkeypatch.setattr(supervisor, "SOON_S", START_S)

    for _ in range(3):
        killed = one.children["alerter"].process
        killed.kill()
        killed.communicate()
        replaced(one, killed)

    assert one.children["alerter"].process.poll() is None
    assert one.children["alerter"].failures == 3


def test_child_may_come_to_the_end_of_its_work(
    console: Console,
    migrated_sqlite: Path,
    redis_url: str,
    supervise: Callable[[Console], Supervisor],
) -> None:
    settings = {"REDIS_URL": redis_url, "DATABASE_URL": f"sqlite:///{migrated_sqlite}"}
    supervisor = supervise(console.having(**settings))
    supervisor.start(Part(name="capture", arguments=("capture",), may_end=True))
    assert not supervisor.has_ended("capture")

    process = supervisor.children["capture"].process
    assert process.wait(START_S) == 0  # there are no cameras
    supervisor.tend()

    assert supervisor.has_ended("capture")


def test_second_program_is_refused_on_the_same_data_directory(tmp_path: Path) -> None:
    first, second = (
        Supervisor(environment={}, run_dir=tmp_path / "run", log_dir=tmp_path / "logs")
        for _ in range(2)
    )

    with (
        first.alone(),
        pytest.raises(ConfigurationError, match="set INSPECTION_DATA_DIR to another folder"),
        second.alone(),
    ):
        pytest.fail("both run")

    with second.alone():
        pass


def test_children_end_with_their_supervisor_when_it_is_killed(
    site_console: Console, tmp_path: Path
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(tmp_path)],
        env=site_console.having(REDIS_URL=NO_STREAMS).environment,
        stdout=subprocess.PIPE,
        text=True,
    ) as program:
        try:
            assert program.stdout is not None
            child = psutil.Process(int(program.stdout.readline()))
            log_dir = tmp_path / "logs"
            servers.wait_until(lambda: ready_count(log_dir) == 1, START_S, process=program)
        finally:
            program.kill()

        psutil.wait_procs([child], timeout=START_S)
        assert not child.is_running()


def test_next_start_ends_what_a_killed_supervisor_left_behind(tmp_path: Path) -> None:
    run_dir = tmp_path / "run"
    run_dir.mkdir()
    with subprocess.Popen([sys.executable, "-S", "-c", "input()"], stdin=subprocess.PIPE) as left:
        orphans.remember(run_dir / "children.pids", [psutil.Process(left.pid)])

        with Supervisor(environment={}, run_dir=run_dir, log_dir=tmp_path / "logs").alone():
            assert left.poll() is not None
