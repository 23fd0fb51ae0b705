"""The checks that tools make, run on the whole repository."""

import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
PYTHON = (sys.executable, "-m")

pytestmark = pytest.mark.timeout(300)


def passes(*command: str) -> None:
    """Run a tool in the repository; on complaints fail with what it printed."""
    done = subprocess.run(
        command,
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        pytest.fail(f"{' '.join(command[-3:])}\n{done.stdout}", pytrace=False)


def test_ruff_finds_nothing_to_remark() -> None:
    passes(*PYTHON, "ruff", "check", "--no-fix", "--output-format=concise", ".")


def test_ruff_would_format_nothing_differently() -> None:
    passes(*PYTHON, "ruff", "format", "--check", ".")


def test_mypy_finds_every_type_in_order() -> None:
    passes(*PYTHON, "mypy")


def test_imports_only_point_down() -> None:
    passes(str(Path(sys.executable).with_name("lint-imports")))


def test_dependencies_are_those_that_are_imported() -> None:
    passes(*PYTHON, "deptry", ".")


def test_nothing_is_written_and_never_used() -> None:
    passes(*PYTHON, "vulture")
