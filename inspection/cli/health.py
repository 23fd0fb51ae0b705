"""`inspection health`: how cameras and processes are doing, and what a camera ought to see."""

import sys
from datetime import datetime
from typing import Annotated, Any

import typer

from inspection.cli import context, output
from inspection.domain.health import CameraHealth
from inspection.domain.heartbeat import Heartbeat
from inspection.store.survey import Survey, survey
from inspection.store.views import accept_view

app = typer.Typer(invoke_without_command=True, no_args_is_help=False)


@app.callback()
def health(
    calling: typer.Context,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
) -> None:
    """Show how cameras and processes are doing, and how long frames wait for their verdict.

    Exit code 1 when something is not as it should be.

    Example: inspection health --json
    """
    if calling.invoked_subcommand is not None:
        return
    settings = context.begin("health")
    with context.opened_database(settings) as database, database.read() as connection:
        found = survey(connection, context.clock(), is_local_ray=settings.ray_address is None)
    if as_json:
        output.show_object(_described(found), as_json=True)
    else:
        _show(found)
    if not found.is_well:
        sys.exit(1)


@app.command()
def accept(camera: str) -> None:
    """Say that a camera sees what it should: it was moved on purpose, or its lens was changed.

    What it normally sees is learnt anew, for every product, from its next pictures.

    Example: inspection health accept washers-top
    """
    settings = context.begin("health")
    with context.opened_database(settings) as database, database.write() as connection:
        accept_view(connection, camera, at=context.clock(), by=output.person())
    output.say(f"what {camera} normally sees is learnt anew from its next pictures")


def _described(found: Survey) -> dict[str, Any]:
    return {
        "lag_s": found.lag_s,
        "is_well": found.is_well,
        "cameras": [_camera(one) for one in found.cameras],
        "processes": [_process(one, found.at) for one in found.processes],
        "missing": list(found.missing),
    }


def _show(found: Survey) -> None:
    lag = "unknown" if found.lag_s is None else f"{found.lag_s:.1f} s"
    output.show_object({"oldest unjudged frame": lag}, as_json=False)
    output.show_rows([_camera(one) for one in found.cameras], as_json=False)
    output.show_rows([_process(one, found.at) for one in found.processes], as_json=False)
    for kind in found.missing:
        output.say(f"no {kind} is at work")


def _camera(one: CameraHealth) -> dict[str, Any]:
    return {
        "camera": one.camera,
        "line": one.line,
        "state": one.state.value,
        "since": _written(one.since_at),
        "lag_s": round(one.lag_s, 1),
        "waiting": one.waiting_count,
        "last_frame": _written(one.last_frame_at),
        "detail": one.detail,
    }


def _process(one: Heartbeat, now: datetime) -> dict[str, Any]:
    state = one.state(now)
    return {
        "process": one.process,
        "host": one.host,
        "slot": one.slot,
        "pid": one.pid,
        "state": state.value,
        "since": _written(one.since_at(now)),
        "done": one.done_count,
    }


def _written(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat(timespec="milliseconds")
