"""The command line as an operator uses it: a process, its exit code and what it prints."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

#: Longest time for one command on a busy machine, in seconds.
TIMEOUT_S = 100
#: Commands that run at once.
AT_ONCE = 4


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

    data_dir: Path
    settings: dict[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        named = {f"INSPECTION_{name}": value for name, value in self.settings.items()}
        return {**os.environ, "INSPECTION_DATA_DIR": str(self.data_dir), **named}

    def having(self, **settings: Any) -> "Console":
        """Return a console with further settings, written without `INSPECTION_`."""
        texts = {name: str(value) for name, value in settings.items()}
        return Console(data_dir=self.data_dir, settings=self.settings | texts)

    def run(self, *arguments: object) -> Ended:
        """Run `inspection` with these arguments; a traceback fails the test."""
        done = subprocess.run(
            [sys.executable, "-m", "inspection", *map(str, arguments)],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=TIMEOUT_S,
        )
        assert "Traceback" not in done.stderr, done.stderr
        return Ended(code=done.returncode, out=done.stdout, err=done.stderr)

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
