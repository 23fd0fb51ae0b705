"""Alerts: how soon after its frame one is opened, and how many a minute the worker manages.

    python -m tests.benchmarks.alerting --seconds 60 --rate 50 --alerts 1000

First a whole line with a tiny detector; then the alert worker alone, on a ledger in which every
frame is NG and stands on a line of its own. Goals: 99 of 100 alerts within a second of the
exposure at 50 frames a second; 1,000 alerts a minute, each opened and delivered.
"""

import argparse
import contextlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from sqlalchemy import select

from inspection.domain.inspection import Verdict
from inspection.store import ledger as store_ledger
from inspection.store import lines, thresholds
from inspection.store.alert_tables import alerts
from inspection.store.channel_tables import notifications
from inspection.store.database import Database
from tests import factories
from tests.chaos import ledger, servers
from tests.chaos.load import WEBHOOK, Load, Shape
from tests.chaos.program import REPOSITORY, Program, environment
from tests.integration.alerting.receiver import Receiver

#: Goals: seconds from exposure to alert at the 99th percentile, and alerts a minute.
LATENCY_GOAL_S, RATE_GOAL = 1.0, 1000

#: Seconds until the first frame is inspected, of load that is not measured, and for anything else.
START_S, SETTLING_S, PATIENCE_S = 240.0, 10.0, 300.0

#: One in 48 pictures: the alert before is over when the next is due.
NG_SHARE = 0.02


def main() -> int:
    """Measure, print the figures, and return the exit code."""
    options = arguments()
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="inspection-alerting-") as name:
        found["line"] = latency(Path(name) / "line", options.seconds, options.rate)
    for kind in ("sqlite", "postgresql"):
        with tempfile.TemporaryDirectory(prefix="inspection-alerting-") as name:
            found[kind] = throughput(Path(name), kind, options.alerts)
    sys.stdout.write(json.dumps(found) + "\n")
    sys.stdout.write(
        f"alert opened {found['line']['p50_ms']} ms (median), {found['line']['p99_ms']} ms (p99) "
        f"after the exposure at {found['line']['frames_per_second']} frames/s; "
        + "; ".join(
            f"{kind}: {found[kind]['opened_per_minute']} alerts/minute opened, "
            f"{found[kind]['delivered_per_minute']} delivered, {found[kind]['lost']} lost"
            for kind in ("sqlite", "postgresql")
        )
        + "\n"
    )
    is_fast = found["line"]["p99_ms"] <= 1000 * LATENCY_GOAL_S
    is_many = all(
        found[kind]["delivered_per_minute"] >= RATE_GOAL and not found[kind]["lost"]
        for kind in ("sqlite", "postgresql")
    )
    return 0 if is_fast and is_many else 1


def latency(folder: Path, seconds: float, rate_hz: float) -> dict[str, Any]:
    """Run a line on two paced folders; return how late its alerts were."""
    # Pictures for the start of Ray as well: it may take as long as the measurement.
    count = int((seconds + SETTLING_S + START_S / 2) * rate_hz / 2)
    shape = Shape(
        rate_hz=rate_hz / 2, live_cameras=0, prefilled=count, ng_share=NG_SHARE, backlog_limit=200
    )
    load, receiver = Load(folder, shape), Receiver()
    program = Program(folder, environment(folder / "data", load.checkpoint, {}))
    url = f"sqlite:///{folder / 'data' / 'inspection.sqlite'}"
    with closing(receiver), program.running(load.configuration(receiver.url)):
        program.wait(
            lambda: program.records("inspector", "inspector_ready"), START_S, "the inspector"
        )
        # What came before the detector was there is worked off first.
        program.wait(lambda: _is_fresh(url), PATIENCE_S, "fresh frames")
        time.sleep(SETTLING_S)
        begun_at = datetime.now(UTC)
        program.wait(
            lambda: (datetime.now(UTC) - begun_at).total_seconds() > seconds, 2 * seconds, "the end"
        )
        ended_at = datetime.now(UTC)
        delays_ms = _delays_ms(url, begun_at)
        rows = [row for row in ledger.rows(url) if begun_at < row.recorded_at < ended_at]
    return {
        "alerts": len(delays_ms),
        "frames_per_second": round(len(rows) / (ended_at - begun_at).total_seconds(), 1),
        "p50_ms": round(median(delays_ms)),
        "p99_ms": round(quantiles(delays_ms, n=100, method="inclusive")[98]),
        "max_ms": round(max(delays_ms)),
    }


