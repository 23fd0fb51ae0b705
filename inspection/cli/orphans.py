"""Processes that a killed program left behind, found again by a file of their ids."""

import json
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil

from inspection.telemetry import logger

#: Seconds an orphan gets to end by itself before it is killed.
GRACE_S = 5.0

#: Two readings of one process's birth differ by less: it is counted from the machine's start,
#: whose time is known to the second.
BIRTH_TOLERANCE_S = 1.5


def remember(path: Path, processes: Iterable[psutil.Process]) -> None:
    """Write down who is running; the time of birth tells a recycled id from the same process."""
    alive = {}
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            alive[process.pid] = process.create_time()
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps(alive))
    fresh.replace(path)


def end(path: Path) -> int:
    """End those written down in `path` that still run; return how many there were."""
    found = list(_left(path))
    for process in found:
        with suppress(psutil.NoSuchProcess):
            process.terminate()
    _, stubborn = psutil.wait_procs(found, timeout=GRACE_S)
    for process in stubborn:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(stubborn, timeout=GRACE_S)
    path.unlink(missing_ok=True)
    if found:
        logger().warning("orphans_ended", count=len(found), pids=[p.pid for p in found])
    return len(found)


def _left(path: Path) -> Iterator[psutil.Process]:
    try:
        births = {int(pid): float(born) for pid, born in json.loads(path.read_text()).items()}
    except (FileNotFoundError, ValueError, TypeError, AttributeError):
        # Not there, or cut off by a power failure, which ended the processes as well.
        return
    for pid, born in births.items():
        with suppress(psutil.NoSuchProcess):
            process = psutil.Process(pid)
            is_same = abs(process.create_time() - born) < BIRTH_TOLERANCE_S
            # A zombie has ended; in a container there may be nobody to collect it.
            if is_same and process.status() != psutil.STATUS_ZOMBIE:
                yield process
