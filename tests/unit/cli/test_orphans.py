"""Only processes that were written down, and are still the same, are ended."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from inspection.cli import orphans

Start = Callable[[], psutil.Process]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start a process that only waits."""
    children: list[subprocess.Popen[bytes]] = []

    def started() -> psutil.Process:
        command = [sys.executable, "-S", "-c", "input()"]
        child = subprocess.Popen(command, stdin=subprocess.PIPE)
        children.append(child)
        return psutil.Process(child.pid)

    yield started
    for child in children:
        child.kill()
        child.communicate()


def test_orphans_end_when_they_were_remembered(start: Start, tmp_path: Path) -> None:
    path, left = tmp_path / "children.pids", [start(), start()]
    orphans.remember(path, left)

    count = orphans.end(path)

    assert count == 2
    assert not any(process.is_running() for process in left)
    assert not path.exists()


def test_another_process_lives_on_when_it_got_the_number_of_an_orphan(
    start: Start, tmp_path: Path
) -> None:
    path, other = tmp_path / "children.pids", start()
    path.write_text(json.dumps({other.pid: other.create_time() - 60}))

    count = orphans.end(path)

    assert count == 0
    assert other.is_running()
    assert other.status() != psutil.STATUS_ZOMBIE


def test_a_process_is_the_same_when_its_birth_is_read_a_little_differently(
    start: Start, tmp_path: Path
) -> None:
    path, left = tmp_path / "children.pids", start()
    path.write_text(json.dumps({left.pid: left.create_time() + 1.0}))

    assert orphans.end(path) == 1


def test_process_that_is_gone_is_passed_over(start: Start, tmp_path: Path) -> None:
    path, gone = tmp_path / "children.pids", start()
    orphans.remember(path, [gone])
    gone.kill()
    gone.wait()

    assert orphans.end(path) == 0


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"x": 1}', '{"1": null}'])
def test_file_that_was_cut_off_does_not_hinder_the_start(tmp_path: Path, text: str) -> None:
    path = tmp_path / "children.pids"
    path.write_text(text)

    assert orphans.end(path) == 0
    assert not path.exists()


def test_nothing_ends_when_nothing_was_remembered(tmp_path: Path) -> None:
    assert orphans.end(tmp_path / "children.pids") == 0
