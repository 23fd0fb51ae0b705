"""Whole programs: `inspection up` and `inspection demo` as an operator starts them."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests import servers

HERE = Path(__file__).parent
SYSTEM_PYTHON = "/usr/bin/python3"


@dataclass
class Running:
    """A started program and everything below it."""

    process: "subprocess.Popen[str]"
    log: Path
    data_dir: Path
    environment: Mapping[str, str]

    def below(self) -> list[psutil.Process]:
        """Return the processes it has started, at any depth."""
        try:
            return psutil.Process(self.process.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return []

    def find(self, words: str) -> psutil.Process | None:
        """Return the process below whose name or command line holds `words`."""
        for process in self.below():
            try:
                if words in f"{process.name()} {' '.join(process.cmdline())}":
                    return process
            except psutil.NoSuchProcess:
                continue
        return None

    def kill(self, words: str) -> int:
        """Send SIGKILL to the process whose command line holds `words`; return its id."""
        process: psutil.Process = self.wait(lambda: self.find(words), 60)
        process.kill()
        return process.pid

    def wait(self, predicate: Callable[[], Any], timeout_s: float) -> Any:
        return servers.wait_until(predicate, timeout_s, process=self.process, log=self.log)

    def end(self, timeout_s: float) -> dict[str, Any]:
        """Wait for its end and return the JSON it printed."""
        stdout, _ = self.process.communicate(timeout=timeout_s)
        assert self.process.returncode == 0, self.log.read_text()[-4000:]
        answer: dict[str, Any] = json.loads(stdout)
        return answer

    def verify(self) -> dict[str, Any]:
        """Ask `inspection db verify`; a frame that is lost or doubled fails the test."""
        done = subprocess.run(
            [sys.executable, "-m", "inspection", "db", "verify", "--json"],
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    def log_records(self, name: str) -> str:
        """Return the log of one of its processes."""
        path = self.data_dir / "logs" / f"{name}.log"
        return path.read_text(errors="replace") if path.exists() else ""


Start = Callable[..., Any]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """`with start("demo", "--json") as running:` — nothing of it outlives the test."""
    begun: list[psutil.Process] = []

    @contextmanager
    def started(*arguments: str, **settings: str) -> Iterator[Running]:
        data_dir = tmp_path / "data"
        environment = dict(os.environ) | {"INSPECTION_DATA_DIR": str(data_dir)} | settings
        log = tmp_path / "program.log"
        with (
            log.open("a") as errors,
            subprocess.Popen(
                [sys.executable, "-m", "inspection", *arguments],
                stdout=subprocess.PIPE,
                stderr=errors,
                env=environment,
                text=True,
                start_new_session=True,
            ) as process,
        ):
            running = Running(process, log, data_dir, environment)
            try:
                yield running
            finally:
                begun.extend(running.below())
                if process.poll() is None:
                    process.send_signal(signal.SIGKILL)

    yield started
    for process in begun:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue


@pytest.fixture
def rtsp_camera() -> Iterator[str]:
    """Address of a real RTSP camera on loopback."""
    if not Path(SYSTEM_PYTHON).exists():
        servers.unavailable(f"there is no {SYSTEM_PYTHON} on this machine")
    with subprocess.Popen(
        [SYSTEM_PYTHON, HERE.parent / "rtsp_server.py", "--port", "0", "--fps", "5"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as server:
        assert server.stdout is not None
        assert server.stderr is not None
        if not (url := server.stdout.readline().strip()):
            servers.unavailable(f"GStreamer's RTSP server cannot start: {server.stderr.read()}")
        yield url
        server.kill()


@pytest.fixture
def real_line(real_mini: Path, rtsp_camera: str, tmp_path: Path) -> Path:
    """The file of the real line, with the camera's port of this test."""
    text = (HERE / "real_line.yaml").read_text()
    text = text.replace("../../../shared/datasets/real-mini", str(real_mini))
    text = text.replace("rtsp://127.0.0.1:8554/camera", rtsp_camera)
    file = tmp_path / "real_line.yaml"
    file.write_text(text)
    return file
