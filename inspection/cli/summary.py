"""What a run amounts to: the JSON that scripts read, and the table that people read."""

import json
import sys
from dataclasses import dataclass, field

from rich.console import Console
from rich.table import Table

from inspection.cli.truth import Outcome, as_table, total
from inspection.domain.ledger import Account
from inspection.store import alerts, inspections
from inspection.store.database import Database


@dataclass(frozen=True, kw_only=True)
class Summary:
    """One run in figures."""

    account: Account
    alert_count: int
    frames_per_second: float
    #: From exposure to the committed row, in milliseconds; None before the first inspection.
    p50_ms: float | None
    p99_ms: float | None
    #: Verdicts beside what a simulator knows, a line each; none where nobody knows.
    truth: list[Outcome] = field(default_factory=list)

    def as_json(self) -> str:
        """Return the object that `demo --json` and `up --json` print."""
        account = self.account
        known = {"truth": [each.as_json() for each in [*self.truth, total(self.truth)]]}
        return json.dumps(
            {
                "accepted": account.accepted,
                "inspections": account.inspected,
                "uninspected": account.uninspected_count,
                "dropped": account.dropped_count,
                "in_flight": account.in_flight,
                "missing": account.missing_count,
                "alerts": self.alert_count,
                "frames_per_second": round(self.frames_per_second, 2),
                "latency_ms": {
                    "p50": None if self.p50_ms is None else round(self.p50_ms, 1),
                    "p99": None if self.p99_ms is None else round(self.p99_ms, 1),
                },
                **(known if self.truth else {}),
            }
        )


def summarise(database: Database, account: Account) -> Summary:
    """Put the figures of everything in the database together with an account."""
    with database.read() as connection:
        latency = inspections.latency_summary(connection)
        alert_count = alerts.counts(connection).total
    return Summary(
        account=account,
        alert_count=alert_count,
        frames_per_second=latency.frames_per_second if latency else 0.0,
        p50_ms=latency.p50_ms if latency else None,
        p99_ms=latency.p99_ms if latency else None,
    )


def show(summary: Summary, *, as_json: bool) -> None:
    """Print the summary: JSON or a table on stdout."""
    if as_json:
        sys.stdout.write(summary.as_json() + "\n")
        return
    account = summary.account
    table = Table("accepted", "inspected", "uninspected", "dropped", "in flight", "alerts", "1/s")
    table.add_row(
        str(account.accepted),
        str(account.inspected),
        str(account.uninspected_count),
        str(account.dropped_count),
        str(account.in_flight),
        str(summary.alert_count),
        f"{summary.frames_per_second:.1f}",
    )
    Console().print(table)
    if summary.truth:
        Console().print(as_table(summary.truth))
