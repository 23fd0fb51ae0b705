"""`inspection doctor`: finds the common faults of an installation and says the cure."""

import sys
from collections.abc import Callable
from typing import Annotated, Any

import typer

from inspection.cli import context, output, weights
from inspection.cli.diagnosis import floor, machine, servers
from inspection.errors import InspectionError
from inspection.settings import Settings

#: What is looked at, in this order; each says what it found, or raises an error with the cure.
CHECKS: dict[str, Callable[[Settings], str]] = {
    "settings": machine.settings_set,
    "disk": machine.disk,
    "limits": machine.limits,
    "stream server": servers.stream_server,
    "database": servers.database,
    "audit": servers.audit,
    "clocks": servers.clocks,
    "pictures": servers.pictures,
    "checkpoint": weights.finding,
    "ray": servers.ray,
    "processes": floor.processes,
    "cameras": floor.cameras,
    "sources": floor.sources,
    "ownership": floor.ownership,
    "thresholds": floor.thresholds,
    "channels": floor.channels,
    "notifications": floor.notifications,
    "dead letters": floor.dead_letters,
}


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(doctor)


def doctor(*, as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False) -> None:
    """Check machine, servers, processes, cameras, thresholds and channels.

    Exit code 1 when something is wrong; each finding says the cure.

    Example: inspection doctor --json
    """
    settings = context.begin("doctor")
    rows: list[dict[str, Any]] = []
    for name, check in CHECKS.items():
        try:
            rows.append({"check": name, "is_ok": True, "finding": check(settings)})
        except InspectionError as error:
            rows.append({"check": name, "is_ok": False, "finding": str(error)})
    output.show_rows(rows, as_json=as_json)
    if not all(row["is_ok"] for row in rows):
        sys.exit(1)
