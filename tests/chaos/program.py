"""`inspection up` as a user starts it, and its processes as a killer sees them."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from inspection.settings import Settings

REPOSITORY = Path(__file__).parents[2]

#: Victims that are no command of their own, and what their command lines hold.
OTHERS = {
    "camera": "inspection.ingest.child",
    "replica": "ray::ServeReplica",
    "valkey": "valkey-server",
}

#: Seconds the program may take to stop when it is asked.
STOP_S = 240.0


def environment(data_dir: Path, checkpoint: Path, settings: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of a program in `data_dir`; INSPECTION_* ones of ours are left out."""
    others = {name: value for name, value in os.environ.items() if "INSPECTION_" not in name}
    ours = {
        "INSPECTION_DATA_DIR": str(data_dir),
        "INSPECTION_CHECKPOINT": str(checkpoint),
        "INSPECTION_THREADS": "1",
        "INSPECTION_LOG_FORMAT": "json",
    }
    if "webhook_hosts" in Settings.model_fields:
        ours["INSPECTION_WEBHOOK_HOSTS"] = "127.0.0.1"
    return others | ours | settings


@dataclass
class Program:
    """A running `inspection up`."""

    folder: Path
    environment: dict[str, str]
    process: "subprocess.Popen[str]" = field(init=False)

    @contextlib.contextmanager
    def running(self, config: Path) -> Iterator[None]:
        """Run it until the block ends; nothing of it is left after that."""
        leash = ["setpriv", "--pdeathsig", "TERM"] if shutil.which("setpriv") else []
        command = [sys.executable, "-m", "inspection", "up", "--config", str(config), "--json"]
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                [*leash, *command],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                env=self.environment,
                cwd=REPOSITORY,
                text=True,
                start_new_session=True,
            )
        try:
            yield
        finally:
            left = self.below()
            if self.process.poll() is None:
                self.process.kill()
            self.process.wait()
            for process in left:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
            psutil.wait_procs(left, timeout=10)
            # Killed, Ray leaves its sockets and logs to the next start, which there is not.
            run_dir = self.folder.absolute() / "data" / "run"
            ours = f"inspection-ray-{zlib.crc32(str(run_dir).encode()):08x}-*"
            for folder in Path(tempfile.gettempdir()).glob(ours):
                shutil.rmtree(folder, ignore_errors=True)

    @property
    def log(self) -> Path:
        """What the program itself writes."""
        return self.folder / "program.log"

    def stop(self) -> dict[str, Any]:
        """Ask it to drain and stop; return the account it prints.

        Raises:
            RuntimeError: it failed.
        """
        self.process.send_signal(signal.SIGTERM)
        printed, _ = self.process.communicate(timeout=STOP_S)
        if self.process.returncode:
            raise RuntimeError(f"inspection up ended with {self.process.returncode}:\n{self.tail}")
        account: dict[str, Any] = json.loads(printed)
        return account

    @property
    def tail(self) -> str:
        """The end of what it writes."""
        return self.log.read_text(errors="replace")[-4000:]

    def below(self) -> list[psutil.Process]:
        """Return the program's process and everything it has started, at any depth."""
        with contextlib.suppress(psutil.NoSuchProcess):
            first = psutil.Process(self.process.pid)
            return [first, *first.children(recursive=True)]
        return []

    def victims(self) -> list[str]:
        """Return the kinds of processes that run now and can be killed."""
        kinds = {kind for process in self.below()[1:] if (kind := _kind(process)) is not None}
        return sorted(kinds)

    def of_kind(self, kind: str) -> list[psutil.Process]:
        """Return the processes of a kind, in the order they were started."""
        return [process for process in self.below()[1:] if _kind(process) == kind]

    def records(self, name: str, action: str) -> list[dict[str, Any]]:
        """Return the log records of a process with this action; name `up` for the program."""
        path = self.log if name == "up" else self.folder / "data" / "logs" / f"{name}.log"
        if not path.exists():
            return []
        found = []
        for line in path.read_text(errors="replace").splitlines():
            with contextlib.suppress(json.JSONDecodeError):
                record = json.loads(line)
                if isinstance(record, dict) and record.get("action") == action:
                    found.append(record)
        return found

    def wait(self, predicate: Callable[[], Any], timeout_s: float, what: str) -> Any:
        """Return what `predicate` says as soon as that is true.

        Raises:
            RuntimeError: the program has ended, or the time is over.
        """
        until_s = time.monotonic() + timeout_s
        while not (answer := predicate()):
            if self.process.poll() is not None:
                raise RuntimeError(
                    f"inspection up ended with {self.process.returncode} while waiting for {what}"
                    f":\n{self.tail}"
                )
            if time.monotonic() > until_s:
                raise RuntimeError(f"{what}: not within {timeout_s:g} s; log:\n{self.tail}")
            time.sleep(0.1)
        return answer


def verified(variables: dict[str, str]) -> dict[str, Any]:
    """Return what `inspection db verify --json` says, with its exit code.

    Raises:
        RuntimeError: it says nothing.
    """
    done = subprocess.run(
        [sys.executable, "-m", "inspection", "db", "verify", "--json"],
        env=variables,
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    if not done.stdout:
        raise RuntimeError(f"inspection db verify ended with {done.returncode}: {done.stderr}")
    said: dict[str, Any] = json.loads(done.stdout)
    return said | {"exit_code": done.returncode}


def _kind(process: psutil.Process) -> str | None:
    try:
        words = process.cmdline()
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
    except psutil.Error:
        return None
    for kind, sign in OTHERS.items():
        if any(sign in word for word in words):
            return kind
    if "-m" in words and "inspection" in words:
        command = words[words.index("inspection") + 1 :]
        return "learner" if command[:2] == ["reference", "learn"] else command[0]
    return None
