"""The live table of a running program: on a terminal; elsewhere a log record now and then."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.live import Live
from rich.table import Table

from inspection.accounting import accounts
from inspection.cli.program import Program
from inspection.domain.inspection import Verdict
from inspection.domain.ledger import Account
from inspection.errors import UnavailableError
from inspection.store import inspections, lines
from inspection.telemetry import logger

#: Seconds between two looks at the figures.
TERMINAL_S, LOG_S = 1.0, 10.0


@contextmanager
def shown(program: Program) -> Iterator[Callable[[], None]]:
    """Show the figures; the function given refreshes them when it is time."""
    if not sys.stderr.isatty():
        yield _paced(lambda: _log(program), LOG_S)
        return
    with Live(console=Console(stderr=True), auto_refresh=False, transient=True) as live:
        yield _paced(lambda: _draw(program, live), TERMINAL_S)


def _paced(action: Callable[[], None], every_s: float) -> Callable[[], None]:
    next_s = time.monotonic()

    def act() -> None:
        nonlocal next_s
        begun_s = time.monotonic()
        if begun_s >= next_s:
            action()
            # Counting takes longer as the ledger grows; it must not become the main work.
            next_s = time.monotonic() + max(every_s, 20 * (time.monotonic() - begun_s))

    return act


def _log(program: Program) -> None:
    account = program.account()
    logger().info(
        "progress",
        accepted=account.accepted,
        inspected=account.inspected,
        uninspected=account.uninspected_count,
        dropped=account.dropped_count,
        in_flight=account.in_flight,
    )


def _draw(program: Program, live: Live) -> None:
    try:
        parts = {
            part.camera: part.account
            for part in accounts(program.database, program.streams, program.settings.journals)
        }
        table = Table("line", "accepted", *Verdict, "uninspected", "dropped", "in flight")
        with program.database.read() as connection:
            for line in lines.list_lines(connection):
                cameras = lines.list_cameras(connection, line=line.name)
                account = sum((parts[camera.name] for camera in cameras), Account())
                verdicts = inspections.verdict_counts(connection, line=line.name)
                table.add_row(line.name, *_figures(account, verdicts))
    except UnavailableError as error:
        live.update(f"waiting: {error}", refresh=True)
        return
    live.update(table, refresh=True)


def _figures(account: Account, verdicts: dict[Verdict, int]) -> Iterator[str]:
    yield str(account.accepted)
    for verdict in Verdict:
        yield str(verdicts[verdict])
    yield str(account.uninspected_count)
    yield str(account.dropped_count)
    yield str(account.in_flight)
