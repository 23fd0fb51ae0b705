"""`inspection capture`: the cameras of this machine, each in a child process."""

import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import Annotated

import typer

from inspection.cli import context
from inspection.cli.heartbeat import beating
from inspection.cli.processes import Lifeline
from inspection.domain.line import Camera
from inspection.errors import CaptureError, ConfigurationError, NotFoundError
from inspection.ingest import watchdog
from inspection.store import lines
from inspection.store.database import Database


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(capture)


def capture(
    cameras: Annotated[
        list[str] | None, typer.Argument(help="names of cameras; all of them when none is named")
    ] = None,
    *,
    slot: Annotated[int, typer.Option(help="number of this capture on this machine")] = 0,
    lifeline: Lifeline = False,
) -> None:
    """Capture frames of cameras into their streams, until every one has come to its end.

    Example: inspection capture washers-top washers-side
    """
    settings = context.begin("capture", has_lifeline=lifeline)
    redis_url = context.redis_url(settings)
    stop = context.stop_on_signals()
    with (
        context.opened_database(settings, is_supervised=lifeline) as database,
        database.read() as connection,
    ):
        known = {camera.name: camera for camera in lines.list_cameras(connection)}
    chosen = _chosen(known, cameras)
    with (
        closing(Database.open(settings.database)) as database,
        beating(database, "capture", clock=context.clock, slot=slot) as pulse,
    ):
        report = watchdog.run(
            chosen,
            redis_url=redis_url,
            database_url=settings.database,
            journal_dir=settings.journals,
            stop=stop.is_set,
            options=watchdog.CaptureOptions(
                entry_limit_bytes=int(settings.entry_limit_mb * 2**20),
                log_format=settings.log_format,
                log_level=settings.log_level,
                turned=pulse.turn_at,
            ),
        )
    for name, sentence in report.failed.items():
        sys.stderr.write(f"camera {name}: {sentence}\n")
    if report.failed and not lifeline:
        # A supervisor would start us again for nothing; it reads the cameras' states instead.
        raise CaptureError(f"{len(report.failed)} of {len(known)} cameras failed")


def _chosen(known: Mapping[str, Camera], names: Sequence[str] | None) -> list[Camera]:
    """Return the cameras to capture: those that are named, or all but those that are pushed."""
    for name in names or ():
        if name not in known:
            raise NotFoundError(
                f"there is no camera {name!r}; there are: {', '.join(known) or 'none'}"
            )
        if known[name].is_pushed:
            raise ConfigurationError(
                f"camera {name!r} is pushed: its frames come through `inspection api`, and there "
                "is nothing to capture"
            )
    return [known[name] for name in names or known if not known[name].is_pushed]
