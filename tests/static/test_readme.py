"""What the code offers is in the README."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

from inspection.cli import app
from inspection.domain.ledger import Cause, Reason
from inspection.settings import PREFIX, SECRETS, Settings

REPOSITORY = Path(__file__).parents[2]
LEVELS = {"debug", "info", "warning", "error", "exception", "critical"}


@pytest.fixture(scope="module")
def readme() -> str:
    return (REPOSITORY / "README.md").read_text(encoding="utf-8")


def commands(command: Any, name: str) -> Iterator[str]:
    """Walk down to the commands that do something."""
    if (below := getattr(command, "commands", None)) is None:
        yield name
        return
    for word, inner in below.items():
        if not inner.hidden:
            yield from commands(inner, f"{name} {word}")


def actions() -> Iterator[str]:
    """Find the first argument of every call of a logger, as it stands in the code."""
    for path in (REPOSITORY / "inspection").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.Call(func=ast.Attribute(attr=level, value=logger), args=[action, *_]) if (
                    level in LEVELS and "log" in ast.unparse(logger).lower()
                ):
                    yield ast.unparse(action)


def test_readme_shows_every_command(readme: str) -> None:
    names = list(commands(typer.main.get_command(app), "inspection"))

    missing = [name for name in names if name not in readme]

    assert not missing


def test_readme_explains_every_setting(readme: str) -> None:
    names = [PREFIX + name.upper() for name in Settings.model_fields]
    names += [f"{PREFIX}{name.upper()}_FILE" for name in SECRETS]

    missing = [name for name in names if f"`{name}`" not in readme]

    assert not missing


def test_readme_lists_every_log_action(readme: str) -> None:
    names = {action.strip("'\"") for action in actions()}

    missing = sorted(name for name in names if f"`{name}`" not in readme)

    assert not missing


@pytest.mark.parametrize("words", [Reason, Cause], ids=lambda words: words.__name__)
def test_readme_explains_what_can_become_of_a_frame(
    readme: str, words: type[Reason] | type[Cause]
) -> None:
    missing = [word.value for word in words if f"`{word.value}`" not in readme]

    assert not missing
