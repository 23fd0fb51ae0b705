"""What benchmarks share: how much to measure, pictures of parts, and how figures are printed."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.benchmarks import parts

#: Figures in the order they were measured, printed once more at the end.
FIGURES = pytest.StashKey[list[str]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    options = parser.getgroup("benchmarks")
    options.addoption("--frames", type=int, help="length of the long run; without it there is none")
    options.addoption("--checkpoint", default="pocket", help="checkpoint folder, or `pocket`")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[FIGURES] = []


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for line in terminalreporter.config.stash[FIGURES]:
        terminalreporter.write_line(line)


@pytest.fixture
def report(request: pytest.FixtureRequest) -> Callable[..., None]:
    """`report(frames_per_second=…)`: print figures as one line of JSON."""

    def printed(**figures: Any) -> None:
        line = json.dumps(figures)
        sys.stdout.write(f"\n{line}\n")
        request.config.stash[FIGURES].append(line)

    return printed


@pytest.fixture(scope="session")
def checkpoint(request: pytest.FixtureRequest) -> str:
    """Checkpoint that is measured."""
    path: str = request.config.getoption("--checkpoint")
    return path


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of different encoded pictures of parts."""
    return parts.render(tmp_path_factory.mktemp("pictures"))
