"""Reviews: writing down what people decided, and finding it again.

A review is about an inspection. A frame that could not be judged has no verdict to confirm or to
contradict; it is settled as a dead letter. Reviews are never changed: who thinks better of it adds
another, and the newest counts.
"""

import operator
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    RowMapping,
    Select,
    and_,
    insert,
    select,
    update,
)

from inspection.domain.evidence import KeepClass
from inspection.domain.inspection import Verdict
from inspection.domain.review import BULK_COUNT, Decision, NewReview, Review
from inspection.errors import ConfigurationError, NotFoundError
from inspection.store import evidence, tables
from inspection.store.audit import Change, add_change
from inspection.store.cameras import camera_id
from inspection.store.lines import line_id
from inspection.store.review_tables import reviews


@dataclass(frozen=True, kw_only=True)
class ReviewQuery:
    """Which reviews to show; None takes all."""

    inspection_id: int | None = None
    line: str | None = None
    camera: str | None = None
    decision: Decision | None = None
    reviewed_by: str | None = None
    #: Only those that contradict the verdict, or only those that do not.
    is_override: bool | None = None
    #: Reviewed from this moment on …
    from_at: datetime | None = None
    #: … and before this one.
    to_at: datetime | None = None
    #: `review_id` of the last one already shown; older ones follow.
    before: int | None = None
    limit: int = 50


def add_reviews(
    connection: Connection, inspection_ids: Collection[int], new: NewReview
) -> list[Review]:
    """Write down one decision about inspections; all of them, or none.

    1. Lock their rows in one order, so that the newest review is the one they name.
    2. Add the reviews, name the decision on the inspections, and write both down in the audit.
    3. Last move what is kept of them to the class of evidence that goes last.

    Args:
        connection: inside a transaction of `Database.write`.
        inspection_ids: 1 to `BULK_COUNT`.
        new: the decision.

    Raises:
        ConfigurationError: there are none, or too many.
        NotFoundError: one of them is no inspection; nothing was written.
    """
    ids = sorted(set(inspection_ids))
    if not 1 <= len(ids) <= BULK_COUNT:
        raise ConfigurationError(f"decide about 1 to {BULK_COUNT} inspections at once")
    times = sorted({row["captured_at"] for row in _found(connection, ids).values()})
    ledger, inspection = tables.ledger.c, tables.inspections.c
    # The times say in which partitions they are.
    is_row = and_(ledger.id.in_(ids), ledger.captured_at.in_(times))
    connection.execute(select(ledger.id).where(is_row).order_by(ledger.id).with_for_update())
    found = _found(connection, ids)
    values = [_values(found[inspection_id], new) for inspection_id in ids]
    added = connection.scalars(
        insert(reviews).returning(reviews.c.id, sort_by_parameter_order=True), values
    ).all()
    connection.execute(
        update(tables.inspections)
        .where(inspection.ledger_id.in_(ids), inspection.captured_at.in_(times))
        .values(review=new.decision.value)
    )
    for inspection_id in ids:
        add_change(connection, _change(inspection_id, found[inspection_id]["review"], new))
    evidence.reclass(connection, is_row, KeepClass.REVIEWED)
    rows = connection.execute(_selected().where(reviews.c.id.in_(added)).order_by(reviews.c.id))
    return [_review(row) for row in rows]


def list_reviews(connection: Connection, query: ReviewQuery) -> list[Review]:
    """Return reviews, the newest first.

    Raises:
        NotFoundError: there is no such line or camera.
    """
    statement = _selected().where(*_conditions(connection, query))
    rows = connection.execute(statement.order_by(reviews.c.id.desc()).limit(query.limit))
    return [_review(row) for row in rows]


def _conditions(connection: Connection, query: ReviewQuery) -> list[ColumnElement[bool]]:
    review = reviews.c
    conditions = [
        compare(column, value)
        for column, compare, value in (
            (review.ledger_id, operator.eq, query.inspection_id),
            (review.reviewed_by, operator.eq, query.reviewed_by),
            (review.decision, operator.eq, query.decision),
            (review.reviewed_at, operator.ge, query.from_at),
            (review.reviewed_at, operator.lt, query.to_at),
            (review.id, operator.lt, query.before),
        )
        if value is not None
    ]
    if query.line is not None:
        conditions.append(review.line_id == line_id(connection, query.line))
    if query.camera is not None:
        conditions.append(review.camera_id == camera_id(connection, query.camera))
    if query.is_override is not None:
        contradicts = (review.verdict + review.decision).in_(["OKNG", "NGOK"])
        conditions.append(contradicts if query.is_override else ~contradicts)
    return conditions


def _found(connection: Connection, ids: Sequence[int]) -> dict[int, RowMapping]:
    inspection = tables.inspections.c
    statement = select(
        inspection.ledger_id,
        inspection.captured_at,
        inspection.line_id,
        inspection.camera_id,
        inspection.product,
        inspection.score,
        inspection.verdict,
        inspection.threshold_id,
        inspection.review,
    )
    rows = connection.execute(statement.where(inspection.ledger_id.in_(ids))).mappings()
    found = {row["ledger_id"]: row for row in rows}
    for missing in sorted(set(ids) - found.keys()):
        raise NotFoundError(
            f"there is no inspection {missing}; a frame that was not inspected is settled with "
            "`inspection deadletter`"
        )
    return found


def _values(row: RowMapping, new: NewReview) -> dict[str, Any]:
    copied = {key: value for key, value in row.items() if key != "review"}
    return copied | {
        "decision": new.decision.value,
        "reviewed_at": new.at,
        "reviewed_by": new.by,
        "note": new.note,
    }


def _change(inspection_id: int, before: str | None, new: NewReview) -> Change:
    return Change(
        at=new.at,
        who=new.by,
        action="reviewed",
        thing="inspection",
        name=str(inspection_id),
        before=None if before is None else {"review": before},
        after={"review": new.decision.value, "note": new.note},
    )


def _selected() -> Select[*tuple[Any, ...]]:
    return (
        select(
            reviews,
            tables.lines.c.name.label("line"),
            tables.cameras.c.name.label("camera"),
            tables.thresholds.c.version.label("threshold_version"),
        )
        .join(tables.lines, tables.lines.c.id == reviews.c.line_id)
        .join(tables.cameras, tables.cameras.c.id == reviews.c.camera_id)
        .outerjoin(tables.thresholds, tables.thresholds.c.id == reviews.c.threshold_id)
    )


def _review(row: Row[*tuple[Any, ...]]) -> Review:
    return Review(
        review_id=row.id,
        inspection_id=row.ledger_id,
        captured_at=row.captured_at,
        line=row.line,
        camera=row.camera,
        product=row.product,
        decision=Decision(row.decision),
        reviewed_at=row.reviewed_at,
        reviewed_by=row.reviewed_by,
        note=row.note,
        score=row.score,
        verdict=Verdict(row.verdict),
        threshold_version=row.threshold_version,
    )
