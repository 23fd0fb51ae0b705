"""Help of every command."""

from collections.abc import Iterator
from typing import Any

import pytest
import typer.main
from typer.testing import CliRunner

from inspection.cli import app


def commands(command: Any, *words: str) -> Iterator[tuple[str, ...]]:
    """Walk down to the commands that do something."""
    below = getattr(command, "commands", {})
    if not below or command.invoke_without_command:
        yield words
    for word, inner in below.items():
        yield from commands(inner, *words, word)


@pytest.mark.parametrize("words", [*commands(typer.main.get_command(app))], ids=" ".join)
def test_help_of_every_command_ends_with_an_example_of_it(words: tuple[str, ...]) -> None:
    result = CliRunner().invoke(app, [*words, "--help"], env={"COLUMNS": "200"})

    assert result.exit_code == 0
    _, _, example = result.stdout.partition("Example: ")
    assert f"inspection {' '.join(words)}" in example.partition("\n")[0]
