"""A specimen: a database full of made-up inspections, to measure with and to try questions on.

The rows are those of `inspection.store.specimen_rows`; here they get their lines, cameras and
thresholds, and are counted into every table that is kept beside them.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import numpy as np
from sqlalchemy import Connection, func, select, text, update

from inspection.domain.line import Camera, Line, PicturePolicy, Scope, Source
from inspection.domain.site import Site
from inspection.errors import ConfigurationError
from inspection.store import histograms, lines, partitions, tables, thresholds
from inspection.store.bulk import copied, without_indexes
from inspection.store.database import Database
from inspection.store.engine import patience
from inspection.store.histograms import ScoreSource
from inspection.store.specimen_rows import (
    CAMERAS,
    CHECKPOINTS,
    LINES,
    PRODUCTS,
    THRESHOLDS,
    Place,
    Plan,
    chunks,
    line_name,
    product_name,
)

__all__ = ["Plan", "Specimen", "found", "make", "refuse_other_lines"]

#: Its lines are called so, with a number; a database with any other is a plant's.
PREFIX: Final = "specimen-"
_AUTHOR: Final = "specimen"
_HOURS: Final = """
INSERT INTO hourly_scores (source_id, hour, verdict, bin, row_count)
SELECT source_id, CAST(floor({time} / 3600) AS INTEGER), verdict,
    CAST({least}({greatest}(floor(score * 1000), -1), 1000) AS INTEGER), count(*)
