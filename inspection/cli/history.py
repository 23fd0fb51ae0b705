"""`inspection history`: look inspections up, and see where they look wrong."""

from pathlib import Path
from typing import Annotated, Any

import typer

from inspection.cli import context, output
from inspection.cli import history_options as options
from inspection.errors import ConfigurationError, CursorError
from inspection.settings import Settings
from inspection.store import inspections, parts
from inspection.store.database import Database
from inspection.store.history_cursor import Sort
from inspection.store.history_query import HistoryQuery
from inspection.store.inspections import HistoryRow
from inspection.store.parts import PartFrame

app = typer.Typer(invoke_without_command=True)


def add_to(parent: typer.Typer) -> None:
    """Add the command."""
    parent.add_typer(app, name="history")


@app.callback()
def history(  # noqa: PLR0913 - one option a filter
    context_: typer.Context,
    *,
    line: options.Line = None,
    station: options.Station = None,
    camera: options.Camera = None,
    product: options.Product = None,
    verdict: options.OfVerdict = None,
    score_min: options.ScoreMin = None,
    score_max: options.ScoreMax = None,
    since: options.Since = None,
    until: options.Until = None,
    part_serial: options.PartSerial = None,
    lot: options.Lot = None,
    checkpoint: options.Checkpoint = None,
    threshold_id: options.ThresholdId = None,
    reviewed: options.IsReviewed = None,
    review: options.Review = None,
    sort: Annotated[
        Sort, typer.Option(help="closest: to the threshold on the row, without pending ones")
    ] = Sort.NEWEST,
    limit: Annotated[int, typer.Option(min=1, max=10_000)] = 20,
    before: Annotated[str | None, typer.Option(help="`cursor` of the last row seen")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
) -> None:
    """List inspections, newest first or as --sort says.

    Example: inspection history --line washers --verdict NG --sort closest --limit 50 --json
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
        from_at=options.moment(since, "--since"),
        to_at=options.moment(until, "--until"),
        part_serial=part_serial,
        lot=lot,
        checkpoint=checkpoint,
        threshold_id=threshold_id,
        is_reviewed=reviewed,
        review=options.decision(review),
        sort=sort,
        limit=limit,
        before=before,
    )
    with context.opened_database(settings) as database, database.read() as connection:
        try:
            rows = inspections.history(connection, query)
        except CursorError as error:
            raise ConfigurationError(f"--before: {error}") from error
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
    with context.opened_database(settings) as database:
        with database.read() as connection:
            row = inspections.get(connection, inspection_id)
        png = None if heatmap is None else _heatmap(database, row, settings, opacity)
    output.show_object(_whole(row), as_json=as_json)
    if heatmap is not None and png is not None:
        try:
            heatmap.write_bytes(png)
        except OSError as error:
            raise ConfigurationError(f"cannot write {heatmap}: {error.strerror}") from error


@app.command()
def part(
    serial: Annotated[str, typer.Argument()],
    *,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
) -> None:
    """Show everything about one part: its verdict, all its frames, and the alerts they opened.

    Example: inspection history part S-000042
    """
    settings = context.begin("history")
    with context.opened_database(settings) as database, database.read() as connection:
        found = parts.get_part(connection, serial)
    frames = [_frame(frame) for frame in found.frames]
    whole = {"part_serial": found.serial, "verdict": found.verdict.value}
    if as_json:
        alerts = [vars(alert) for alert in found.alerts]
        shown = whole | {"is_complete": found.is_complete, "frames": frames, "alerts": alerts}
        output.show_object(shown, as_json=True)
        return
    output.show_object(whole, as_json=False)
    output.show_rows(frames, as_json=False)


def _frame(frame: PartFrame) -> dict[str, Any]:
    inspection, picture = frame.inspection, frame.picture
    return {
        "frame": frame.identity.frame_id,
        "captured_at": frame.identity.captured_at.isoformat(timespec="milliseconds"),
        "line": frame.line,
        "station": frame.station,
        "lot": frame.lot,
        "outcome": frame.outcome.value,
        "reason": frame.reason,
        "verdict": None if inspection is None else inspection.verdict.value,
        "score": None if inspection is None else inspection.score,
        "threshold": None if inspection is None else inspection.threshold_value,
        "threshold_version": None if inspection is None else inspection.threshold_version,
        "checkpoint": None if inspection is None else inspection.checkpoint_hash,
        "review": None if inspection is None else inspection.review,
        "picture": None if picture is None else picture.sha256,
        "alerts": list(frame.alert_ids),
    }


def _heatmap(database: Database, row: HistoryRow, settings: Settings, opacity: float) -> bytes:
    # What draws takes longer to load than the whole history to list.
    from inspection.drawing import drawn, map_of

    anomaly_map = map_of(database, row)
    pictures = context.pictures(settings)
    return drawn(row, anomaly_map, pictures, opacity=opacity, say=output.say)


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
        "threshold_id": row.threshold_id,
        "distance": row.distance,
        "review": row.review,
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
