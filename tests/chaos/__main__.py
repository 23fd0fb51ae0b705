"""Chaos: kill what a line is made of, again and again, and count what is lost or doubled.

    python -m tests.chaos --kills 200 --seed 7 --servers both

Everything follows from the seed but the moment at which a killed process is there again to be
killed. Exit code 1 when a frame is lost or doubled, when `inspection db verify` does not balance,
or when an alert or a notification is missing.
"""

import argparse
import json
import random
import shutil
import sys
import tempfile
from pathlib import Path

from tests.chaos import printing
from tests.chaos.load import Shape
from tests.chaos.storm import Plan, Report, Storm

#: Servers of the two installations.
SERVERS = ("embedded", "plant")


def main() -> int:
    """Run the storms, print what came of them, and return the exit code."""
    options = arguments()
    seed = random.SystemRandom().randrange(10**6) if options.seed is None else options.seed
    reports = []
    for kind in SERVERS if options.servers == "both" else (options.servers,):
        plan = Plan(
            servers=kind,
            seed=seed,
            kills=options.kills,
            gap_s=options.gap,
            shape=Shape(cameras=options.cameras, rate_hz=options.rate, live_rate_hz=options.rate),
        )
        reports.append(storm(plan))
        if not options.json:
            sys.stdout.write(printing.table(reports[-1]) + "\n")
    if options.json:
        sys.stdout.write(json.dumps([printing.figures(each) for each in reports]) + "\n")
    return 0 if all(each.is_good for each in reports) else 1


def storm(plan: Plan) -> Report:
    """Run one storm in a folder that is kept only when it went wrong."""
    folder = Path(tempfile.mkdtemp(prefix="inspection-chaos-"))
    is_good = False
    try:
        report = Storm(plan, folder).run(lambda line: sys.stderr.write(f"{plan.servers}: {line}\n"))
        is_good = report.is_good
    finally:
        if is_good:
            shutil.rmtree(folder)
        else:
            sys.stderr.write(f"{plan.servers}: logs and data are in {folder}\n")
    return report


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--kills", type=int, default=200, help="kills on each installation")
    parser.add_argument("--seed", type=int, help="of the schedule; without it a new one")
    parser.add_argument("--servers", choices=[*SERVERS, "both"], default="both")
    parser.add_argument("--rate", type=float, default=4.0, help="frames a second of each camera")
    parser.add_argument("--cameras", type=int, default=2, help="cameras that read a folder")
    parser.add_argument("--gap", type=float, default=4.0, help="mean seconds between two kills")
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