FROM inspections GROUP BY 1, 2, 3, 4
"""


@dataclass(frozen=True, kw_only=True)
class Specimen:
    """What is there."""

    row_count: int
    #: Exposures from this moment on …
    from_at: datetime
    #: … up to and including this one.
    to_at: datetime
    lines: Sequence[str]
    #: All of them, those of the first line first.
    cameras: Sequence[str]
    products: Sequence[str]


def refuse_other_lines(connection: Connection) -> None:
    """Return if every line is one of a specimen.

    Raises:
        ConfigurationError: one is not: this may be a plant's database.
    """
    names = sorted(line.name for line in lines.list_lines(connection))
    others = [name for name in names if not name.startswith(PREFIX)]
    if others:
        raise ConfigurationError(
            f"the database has lines that are no specimen: {', '.join(others[:5])}; nothing is "
            "made up in a plant's database: name an empty one in INSPECTION_DATABASE_URL"
        )


def found(connection: Connection) -> Specimen | None:
    """Return the specimen that is there, None when there is none."""
    row = tables.inspections.c
    ends = select(func.min(row.captured_at), func.max(row.captured_at))
    from_at, to_at = connection.execute(ends).one()
    if from_at is None:
        return None
    names = [line_name(line) for line in range(LINES)]
    return Specimen(
        row_count=connection.scalar(select(func.count()).select_from(tables.inspections)) or 0,
        from_at=from_at,
        to_at=to_at,
        lines=names,
        cameras=[f"{name}-cam-{camera + 1}" for name in names for camera in range(CAMERAS)],
        products=[product_name(line, turn) for line in range(LINES) for turn in range(PRODUCTS)],
    )


def make(database: Database, plan: Plan) -> Specimen:
    """Fill an empty database, in one transaction.

    1. Create the lines with their cameras and thresholds.
    2. Write the ledger and the inspections; their indexes are made afterwards.
    3. Count the rows into every table that is kept beside them.

    Raises:
        ConfigurationError: the database has lines, or a time that cannot be.
    """
    with database.write() as connection:
        if names := lines.list_lines(connection):
            raise ConfigurationError(f"the database has lines already, {names[0].name} first")
        _make_site(connection, plan)
        with nullcontext() if database.is_sqlite else patience(connection):
            _fill(connection, plan)
    database.tidy()
    with database.read() as connection:
        made = found(connection)
    if made is None:
        raise ConfigurationError("a specimen needs at least one row")
    return made


def _fill(connection: Connection, plan: Plan) -> None:
    weeks = math.ceil(plan.days / 7) + 1
    moments = (plan.begins_at + n * timedelta(days=7) for n in range(weeks))
    partitions.ensure(connection, [*moments, plan.ends_at])
    with without_indexes(connection, tables.ledger, tables.inspections):
        for ledger_columns, inspection_columns in chunks(plan, _place(connection)):
            copied(connection, tables.ledger, ledger_columns)
            copied(connection, tables.inspections, inspection_columns)
    for statement in _counts(is_sqlite=connection.dialect.name == "sqlite"):
        connection.execute(text(statement))


def _make_site(connection: Connection, plan: Plan) -> None:
    names = [line_name(line) for line in range(LINES)]
    site = Site(
        lines=tuple(
            Line(name=name, product=product_name(number, 0), pictures=PicturePolicy.NONE)
            for number, name in enumerate(names)
        ),
        cameras=tuple(
            Camera(
                name=f"{name}-cam-{camera + 1}",
                line=name,
                station=f"station-{camera + 1}",
                source=Source(kind="simulated", product="washer", seed=1),
            )
            for name in names
            for camera in range(CAMERAS)
        ),
        channels=(),
    )
    lines.create_missing(connection, site, at=plan.begins_at, by=_AUTHOR)
    for name in names:
        for version, value in enumerate(THRESHOLDS):
            thresholds.set_threshold(
                connection,
                Scope(line=name),
                value,
                at=plan.begins_at + version * (plan.ends_at - plan.begins_at) / 2,
                by=_AUTHOR,
                reason="first" if version == 0 else "too many escapes",
            )
    connection.execute(update(tables.thresholds).values(effective_at=tables.thresholds.c.set_at))


def _place(connection: Connection) -> Place:
    stations, cameras = tables.stations.c, tables.cameras.c
    rows = connection.execute(
        select(cameras.id, cameras.station_id, stations.line_id)
        .join(tables.stations, stations.id == cameras.station_id)
        .order_by(cameras.name)
    ).all()
    threshold = tables.thresholds.c
    versions = select(threshold.line_id, threshold.id).order_by(
        threshold.line_id, threshold.version
    )
    by_line: dict[int, list[int | None]] = {}
    for one in connection.execute(versions):
        by_line.setdefault(one.line_id, [None]).append(one.id)
    sources = [
        ScoreSource(
            line_id=row.line_id,
            station_id=row.station_id,
            camera_id=row.id,
            product=product_name(number // CAMERAS, turn),
            checkpoint_hash=checkpoint,
            reference_hash=None,
            threshold_id=threshold_id,
        )
        for number, row in enumerate(rows)
        for turn in range(PRODUCTS)
        for checkpoint in CHECKPOINTS
        for threshold_id in by_line[row.line_id]
    ]
    ids = histograms.source_ids(connection, sources)
    last_id = connection.scalar(select(func.max(tables.ledger.c.id))) or 0
    return Place(
        first_id=last_id + 1,
        lines=np.array([row.line_id for row in rows[::CAMERAS]]),
        stations=np.reshape([row.station_id for row in rows], (LINES, CAMERAS)),
        cameras=np.reshape([row.id for row in rows], (LINES, CAMERAS)),
        thresholds=np.array([by_line[row.line_id][1:] for row in rows[::CAMERAS]]),
        sources=np.reshape(
            [ids[source] for source in sources],
            (LINES, CAMERAS, PRODUCTS, len(CHECKPOINTS), 1 + len(THRESHOLDS)),
        ),
    )


def _counts(*, is_sqlite: bool) -> Iterator[str]:
    """Make the statements that count rows as `ledger.record` would have."""
    yield (
        "INSERT INTO ledger_counts"
        " (camera_id, outcome, reason, is_repeated, recorded_count, removed_count)"
        " SELECT l.camera_id, outcome, coalesce(reason, verdict), is_repeated, count(*), 0"
        " FROM ledger l LEFT JOIN inspections i ON i.ledger_id = l.id"
        " GROUP BY l.camera_id, outcome, coalesce(reason, verdict), is_repeated"
    )
    yield (
        "INSERT INTO camera_accounts (camera_id, last_sequence_number, removed_up_to)"
        " SELECT camera_id, max(sequence_number), 0 FROM ledger GROUP BY camera_id"
    )
    yield (
        "INSERT INTO dead_letters (ledger_id, camera_id, sequence_number, captured_at, reason,"
        " detail, size_bytes, is_kept, dead_lettered_at, state)"
        " SELECT id, camera_id, sequence_number, captured_at, reason, detail, 0,"
        " false, recorded_at, 'waiting' FROM ledger WHERE outcome = 'uninspected'"
    )
    yield (
        "INSERT INTO evidence_gone"
        " (camera_id, gone, picture_count, picture_bytes, map_count, map_bytes)"
        " SELECT camera_id, map_gone, 0, 0, count(*), 0 FROM ledger"
        " WHERE map_gone IS NOT NULL GROUP BY camera_id, map_gone"
    )
    if not is_sqlite:
        yield "SELECT setval(pg_get_serial_sequence('ledger', 'id'), max(id)) FROM ledger"
    yield _HOURS.format(
        time="unixepoch(captured_at)" if is_sqlite else "extract(epoch FROM captured_at)",
        greatest="max" if is_sqlite else "greatest",
        least="min" if is_sqlite else "least",
    )
    yield (
        "INSERT INTO daily_scores (source_id, day, verdict, bin, row_count)"
        " SELECT source_id, hour / 24, verdict, bin, sum(row_count) FROM hourly_scores"
        " GROUP BY 1, 2, 3, 4"
    )
