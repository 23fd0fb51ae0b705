"""Chaos: kill what a line is made of, again and again, and count what is lost or doubled.

    python -m tests.chaos --kills 200 --seed 7 --servers both

Everything follows from the seed but the moment at which a killed process is there again to be
killed. Exit code 1 when a frame is lost or doubled, when `inspection db verify` does not balance,
or when an alert or a notification is missing.

    python -m tests.chaos --partition database --seconds 60

Nothing is killed; the inspector is cut off, twice. The same is counted.
"""

import argparse
import contextlib
import json
import random
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from inspection.telemetry import configure_logs
from tests.chaos import printing
from tests.chaos.load import Shape
from tests.chaos.partition import Partition
from tests.chaos.storm import Plan, Report, Storm

#: Servers of the two installations.
SERVERS = ("embedded", "plant")


def main() -> int:
    """Run the storms, print what came of them, and return the exit code."""
    options = arguments()
    shape = Shape(cameras=options.cameras, rate_hz=options.rate, live_rate_hz=options.rate)
    if options.partition is not None:
        return partition(options.partition, options.seconds, shape, as_json=options.json)
    seed = random.SystemRandom().randrange(10**6) if options.seed is None else options.seed
    reports = []
    for kind in SERVERS if options.servers == "both" else (options.servers,):
        plan = Plan(
            servers=kind,
            seed=seed,
            kills=options.kills,
            gap_s=options.gap,
            shape=shape,
        )
        reports.append(storm(plan))
        if not options.json:
            sys.stdout.write(printing.table(reports[-1]) + "\n")
    if options.json:
        sys.stdout.write(json.dumps([printing.figures(each) for each in reports]) + "\n")
    return 0 if all(each.is_good for each in reports) else 1


def storm(plan: Plan) -> Report:
    """Run one storm."""
    with kept_when_bad(plan.servers) as work:
        report = Storm(plan, work.folder).run(work.say)
        work.is_good = report.is_good
    return report


def partition(of: str, seconds: float, shape: Shape, *, as_json: bool) -> int:
    """Run one partition, print what came of it, and return the exit code."""
    configure_logs(process="chaos", log_format="console", level="warning")
    with kept_when_bad("partition") as work:
        report = Partition(of, seconds, work.folder, shape).run(work.say)
        work.is_good = report.is_good
    found = printing.partition_figures(report)
    shown = json.dumps(found) if as_json else printing.lines(found, is_good=report.is_good)
    sys.stdout.write(shown + "\n")
    return 0 if report.is_good else 1


@dataclass
class Work:
    """What a run needs, and whether it went well."""

    name: str
    folder: Path
    is_good: bool = False

    def say(self, line: str) -> None:
        """Tell people what happens."""
        sys.stderr.write(f"{self.name}: {line}\n")


@contextlib.contextmanager
def kept_when_bad(name: str) -> Iterator[Work]:
    """Give a folder that is removed at the end, unless it shows what went wrong."""
    work = Work(name, Path(tempfile.mkdtemp(prefix="inspection-chaos-")))
    try:
        yield work
    finally:
        if work.is_good:
            shutil.rmtree(work.folder)
        else:
            work.say(f"logs and data are in {work.folder}")


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--kills", type=int, default=200, help="kills on each installation")
    parser.add_argument("--seed", type=int, help="of the schedule; without it a new one")
    parser.add_argument("--servers", choices=[*SERVERS, "both"], default="both")
    parser.add_argument("--rate", type=float, default=4.0, help="frames a second of each camera")
    parser.add_argument("--cameras", type=int, default=2, help="cameras that read a folder")
    parser.add_argument("--gap", type=float, default=4.0, help="mean seconds between two kills")
    parser.add_argument(
        "--partition", choices=["database", "redis"], help="cut the inspector off instead"
    )
    parser.add_argument("--seconds", type=float, default=60.0, help="how long it is cut off")
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
