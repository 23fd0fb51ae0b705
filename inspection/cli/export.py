"""`inspection export`: take inspections away, as CSV, Parquet or JSON Lines."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, BinaryIO

import typer

from inspection.cli import context, output
from inspection.cli import history_options as options
from inspection.errors import ConfigurationError
from inspection.store.history_query import HistoryFilter

#: Endings of files, and how they are written.
_SUFFIXES = {".csv": "csv", ".parquet": "parquet", ".jsonl": "jsonl", ".ndjson": "jsonl"}


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(export)


def export(  # noqa: PLR0913 - one option a filter
    file: Annotated[Path | None, typer.Argument(help="to write to; stdout when left out")] = None,
    *,
    written: Annotated[
        str | None, typer.Option("--format", help="csv, parquet or jsonl; else as the file ends")
    ] = None,
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
) -> None:
    """Write inspections, the oldest first, to a file or to stdout; the audit notes it.

    Example: inspection export week.parquet --line washers --since 2026-11-16T00:00:00Z
    """
    # pyarrow takes its time to load.
    from inspection.store import exports

    settings = context.begin("export")
    kind = exports.ExportFormat(_format(file, written))
    asked = HistoryFilter(
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
    )
    with context.opened_database(settings) as database:
        pieces = exports.begin(database, asked, kind, at=context.clock(), who=output.person())
        _write(pieces, file)


def _format(file: Path | None, written: str | None) -> str:
    known = set(_SUFFIXES.values())
    if written is not None:
        if written not in known:
            raise ConfigurationError(f"--format: {written!r} is none of {', '.join(sorted(known))}")
        return written
    if file is None:
        return "csv"
    if file.suffix.lower() not in _SUFFIXES:
        raise ConfigurationError(
            f"{file}: give --format, or a file that ends with {', '.join(_SUFFIXES)}"
        )
    return _SUFFIXES[file.suffix.lower()]


def _write(pieces: Iterator[bytes], file: Path | None) -> None:
    if file is None:
        _pour(pieces, sys.stdout.buffer)
        return
    # Under another name until it is whole, so that half an export is never taken for one.
    unfinished = file.with_name(f"{file.name}.part")
    try:
        with unfinished.open("wb") as target:
            _pour(pieces, target)
        unfinished.replace(file)
    except OSError as error:
        raise ConfigurationError(f"cannot write {file}: {error.strerror}") from error
    finally:
        unfinished.unlink(missing_ok=True)


def _pour(pieces: Iterator[bytes], target: BinaryIO) -> None:
    target.writelines(pieces)
    target.flush()
