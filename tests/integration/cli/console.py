"""The command line as an operator uses it: a process, its exit code and what it prints."""

import itertools
import json
import os
import socket
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

#: Longest time for one command on a busy machine, in seconds.
TIMEOUT_S = 100
#: Commands that run at once.
AT_ONCE = 4

_numbers = itertools.count(1)


@dataclass(frozen=True, kw_only=True)
class Ended:
    """A command that has ended."""

    code: int
    #: Data.
    out: str
    #: Messages.
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def sentence(self) -> str:
        """The one message, of one line."""
        (line,) = self.err.splitlines()
        return line


@dataclass(frozen=True, kw_only=True)
class Console:
    """Runs commands with settings of their own."""

    #: Where the program listens that has loaded the command line (`preloaded.py`).
    socket: Path
    data_dir: Path
    settings: dict[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        named = {f"INSPECTION_{name}": value for name, value in self.settings.items()}
        return {**os.environ, "INSPECTION_DATA_DIR": str(self.data_dir), **named}

    def at(self, data_dir: Path) -> "Console":
        """Return a console of another data directory."""
        return replace(self, data_dir=data_dir)

    def having(self, **settings: Any) -> "Console":
        """Return a console with further settings, written without `INSPECTION_`."""
        texts = {name: str(value) for name, value in settings.items()}
        return replace(self, settings=self.settings | texts)

    def run(self, *arguments: object, typed: str = "") -> Ended:
        """Run `inspection` with these arguments; a traceback fails the test.

        `typed` is what standard input holds.
        """
        printed = self.socket.with_name(f"printed-{next(_numbers)}")
        out, err = printed.with_suffix(".out"), printed.with_suffix(".err")
        request = {
            "arguments": [str(argument) for argument in arguments],
            "environment": self.environment,
            "out": str(out),
            "err": str(err),
            "typed": typed,
        }
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(TIMEOUT_S)
            connection.connect(str(self.socket))
            connection.sendall(json.dumps(request).encode() + b"\n")
            code = int(connection.makefile().readline())
        ended = Ended(code=code, out=out.read_text("utf-8"), err=err.read_text("utf-8"))
        assert "Traceback" not in ended.err, ended.err
        return ended

    def data(self, *arguments: object) -> Any:
        """Run a command that prints JSON, nothing else, and ends well."""
        ended = self.run(*arguments, "--json")
        assert ended.code == 0, ended.err
        assert not ended.err
        return ended.json


def together(commands: Sequence[tuple[Console, Sequence[object]]]) -> list[Ended]:
    """Run commands side by side; give what became of each, in their order."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(lambda command: command[0].run(*command[1]), commands))
