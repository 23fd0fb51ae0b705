"""`inspection history`: look inspections up, and see where they look wrong."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from sqlalchemy import Connection

from inspection.cli import context, output
from inspection.domain.inspection import Verdict
from inspection.errors import ConfigurationError
from inspection.settings import Settings
from inspection.store import inspections
from inspection.store.history_query import HistoryQuery
from inspection.store.inspections import HistoryRow

app = typer.Typer(invoke_without_command=True)


def add_to(parent: typer.Typer) -> None:
    """Add the command."""
    parent.add_typer(app, name="history")


@app.callback()
def history(  # noqa: PLR0913 - one option a filter
    context_: typer.Context,
    *,
    line: Annotated[str | None, typer.Option()] = None,
    station: Annotated[str | None, typer.Option()] = None,
    camera: Annotated[str | None, typer.Option()] = None,
    product: Annotated[str | None, typer.Option()] = None,
    verdict: Annotated[Verdict | None, typer.Option()] = None,
    score_min: Annotated[float | None, typer.Option()] = None,
    score_max: Annotated[float | None, typer.Option()] = None,
    since: Annotated[
        str | None, typer.Option(help="captured from here on, 2026-11-21T14:00:00Z")
    ] = None,
    until: Annotated[str | None, typer.Option(help="captured before")] = None,
    part_serial: Annotated[str | None, typer.Option()] = None,
    lot: Annotated[str | None, typer.Option()] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000)] = 20,
    before: Annotated[str | None, typer.Option(help="`cursor` of the last row seen")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
) -> None:
    """List inspections, newest first.

    Example: inspection history --line washers --verdict NG --limit 50 --json
    """
    if context_.invoked_subcommand is not None:
        return
    settings = context.begin("history")
    query = HistoryQuery(
        line=line,
        station=station,
        camera=camera,
        product=product,
        verdict=verdict,
        score_min=score_min,
        score_max=score_max,
        from_at=_moment(since, "--since"),
        to_at=_moment(until, "--until"),
        part_serial=part_serial,
        lot=lot,
        limit=limit,
        before=before,
    )
    with context.opened_database(settings) as database, database.read() as connection:
        rows = inspections.history(connection, query)
    output.show_rows([_brief(row) for row in rows], as_json=as_json)


@app.command()
def show(
    inspection_id: Annotated[int, typer.Argument(min=1, max=2**63 - 1)],
    *,
    heatmap: Annotated[
        Path | None, typer.Option(help="write the heatmap over the frame to this PNG file")
    ] = None,
    opacity: Annotated[float, typer.Option(min=0, max=1)] = 0.5,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
) -> None:
    """Show one inspection; with --heatmap also where it looks wrong.

    Example: inspection history show 4711 --heatmap where.png
    """
    settings = context.begin("history")
    with context.opened_database(settings) as database, database.read() as connection:
        row = inspections.get(connection, inspection_id)
        png = None if heatmap is None else _heatmap(connection, row, settings, opacity)
    output.show_object(_whole(row), as_json=as_json)
    if heatmap is not None and png is not None:
        try:
            heatmap.write_bytes(png)
        except OSError as error:
            raise ConfigurationError(f"cannot write {heatmap}: {error.strerror}") from error


def _heatmap(connection: Connection, row: HistoryRow, settings: Settings, opacity: float) -> bytes:
    # What draws takes longer to load than the whole history to list.
    from inspection.cli.heatmap import drawn, map_of

    anomaly_map = map_of(connection, row)
    return drawn(row, anomaly_map, context.pictures(settings), opacity=opacity)


def _brief(row: HistoryRow) -> dict[str, Any]:
    return {
        "inspection": row.inspection_id,
        "captured_at": row.identity.captured_at.isoformat(timespec="milliseconds"),
        "line": row.line,
        "camera": row.identity.camera,
        "sequence_number": row.identity.sequence_number,
        "product": row.product,
        "part_serial": row.part_serial,
        "score": row.score,
        "threshold": row.threshold_value,
        "verdict": row.verdict.value,
        "cursor": row.cursor,
    }


def _whole(row: HistoryRow) -> dict[str, Any]:
    return _brief(row) | {
        "station": row.station,
        "lot": row.lot,
        "trigger_id": row.trigger_id,
        "threshold_version": row.threshold_version,
        "checkpoint": row.checkpoint_hash,
        "reference_hash": row.reference_hash,
        "waited_ms": row.waited_ms,
        "inference_ms": row.inference_ms,
        "latency_ms": row.latency_ms,
        "picture": None if row.picture is None else row.picture.sha256,
        "picture_gone": row.picture_gone,
        "map_gone": row.map_gone,
        "recorded_at": row.recorded_at.isoformat(timespec="milliseconds"),
    }


def _moment(text: str | None, option: str) -> datetime | None:
    if text is None:
        return None
    try:
        # One without a zone is this machine's.
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ConfigurationError(
            f"{option}: {text!r} is no time; write 2026-11-21T14:00:00Z"
        ) from error