def throughput(folder: Path, kind: str, count: int) -> dict[str, Any]:
    """Have one alert worker open and deliver so many alerts; return how long it took."""
    receiver = Receiver()
    with closing(receiver), servers.redis() as streams, _database_url(folder, kind) as url:
        _prepare(url, count, receiver.url)
        urls = {"INSPECTION_DATABASE_URL": url, "INSPECTION_REDIS_URL": streams.url}
        variables = environment(folder / "data", folder, urls)
        with subprocess.Popen(
            [sys.executable, "-m", "inspection", "alerter"],
            env=variables,
            cwd=REPOSITORY,
            stderr=subprocess.DEVNULL,
        ) as worker:
            try:
                until_s = time.monotonic() + PATIENCE_S
                while len(receiver.requests) < count and time.monotonic() < until_s:
                    time.sleep(0.1)
                telling = ledger.telling(url)
            finally:
                worker.terminate()
        opened_at, delivered_at = _moments(url)
    begun_at = opened_at[0]
    received = {request.headers["webhook-id"] for request in receiver.requests}
    return {
        "alerts": telling.alert_count,
        "lost": telling.frames_without_alert + len(telling.notification_ids - received),
        "opened_per_minute": round(60 * count / (opened_at[-1] - begun_at).total_seconds()),
        "delivered_per_minute": round(60 * count / (delivered_at[-1] - begun_at).total_seconds()),
    }


@contextlib.contextmanager
def _database_url(folder: Path, kind: str) -> Iterator[str]:
    if kind == "sqlite":
        yield f"sqlite:///{folder / 'inspection.sqlite'}"
        return
    with servers.postgresql() as server:
        yield server.url


def _prepare(url: str, count: int, webhook: str) -> None:
    """Write so many lines, each with one camera and one NG frame."""
    names = [f"line-{number}" for number in range(count)]
    site = factories.site(
        lines=tuple(factories.line(name=name) for name in names),
        cameras=tuple(factories.camera(name=f"cam-{name}", line=name) for name in names),
        channels=(factories.channel(name=WEBHOOK, kind="webhook", url=webhook),),
    )
    now = datetime.now(UTC)
    with closing(Database.open(url)) as database:
        database.migrate()
        with database.write() as connection:
            lines.create_missing(connection, site, at=now, by="benchmark")
            made = thresholds.set_threshold(
                connection, factories.scope(line=names[0]), 0.5, at=now, by="us", reason="first"
            )
            entries = [
                factories.inspected(
                    camera=f"cam-{name}", captured_at=now, score=0.9, verdict=Verdict.NG
                )
                for name in names
            ]
            assert made.threshold_id == 1
            store_ledger.record(connection, entries, at=now)


def _is_fresh(url: str) -> bool:
    rows = ledger.rows(url)
    return bool(rows) and (rows[-1].recorded_at - rows[-1].captured_at).total_seconds() < 1


def _delays_ms(url: str, begun_at: datetime) -> list[float]:
    """Return the milliseconds from the exposure of its first frame to each alert."""
    captured_at = {
        f"{row.camera}/{row.sequence_number}": row.captured_at for row in ledger.rows(url)
    }
    with closing(Database.open(url)) as database, database.read() as connection:
        opened = connection.execute(select(alerts.c.frame_id, alerts.c.opened_at)).all()
    return [
        (row.opened_at - captured_at[row.frame_id]).total_seconds() * 1000
        for row in opened
        if row.opened_at > begun_at and row.frame_id in captured_at
    ]


def _moments(url: str) -> tuple[list[datetime], list[datetime]]:
    with closing(Database.open(url)) as database, database.read() as connection:
        opened = sorted(connection.scalars(select(alerts.c.opened_at)))
        delivered = sorted(connection.scalars(select(notifications.c.delivered_at)))
    return opened, delivered


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.alerting", description=__doc__
    )
    parser.add_argument("--seconds", type=float, default=60.0, help="of the line")
    parser.add_argument("--rate", type=float, default=50.0, help="frames a second in all")
    parser.add_argument("--alerts", type=int, default=1000, help="of the worker alone")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
