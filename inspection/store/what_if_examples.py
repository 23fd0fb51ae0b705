"""Examples of a what-if question: the frames that would flip, nearest to the limit on each side."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Row, select, union_all

from inspection.domain.inspection import Verdict
from inspection.domain.what_if import Move, Question
from inspection.store.score_queries import Sources, sources_of, within
from inspection.store.tables import cameras, inspections, is_of_ledger, ledger

#: Questions in one statement; SQLite takes 500.
_AT_ONCE: Final = 100


@dataclass(frozen=True, kw_only=True)
class Example:
    """A frame that would flip."""

    inspection_id: int
    frame_id: str
    captured_at: datetime
    product: str | None
    part_serial: str | None
    score: float
    before: Verdict
    after: Verdict
    #: Of its score from the limit; never negative.
    distance: float
    #: Whether its picture is kept.
    has_picture: bool


def examples(connection: Connection, question: Question, *, limit: int) -> list[Example]:
    """Return the frames that would flip whose scores are next to the limit.

    Returns:
        At most `limit` that would be NG, the nearest first, then as many that would be OK.

    Raises:
        NotFoundError: there is no such line, station or camera.
        ConfigurationError: the product has no name.
    """
    sources = sources_of(connection, question)
    found: list[Example] = []
    for after in (Verdict.NG, Verdict.OK):
        others = [verdict for verdict in Verdict if verdict is not after]
        near = _nearest(connection, question, sources, [(v, after) for v in others], limit)
        found += _shown(connection, question, near, after)
    return found


def _nearest(
    connection: Connection,
    question: Question,
    sources: Sources,
    moves: Sequence[Move],
    limit: int,
) -> list[int]:
    """Return the ids of the nearest frames; each source and verdict is asked by itself.

    So each question reads as many rows as it returns, from one end of a range of the index.
    """
    row, value = inspections.c, question.limit.value
    near: list[tuple[float, int]] = []
    wanted = [(source, *move) for source in sorted(sources.judged) for move in moves]
    for start in range(0, len(wanted), _AT_ONCE):
        selects = []
        for source, before, after in wanted[start : start + _AT_ONCE]:
            is_ng = after is Verdict.NG
            is_beyond: ColumnElement[bool] = row.score > value if is_ng else row.score <= value
            keys = (row.score, row.captured_at, row.ledger_id)
            order = keys if is_ng else tuple(key.desc() for key in keys)
            chosen = (
                select(row.ledger_id, row.score)
                .where(
                    row.source_id == source,
                    row.verdict == before.value,
                    is_beyond,
                    within(question.from_at, question.to_at),
                )
                .order_by(*order)
                .limit(limit)
                .subquery()
            )
            selects.append(select(chosen.c.ledger_id, chosen.c.score))
        rows = connection.execute(union_all(*selects))
        near += [(abs(each.score - (value or 0.0)), each.ledger_id) for each in rows]
    return [ledger_id for _, ledger_id in sorted(near)[:limit]]


def _shown(
    connection: Connection, question: Question, ledger_ids: Sequence[int], after: Verdict
) -> list[Example]:
    row = inspections.c
    statement = (
        select(
            row.ledger_id,
            row.captured_at,
            row.product,
            row.part_serial,
            row.score,
            row.verdict,
            cameras.c.name.label("camera"),
            ledger.c.sequence_number,
            ledger.c.picture_sha256,
        )
        .join_from(inspections, ledger, is_of_ledger(inspections))
        .join(cameras, cameras.c.id == row.camera_id)
        .where(row.ledger_id.in_(ledger_ids), within(question.from_at, question.to_at))
    )
    rows = {each.ledger_id: each for each in connection.execute(statement)}
    return [_example(rows[each], question.limit.value or 0.0, after) for each in ledger_ids]


def _example(row: Row[*tuple[Any, ...]], value: float, after: Verdict) -> Example:
    return Example(
        inspection_id=row.ledger_id,
        frame_id=f"{row.camera}/{row.sequence_number}",
        captured_at=row.captured_at,
        product=row.product,
        part_serial=row.part_serial,
        score=row.score,
        before=Verdict(row.verdict),
        after=after,
        distance=abs(row.score - value),
        has_picture=row.picture_sha256 is not None,
    )
