"""Frames that count as good and whose pictures are kept: what references are made of.

Good is what was found OK, and what nobody could judge yet: pending frames, and those uninspected
for want of a reference. NG frames never count.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, func, not_, or_, select

from inspection.domain.frame import FrameIdentity
from inspection.domain.inspection import Verdict
from inspection.domain.ledger import Picture, Reason
from inspection.domain.recipe import GENERAL_PRODUCT
from inspection.domain.reference import ReferencePlace
from inspection.store import tables


@dataclass(frozen=True, kw_only=True)
class GoodFrame:
    """A frame that counts as good."""

    #: Rows are numbered as they are recorded.
    ledger_id: int
    identity: FrameIdentity
    #: Where it was taken and what is on it.
    place: ReferencePlace
    picture: Picture


def last_good_frames(
    connection: Connection, place: ReferencePlace, count: int, *, is_judged: bool
) -> list[GoodFrame]:
    """Return the last `count` good frames of a place, the newest first.

    Args:
        connection: an open transaction.
        place: line, station and product.
        count: how many at most.
        is_judged: only those found OK.
    """
    good = tables.inspections.c.verdict == Verdict.OK.value if is_judged else _is_good()
    statement = _selected().where(good, _is_at(place)).order_by(tables.ledger.c.id.desc())
    return [_good_frame(row) for row in connection.execute(statement.limit(count))]


def next_good_frames(
    connection: Connection,
    lines: Collection[str],
    *,
    after: int,
    without: Collection[ReferencePlace] = (),
    limit: int,
) -> tuple[list[GoodFrame], int]:
    """Return the next good frames of some lines in the order they were recorded.

    Of several who record at once, one may come too late to be seen: for learning no harm.

    Args:
        connection: of a `Database.read`.
        lines: their names.
        after: position up to which everything has been seen; 0 at the beginning.
        without: places to pass over.
        limit: how many at most.

    Returns:
        The frames, and the position up to which everything has been seen with them.
    """
    newest = connection.scalar(select(func.max(tables.ledger.c.id))) or 0
    if newest <= after:
        return [], after
    statement = (
        _selected()
        .where(tables.ledger.c.id > after, tables.lines.c.name.in_(sorted(lines)), _is_good())
        .where(*(not_(_is_at(place)) for place in sorted(without)))
        .order_by(tables.ledger.c.id)
        .limit(limit)
    )
    frames = [_good_frame(row) for row in connection.execute(statement)]
    return frames, frames[-1].ledger_id if len(frames) == limit else newest


def _is_good() -> ColumnElement[bool]:
    return or_(
        tables.inspections.c.verdict.in_([Verdict.OK.value, Verdict.PENDING.value]),
        and_(tables.inspections.c.ledger_id.is_(None), tables.ledger.c.reason == Reason.REFERENCE),
    )


def _is_at(place: ReferencePlace) -> ColumnElement[bool]:
    return and_(
        tables.lines.c.name == place.line,
        tables.stations.c.name == place.station,
        func.coalesce(tables.ledger.c.product, GENERAL_PRODUCT) == place.product,
    )


def _selected() -> Select[*tuple[Any, ...]]:
    ledger = tables.ledger.c
    return (
        select(
            ledger.id,
            ledger.sequence_number,
            ledger.captured_at,
            ledger.picture_sha256,
            ledger.picture_media_type,
            ledger.picture_size_bytes,
            func.coalesce(ledger.product, GENERAL_PRODUCT).label("product"),
            tables.cameras.c.name.label("camera"),
            tables.stations.c.name.label("station"),
            tables.lines.c.name.label("line"),
        )
        .join_from(tables.ledger, tables.cameras, tables.cameras.c.id == ledger.camera_id)
        .join(tables.stations, tables.stations.c.id == ledger.station_id)
        .join(tables.lines, tables.lines.c.id == ledger.line_id)
        .outerjoin(tables.inspections, tables.is_of_ledger(tables.inspections))
        .where(ledger.picture_sha256.is_not(None))
    )


def _good_frame(row: Row[*tuple[Any, ...]]) -> GoodFrame:
    return GoodFrame(
        ledger_id=row.id,
        identity=FrameIdentity(
            camera=row.camera, sequence_number=row.sequence_number, captured_at=row.captured_at
        ),
        place=ReferencePlace(line=row.line, station=row.station, product=row.product),
        picture=Picture(
            sha256=row.picture_sha256,
            media_type=row.picture_media_type,
            size_bytes=row.picture_size_bytes,
        ),
    )
