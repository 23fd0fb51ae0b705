"""`inspection up`: run the lines of a configuration file."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from inspection.cli import context, dashboard, summary
from inspection.cli.program import Program, running
from inspection.cli.site_file import read_site_file
from inspection.errors import CaptureError, InspectionError

#: Seconds between looks at the processes.
TEND_S = 0.5


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(up)


def up(
    config: Annotated[
        Path, typer.Option("--config", help="YAML file of lines, cameras and channels")
    ],
    *,
    until_drained: Annotated[
        bool,
        typer.Option("--until-drained", help="stop when every camera came to its end"),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print the account as JSON")] = False,
) -> None:
    """Run the lines of a configuration file: every process, supervised, until stopped.

    Without INSPECTION_REDIS_URL and INSPECTION_DATABASE_URL an embedded Valkey and a SQLite file
    below INSPECTION_DATA_DIR are used.

    Example: inspection up --config line.yaml --until-drained --json
    """
    settings = context.begin("up")
    site_file = read_site_file(config)
    stop = context.stop_on_signals()
    with running(settings, site_file) as program:
        program.capture()
        with dashboard.shown(program) as refresh:
            watch(
                program,
                refresh,
                lambda: stop.is_set() or (until_drained and program.is_captured),
            )
            is_drained = program.drain(context.second_signal(stop), refresh)
        result = summary.summarise(program.database, program.account())
        failed = program.failed_cameras()
    finish(result, is_drained=is_drained, as_json=as_json)
    if failed:
        raise CaptureError("; ".join(f"camera {name}: {why}" for name, why in failed.items()))


def watch(program: Program, refresh: Callable[[], None], is_over: Callable[[], bool]) -> None:
    """Keep the program running, and its figures in sight, until `is_over`."""
    while not is_over():
        program.tend()
        refresh()
        time.sleep(TEND_S)


def finish(result: summary.Summary, *, is_drained: bool, as_json: bool) -> None:
    """Print what the run amounts to.

    Raises:
        InspectionError: frames are still in the streams, or unaccounted for.
    """
    summary.show(result, as_json=as_json)
    if not is_drained:
        raise InspectionError(f"{result.account.in_flight} frames are still in the streams")
    if not result.account.is_balanced:
        raise InspectionError(
            f"{result.account.missing_count} frames are unaccounted for; see `inspection db verify`"
        )
