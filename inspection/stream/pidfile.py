"""Which process was started, written down so that the next start finds it again."""

import json
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

#: Start times of one process that are read at different moments differ by less.
_TOLERANCE_S = 1.0
#: How often an ending process is looked at.
_POLL_S = 0.02


def write(path: Path, pid: int) -> None:
    """Remember the living process `pid`; a reader sees the old file or the new one, never half."""
    written = path.with_name(f"{path.name}.new")
    written.write_text(json.dumps(_description(psutil.Process(pid))), encoding="utf-8")
    written.replace(path)


def living(path: Path) -> psutil.Process | None:
    """Return the remembered process if it lives; never another one that has got its number."""
    try:
        remembered = json.loads(path.read_text(encoding="utf-8"))
        process = psutil.Process(int(remembered["pid"]))
        is_same = _is_same(remembered, _description(process))
    except (OSError, ValueError, KeyError, TypeError, psutil.Error):
        return None
    return process if is_same and _is_alive(process) else None


def end(path: Path, *, grace_s: float) -> None:
    """End the remembered process if it lives, kindly first, and forget it."""
    process = living(path)
    if process is not None:
        with suppress(psutil.NoSuchProcess):
            process.terminate()
            if not _has_ended(process, within_s=grace_s):
                process.kill()
                _has_ended(process, within_s=grace_s)
    path.unlink(missing_ok=True)


def _is_alive(process: psutil.Process) -> bool:
    # A zombie has ended; in a container there may be nobody to collect it.
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _has_ended(process: psutil.Process, *, within_s: float) -> bool:
    deadline = time.monotonic() + within_s
    while _is_alive(process):
        if time.monotonic() >= deadline:
            return False
        time.sleep(_POLL_S)
    return True


def _description(process: psutil.Process) -> dict[str, Any]:
    started_at_s = process.create_time()
    return {
        "pid": process.pid,
        "name": process.name(),
        "started_at_s": started_at_s,
        "started_after_boot_s": started_at_s - psutil.boot_time(),
    }


def _is_same(remembered: dict[str, Any], found: dict[str, Any]) -> bool:
    # Setting the clock moves one of the two times on Linux, the other on macOS.
    times = ("started_at_s", "started_after_boot_s")
    return remembered["name"] == found["name"] and any(
        abs(float(remembered[time]) - found[time]) < _TOLERANCE_S for time in times
    )
