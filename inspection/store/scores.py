"""What rules look at that no single frame shows: shares of NG parts, and runs of scores."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection, func, select

from inspection.domain.inspection import Verdict
from inspection.store.tables import cameras, inspections, stations

#: Of the NG parts of a window, so many newest ones are named.
NAMED_LIMIT: Final = 1_000


@dataclass(frozen=True, kw_only=True)
class Share:
    """How many of the judged parts of a window are NG."""

    ng_count: int
    judged_count: int


@dataclass(frozen=True, kw_only=True)
class Run:
    """The newest scores of a camera that may be compared with each other."""

    camera: str
    #: Ledger id of the newest.
    ledger_id: int
    #: The oldest first.
    scores: list[float]


def window_end(connection: Connection, line_id: int, now: datetime) -> datetime | None:
    """Return the newest exposure of a line that is not in the future; None without any.

    A line that stands still is judged by its last parts; a clock that ran ahead is passed over.
    """
    row = inspections.c
    return connection.scalar(
        select(row.captured_at)
        .where(row.line_id == line_id, row.captured_at <= now)
        .order_by(row.captured_at.desc(), row.ledger_id.desc())
        .limit(1)
    )


def share(connection: Connection, line_id: int, *, end_at: datetime, window_s: float) -> Share:
    """Count the judged parts of the window that ends with `end_at`, and the NG ones among them."""
    row = inspections.c
    counted = connection.execute(
        select(
            func.count().filter(row.verdict == Verdict.NG.value),
            func.count().filter(row.verdict != Verdict.PENDING.value),
        ).where(
            row.line_id == line_id,
            row.captured_at > end_at - timedelta(seconds=window_s),
            row.captured_at <= end_at,
        )
    ).one()
    return Share(ng_count=counted[0], judged_count=counted[1])


def newest_ng(
    connection: Connection, line_id: int, *, end_at: datetime, window_s: float
) -> list[int]:
    """Return the ledger ids of the newest NG parts of that window, `NAMED_LIMIT` at most."""
    row = inspections.c
    return list(
        connection.scalars(
            select(row.ledger_id)
            .where(
                row.line_id == line_id,
                row.verdict == Verdict.NG.value,
                row.captured_at > end_at - timedelta(seconds=window_s),
                row.captured_at <= end_at,
            )
            .order_by(row.captured_at.desc(), row.ledger_id.desc())
            .limit(NAMED_LIMIT)
        )
    )


def runs(connection: Connection, line_id: int, *, n: int) -> list[Run]:
    """Return for each camera of a line its newest scores, at most n, as far back as they compare.

    Scores compare that are of one product and were made with one checkpoint and reference.
    """
    row = inspections.c
    compared = (row.product, row.checkpoint_hash, row.reference_hash)
    found: list[Run] = []
    for camera in connection.execute(
        select(cameras.c.id, cameras.c.name)
        .join(stations, stations.c.id == cameras.c.station_id)
        .where(stations.c.line_id == line_id)
        .order_by(cameras.c.name)
    ).all():
        newest_first = connection.execute(
            select(row.ledger_id, row.score, *compared)
            .where(row.camera_id == camera.id)
            .order_by(row.captured_at.desc(), row.ledger_id.desc())
            .limit(n)
        ).all()
        scores: list[float] = []
        for each in newest_first:
            if each[2:] != newest_first[0][2:]:
                break
            scores.append(each.score)
        if scores:
            newest = newest_first[0].ledger_id
            found.append(Run(camera=camera.name, ledger_id=newest, scores=scores[::-1]))
    return found
