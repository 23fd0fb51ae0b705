"""`inspection bench`: how fast this machine's database answers, on rows that are made up."""

import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from inspection.cli import context, output
from inspection.settings import Settings
from inspection.store.database import Database

if TYPE_CHECKING:
    from inspection.store.specimen import Specimen

app = typer.Typer(help="Measure how fast the database answers.", no_args_is_help=True)


@app.command()
def store(
    *,
    rows: Annotated[int, typer.Option(min=1_000, help="inspections that are made up")] = 1_000_000,
    sample: Annotated[
        int, typer.Option(min=0, help="inspections with maps recorded as an inspector does")
    ] = 100_000,
    batch: Annotated[int, typer.Option(min=1, max=5_000, help="of these in a transaction")] = 128,
    days: Annotated[float, typer.Option(min=1, max=365, help="that they are spread over")] = 30,
    seed: int = 7,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
) -> None:
    """Fill an empty database with made-up inspections and measure history, what-if and inserts.

    Takes INSPECTION_DATABASE_URL, or a temporary SQLite file. A database with lines of its own is
    refused; one that was filled before is measured again as it is.

    Example: INSPECTION_DATABASE_URL=postgresql://me@host/bench inspection bench store
    """
    from inspection.store.specimen import Plan, found, make, refuse_other_lines

    settings = context.begin("bench")
    with _database(settings) as database:
        with database.read() as connection:
            refuse_other_lines(connection)
            specimen = found(connection)
        begun_s = time.perf_counter()
        if specimen is None:
            ends_at = context.clock().replace(microsecond=0)
            plan = Plan(rows=rows, ends_at=ends_at, days=days, seed=seed)
            output.say(f"making {rows} inspections up in {database.address}")
            specimen = make(database, plan)
        filled_s = time.perf_counter() - begun_s
        figures = _figures(database, specimen, sample_count=sample, batch=batch)
    output.show_object(figures | {"fill_seconds": round(filled_s, 1)}, as_json=as_json)


def _figures(
    database: Database, specimen: "Specimen", *, sample_count: int, batch: int
) -> dict[str, Any]:
    from inspection.store.history_mix import history_ms
    from inspection.store.measures import inserts, p95
    from inspection.store.what_if_mix import replay_s_per_million, what_if_ms

    figures: dict[str, Any] = {
        "rows": specimen.row_count,
        "history_p95_ms": p95(history_ms(database, specimen)),
        "what_if_p95_ms": p95(what_if_ms(database, specimen)),
        "replay_s_per_million": replay_s_per_million(database, specimen),
    }
    if sample_count:
        at = context.clock()
        figures |= inserts(database, specimen, sample_count=sample_count, batch=batch, at=at)
    return figures


@contextmanager
def _database(settings: Settings) -> Iterator[Database]:
    if settings.database_url is not None:
        with context.migrated_database(settings) as database:
            yield database
        return
    with tempfile.TemporaryDirectory(prefix="inspection-bench-") as folder:
        file = Path(folder) / "bench.sqlite"
        with closing(Database.open(f"sqlite:///{file}")) as database:
            database.migrate()
            yield database
