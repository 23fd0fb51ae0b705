"""Soak: simulated cameras for a while; resident memory of every process must stay flat.

    python -m tests.benchmarks.soak --minutes 30 --rate 8

A shift of two hours at 2 frames a second is 14,400 frames: 30 minutes at 8. The first quarter, in
which caches fill, does not count. Exit code 1 when the memory of a process, by the line fitted to
the rest, grows over that rest by more than the bound, beyond doubt (95 % confidence).
"""

import argparse
import json
import math
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tests.chaos.load import Load, Shape
from tests.chaos.memory import Look, Scale
from tests.chaos.program import Program, environment, verified
from tests.integration.alerting.receiver import Receiver

#: A process may grow by so much over the last three quarters: this, and this share of its size.
BOUND_MB, BOUND_SHARE = 5.0, 0.05

#: Moments that are shown, as shares of the run.
SHOWN = (0.1, 0.25, 0.5, 0.75, 1.0)

#: Share of the run in which caches fill.
WARMING = 0.25

#: Seconds between two looks, and until the first frame is inspected.
LOOK_S, START_S = 5.0, 240.0

#: Processes that Ray starts and ends as it likes are seen in at least this share of the looks.
SEEN = 0.9


@dataclass(frozen=True, kw_only=True)
class Course:
    """How the memory of one process went, in MB."""

    name: str
    shown: Sequence[float]
    #: Growth over the last three quarters by the fitted line, with its interval of 95 %.
    growth: float
    lowest: float
    highest: float

    @property
    def is_flat(self) -> bool:
        """Whether it is not beyond doubt that it grows by more than the bound."""
        return self.lowest <= BOUND_MB + BOUND_SHARE * self.shown[1]


def course(name: str, looks: Sequence[Look]) -> Course:
    """Fit a line to what was seen after the warming.

    Looks follow one another closely and a process keeps what it has, so the residuals hang
    together; the interval takes that into account by the residuals' correlation.
    """
    end_s = looks[-1].at_s
    shown = [_near(name, looks, share * end_s) for share in SHOWN]
    kept = [look for look in looks if look.at_s >= WARMING * end_s and name in look.by_name]
    at_s = np.array([look.at_s for look in kept])
    size = np.array([look.by_name[name] for look in kept])
    centred = at_s - at_s.mean()
    spread = float((centred**2).sum())
    slope = float((centred * size).sum()) / spread
    residuals = size - size.mean() - slope * centred
    variance = float((residuals**2).sum()) / max(1, len(kept) - 2)
    together = float((residuals[1:] * residuals[:-1]).sum()) / max(
        1e-12, float((residuals**2).sum())
    )
    together = min(0.98, max(0.0, together))
    error = math.sqrt(variance / spread * (1 + together) / (1 - together))
    span_s = float(at_s[-1] - at_s[0])
    return Course(
        name=name,
        shown=shown,
        growth=slope * span_s,
        lowest=(slope - 1.96 * error) * span_s,
        highest=(slope + 1.96 * error) * span_s,
    )


def main() -> int:
    """Run, print the courses, and return the exit code."""
    options = arguments()
    with tempfile.TemporaryDirectory(prefix="inspection-soak-") as name:
        looks, account, exit_code = soak(Path(name), options.minutes, options.rate)
    names = sorted({each for look in looks for each in look.by_name})
    seen = [n for n in names if sum(n in look.by_name for look in looks) >= SEEN * len(looks)]
    courses = [course(each, looks) for each in seen]
    for each in courses:
        sys.stderr.write(line(each) + "\n")
    figures = {
        "minutes": options.minutes,
        "rate_hz": options.rate,
        "account": account,
        "growth_mb": {each.name: round(each.growth, 1) for each in courses},
        "growing": [each.name for each in courses if not each.is_flat],
    }
    sys.stdout.write(json.dumps(figures) + "\n")
    sys.stdout.write(
        f"{account['accepted']} frames in {options.minutes:g} minutes; "
        + ("memory grows: " + ", ".join(figures["growing"]) if figures["growing"] else "all flat")
        + "\n"
    )
    return 1 if figures["growing"] or exit_code else 0


def soak(folder: Path, minutes: float, rate_hz: float) -> tuple[list[Look], dict[str, Any], int]:
    """Run a line for so long; return looks at its memory, its account, and verify's exit code."""
    load = Load(folder, Shape(cameras=0, live_cameras=2, live_rate_hz=rate_hz / 2))
    receiver = Receiver()
    program = Program(folder, environment(folder / "data", load.checkpoint, {}))
    scale = Scale(program.below, every_s=LOOK_S)
    try:
        with program.running(load.configuration(receiver.url)):
            program.wait(
                lambda: program.records("inspector", "inspector_ready"), START_S, "the inspector"
            )
            with scale.weighing():
                until_s = time.monotonic() + 60 * minutes
                program.wait(
                    lambda: time.monotonic() > until_s, 60 * minutes + 60, "the end of the shift"
                )
            account = program.stop()
            return scale.looks, account, verified(program.environment)["exit_code"]
    finally:
        receiver.close()


def line(found: Course) -> str:
    """Return a course as a line for people."""
    shown = " ".join(f"{size:7.1f}" for size in found.shown)
    return (
        f"{found.name:>32} {shown}  grows by {found.growth:+.1f} MB "
        f"({found.lowest:+.1f} to {found.highest:+.1f}){'' if found.is_flat else '  TOO MUCH'}"
    )


def _near(name: str, looks: Sequence[Look], at_s: float) -> float:
    with_it = [look for look in looks if name in look.by_name]
    return min(with_it, key=lambda look: abs(look.at_s - at_s)).by_name[name]


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--rate", type=float, default=8.0, help="frames a second of both cameras")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
