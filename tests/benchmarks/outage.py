"""An outage of the database under load: when the backlog is gone again, and what it costs.

    python -m tests.benchmarks.outage --seconds 60 --rate 20

`inspection up` on a Redis and a PostgreSQL of its own; PostgreSQL is killed, stays away, and comes
back. Goal: after a minute's outage at 20 frames a second nothing waits any more within two minutes.
"""

import argparse
import contextlib
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.chaos import ledger, servers
from tests.chaos.load import Load, Shape
from tests.chaos.memory import Scale
from tests.chaos.program import Program, environment, verified
from tests.integration.alerting.receiver import Receiver

#: Seconds within which the backlog is to be gone.
GOAL_S = 120.0

#: Seconds of load before the outage, until the first frame, and that anything may take.
QUIET_S, START_S, PATIENCE_S = 20.0, 240.0, 600.0

#: Frames that were captured so lately do not count as backlog, in seconds.
FRESH_S = 2.0


def main() -> int:
    """Run, print the figures, and return the exit code."""
    options = arguments()
    with tempfile.TemporaryDirectory(prefix="inspection-outage-") as name:
        found = outage(Path(name), seconds=options.seconds, rate_hz=options.rate)
    sys.stdout.write(json.dumps(found) + "\n")
    sys.stdout.write(
        f"{options.seconds:g} s without a database at {options.rate:g} frames/s: the backlog of "
        f"{found['backlog_frames']} frames was gone {found['backlog_gone_s']:g} s after its return "
        f"(goal {GOAL_S:g} s); {found['lost']} frames lost, {found['doubled']} doubled; memory "
        f"{found['before_mb']} MB before, {found['peak_mb']} MB at most\n"
    )
    is_good = not (found["lost"] or found["doubled"] or found["verify_exit_code"])
    return 0 if is_good and found["backlog_gone_s"] <= GOAL_S else 1


def outage(folder: Path, *, seconds: float, rate_hz: float) -> dict[str, Any]:
    """Run a line through an outage and return the figures."""
    load = Load(folder, Shape(cameras=2, rate_hz=rate_hz / 2, live_cameras=0))
    with contextlib.ExitStack() as stack:
        receiver = Receiver()
        stack.callback(receiver.close)
        redis, database = (
            stack.enter_context(server) for server in (servers.redis(), servers.postgresql())
        )
        urls = {"INSPECTION_REDIS_URL": redis.url, "INSPECTION_DATABASE_URL": database.url}
        program = Program(folder, environment(folder / "data", load.checkpoint, urls))
        stack.enter_context(program.running(load.configuration(receiver.url)))
        scale = Scale(lambda: [*program.below(), *redis.processes()])
        program.wait(
            lambda: program.records("inspector", "inspector_ready"), START_S, "the inspector"
        )
        with load.feeding():
            program.wait(lambda: backlog(load, database.url) < rate_hz, PATIENCE_S, "a calm line")
            stack.enter_context(scale.weighing())
            time.sleep(QUIET_S)
            database.kill()
            time.sleep(seconds)
            database.start()
            begun_s = time.monotonic()
            waiting = backlog(load, database.url)
            program.wait(
                lambda: backlog(load, database.url) <= FRESH_S * rate_hz, PATIENCE_S, "the end"
            )
            gone_s = time.monotonic() - begun_s
        program.wait(lambda: not backlog(load, database.url), PATIENCE_S, "the last frame")
        account = program.stop()
        lost, doubled = ledger.lost_and_doubled(ledger.rows(database.url), load.fed)
        totals = [sum(look.by_name.values()) for look in scale.looks]
        return {
            "outage_s": seconds,
            "rate_hz": rate_hz,
            "backlog_frames": waiting,
            "backlog_gone_s": round(gone_s, 1),
            "frames": account["accepted"],
            "lost": len(lost),
            "doubled": len(doubled),
            "verify_exit_code": verified(program.environment)["exit_code"],
            "before_mb": round(totals[0]),
            "peak_mb": round(max(totals)),
            "peaks_mb": scale.peaks_mb(),
        }


def backlog(load: Load, url: str) -> int:
    """Return the pictures in the folders that have no row."""
    counts = ledger.row_counts(url)
    return sum(count - counts.get(camera, 0) for camera, count in load.fed.items())


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.outage", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--rate", type=float, default=20.0, help="frames a second in all")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
