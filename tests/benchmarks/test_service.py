"""The line against its bare detector: frames a second, latency, memory, and time to a verdict."""

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from statistics import fmean, median, quantiles
from typing import Any

import psutil
import pytest

from tests.benchmarks import parts
from tests.benchmarks.running_line import (
    REPOSITORY,
    Row,
    Run,
    frames_per_second,
    recorded,
    run,
    started,
)
from tests.servers import wait_until

pytestmark = pytest.mark.benchmark

#: Rounds of detector and line in turn, so that a machine that slows down slows both.
ROUNDS = 2

#: Frames of each round.
ROUND_FRAMES = 480

#: Frames each stream holds, few, so that cameras work until nearly the end.
BACKLOG = 48

#: Share of frames at either end of a run that is not measured: there not all processes work.
MARGIN = 0.1

#: Share of the line's capacity at which its latency is measured, and for how long.
LATENCY_LOAD, LATENCY_S = 0.25, 30.0

#: Seconds after the first verdict in which what waited for the detector is worked off.
SETTLING_S = 5.0


@dataclass(frozen=True, kw_only=True)
class Bare:
    """The bare detector's figures."""

    frames_per_second: float
    one_picture_ms: float


@pytest.fixture(scope="module")
def measure_line(
    pictures: Path, checkpoint: str, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Run]:
    """`measure_line(1200)`: run a line of so many frames, one camera a product."""

    def measured(count: int, *, rate_hz: float | None = None) -> Run:
        folder = tmp_path_factory.mktemp("line")
        products = parts.PRODUCTS if rate_hz is None else parts.PRODUCTS[:1]
        lines = []
        for number, product in enumerate(products):
            share = len(range(number, count, len(products)))
            path = parts.lay_out(pictures, folder / f"{number}", product=product, count=share)
            camera: dict[str, Any] = {"name": f"camera-{number}", "folder": str(path)}
            camera["backlog_limit"] = BACKLOG
            if rate_hz is not None:
                camera["rate_hz"] = rate_hz
            stations = [{"name": "top", "cameras": [camera]}]
            line = {"name": f"line-{number}", "product": product, "threshold": 0.99}
            lines.append(line | {"stations": stations})
        # JSON is YAML.
        return run(json.dumps({"lines": lines}), data_dir=folder / "data", checkpoint=checkpoint)

    return measured


@pytest.fixture(scope="module")
def measure_detector(pictures: Path, checkpoint: str) -> Callable[[int], Bare]:
    """`measure_detector(1200)`: have one process score so many frames, with nothing around it."""

    def measured(count: int) -> Bare:
        threads = psutil.cpu_count() or 1  # those of the one replica
        command = (sys.executable, "-m", "tests.benchmarks.bare_detector")
        done = subprocess.run(
            [*command, str(pictures), checkpoint, str(threads), str(count)],
            cwd=REPOSITORY,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        return Bare(**json.loads(done.stdout))

    return measured


def middle(rows: Sequence[Row]) -> Sequence[Row]:
    margin = int(MARGIN * len(rows))
    return rows[margin : len(rows) - margin]


def percentiles(values: Sequence[float]) -> dict[str, float]:
    return {
        "p50": round(median(values), 1),
        "p99": round(quantiles(values, n=100, method="inclusive")[98], 1),
    }


def first_verdict_s(begun_s: float, database_file: Path, process: subprocess.Popen[str]) -> float:
    """Wait for the first row of a program that was started at `begun_s`."""

    def has_rows() -> bool:
        # There are no tables before the first migration.
        with contextlib.suppress(Exception):
            return bool(database_file.exists() and recorded(database_file))
        return False

    wait_until(has_rows, 180.0, process=process)
    return time.monotonic() - begun_s


def test_service_keeps_up_with_its_detector(
    measure_line: Callable[..., Run],
    measure_detector: Callable[[int], Bare],
    report: Callable[..., None],
) -> None:
    detectors, runs = [], []
    for _ in range(ROUNDS):
        detectors.append(measure_detector(ROUND_FRAMES))
        runs.append(measure_line(ROUND_FRAMES))

    line = fmean(frames_per_second(middle(run.rows)) for run in runs)
    detector = fmean(bare.frames_per_second for bare in detectors)
    one_picture_ms = min(bare.one_picture_ms for bare in detectors)
    rate_hz = round(LATENCY_LOAD * line, 1)
    calm = measure_line(int(rate_hz * LATENCY_S), rate_hz=rate_hz)
    report(
        frames_per_second=round(line, 1),
        detector_frames_per_second=round(detector, 1),
        ratio=round(line / detector, 3),
        added_latency_ms=percentiles([ms - one_picture_ms for ms in latencies_ms(calm)]),
        resident_mb=round(max(run.resident_mb for run in runs)),
        one_picture_ms=round(one_picture_ms, 1),
        rounds=[
            [round(frames_per_second(middle(run.rows)), 1), round(bare.frames_per_second, 1)]
            for run, bare in zip(runs, detectors, strict=True)
        ],
    )

    assert all(run.is_whole for run in [*runs, calm])


def test_demo_gives_its_first_verdict(
    checkpoint: str, report: Callable[..., None], tmp_path: Path
) -> None:
    begun_s = time.monotonic()
    arguments = ("demo", "--for", "1", "--json")
    with started(*arguments, data_dir=tmp_path / "data", checkpoint=checkpoint) as process:
        waited_s = first_verdict_s(begun_s, tmp_path / "data/demo/inspection.sqlite", process)
        printed, _ = process.communicate(timeout=120)
    account = json.loads(printed)
    report(first_verdict_s=round(waited_s, 1))

    assert process.returncode == 0
    assert account["accepted"] == account["inspections"] + account["dropped"]


def test_time_and_memory_stay_flat_over_a_long_run(
    measure_line: Callable[..., Run], report: Callable[..., None], request: pytest.FixtureRequest
) -> None:
    count = request.config.getoption("--frames")
    if count is None:
        pytest.skip("give --frames 20000")

    run = measure_line(count)
    report(frames=count, quarters=list(quarters(run)))

    assert run.is_whole


def latencies_ms(run: Run) -> list[float]:
    """Return the times from exposure to committed row of the frames that met an idle line."""
    settled_at = run.rows[0].recorded_at + timedelta(seconds=SETTLING_S)
    return [
        (run.committed_at[row.ledger_id] - row.captured_at) / timedelta(milliseconds=1)
        for row in run.rows
        if row.captured_at > settled_at
    ]


def quarters(run: Run) -> Iterator[dict[str, Any]]:
    """Give the figures of each quarter of the frames."""
    rows = middle(run.rows)
    for number in range(4):
        part = rows[number * len(rows) // 4 : (number + 1) * len(rows) // 4]
        begin_at, end_at = part[0].recorded_at, part[-1].recorded_at
        memory = [moment for moment in run.memory if begin_at <= moment.at <= end_at]
        names = sorted({name for moment in memory for name in moment.by_process})
        yield {
            "frames_per_second": round(frames_per_second(part), 1),
            "resident_mb": {
                name: round(median(moment.by_process.get(name, 0) for moment in memory), 1)
                for name in names
            },
            "total_mb": round(median(moment.total_mb for moment in memory)) if memory else None,
        }
