"""How commands print: tables for people, JSON for scripts; data on stdout, messages on stderr."""

import getpass
import json
import math
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from inspection.errors import ConfigurationError

#: Width of tables that are piped into a file, in characters.
PIPE_WIDTH = 200


def show_rows(rows: Sequence[Mapping[str, Any]], *, as_json: bool) -> None:
    """Print rows of the same keys: a JSON array, or a table."""
    if as_json:
        sys.stdout.write(json.dumps(rows, ensure_ascii=False, default=str) + "\n")
        return
    if not rows:
        say("nothing to show")
        return
    table = Table(*rows[0])
    for row in rows:
        table.add_row(*(_text(value) for value in row.values()))
    _console().print(table)


def show_object(values: Mapping[str, Any], *, as_json: bool) -> None:
    """Print one object: JSON, or a line a key."""
    if as_json:
        sys.stdout.write(json.dumps(values, ensure_ascii=False, default=str) + "\n")
        return
    table = Table(show_header=False, box=None)
    for key, value in values.items():
        table.add_row(key, _text(value))
    _console().print(table)


def say(sentence: str) -> None:
    """Print a message for people on stderr."""
    sys.stderr.write(sentence + "\n")


def person() -> str:
    """Return who calls, as the history of changes writes it."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"


def number(text: str, *, name: str) -> float | None:
    """Read a finite number, or `none`.

    Raises:
        ConfigurationError: it is neither.
    """
    if text.lower() == "none":
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ConfigurationError(f"{name}: {text!r} is no number; give one such as 0.62, or `none`")
    return value


def _console() -> Console:
    return Console() if sys.stdout.isatty() else Console(width=PIPE_WIDTH)


def _text(value: object) -> Text:
    # A plain string would be read for markup, and lose its [square brackets].
    return Text(_cell(value))


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list):
        return "\n".join(_cell(item) for item in value)
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_cell(item)}" for key, item in value.items())
    return str(value)
