"""Fuzz: damaged pictures and damaged stream entries go the real way of frames.

    python -m tests.fuzz --frames 100000 --seed 7

Exit code 1 when a frame is lost or doubled, when something crashes, or when a picture needs more
than a gigabyte. What made a decoder crash is kept.
"""

import argparse
import json
import random
import shutil
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from inspection.stream.embedded import EmbeddedServer
from inspection.telemetry import configure_logs
from tests.fuzz.floor import Findings, FuzzedFloor


def main() -> int:
    """Fuzz, print what came of it, and return the exit code."""
    options = arguments()
    # Every damaged frame is a warning.
    configure_logs(process="fuzz", log_format="console", level="error")
    seed = random.SystemRandom().randrange(10**6) if options.seed is None else options.seed
    folder = Path(tempfile.mkdtemp(prefix="inspection-fuzz-"))
    server = EmbeddedServer(folder / "valkey")
    try:
        floor = FuzzedFloor(folder, server.start(), seed=seed, frames=options.frames)
        findings = floor.run()
    finally:
        server.stop()
    if findings.is_good:
        shutil.rmtree(folder)
    else:
        sys.stderr.write(f"what made it go wrong is in {folder}\n")
    sys.stdout.write(json.dumps(figures(findings)) if options.json else shown(findings))
    sys.stdout.write("\n")
    return 0 if findings.is_good else 1


def figures(findings: Findings) -> dict[str, Any]:
    """Return the figures, with numbers in place of lists."""
    found = asdict(findings)
    for name in ("lost", "doubled", "inspector_crashes"):
        found[name] = len(found[name])
    found["peak_mb"] = round(found.pop("peak_bytes") / 1e6)
    return found | {"seconds": round(findings.seconds), "is_good": findings.is_good}


def shown(findings: Findings) -> str:
    """Return the figures as lines for people."""
    lines = [f"{name:>18}  {value}" for name, value in figures(findings).items()]
    return "\n".join([*lines, *set(findings.inspector_crashes)])


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--frames", type=int, default=100_000)
    parser.add_argument("--seed", type=int, help="everything follows from it; without it a new one")
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
