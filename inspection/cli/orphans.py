"""Processes that a killed program left behind, found again by a file of their ids."""

import json
from collections.abc import Iterable
from pathlib import Path

import psutil

from inspection.telemetry import logger

#: Seconds an orphan gets to end by itself before it is killed.
GRACE_S = 5.0


def remember(path: Path, processes: Iterable[psutil.Process]) -> None:
    """Write down who is running; the time of birth tells a recycled id from the same process."""
    alive = {}
    for process in processes:
        try:
            alive[process.pid] = process.create_time()
        except psutil.NoSuchProcess:
            continue
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps(alive))
    fresh.replace(path)


def end(path: Path) -> int:
    """End those written down in `path` that still run; return how many there were."""
    if not path.exists():
        return 0
    found = []
    for pid, born in json.loads(path.read_text() or "{}").items():
        try:
            process = psutil.Process(int(pid))
            if process.create_time() == born:
                process.terminate()
                found.append(process)
        except psutil.NoSuchProcess:
            continue
    _, stubborn = psutil.wait_procs(found, timeout=GRACE_S)
    for process in stubborn:
        process.kill()
    psutil.wait_procs(stubborn, timeout=GRACE_S)
    path.unlink()
    if found:
        logger().warning("orphans_ended", count=len(found), pids=[p.pid for p in found])
    return len(found)
