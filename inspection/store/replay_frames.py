"""Frames of a line for a replay, as arrays: the database tells exposure and verdicts of each."""

from datetime import datetime
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    SmallInteger,
    Text,
    case,
    cast,
    func,
    literal_column,
    select,
    type_coerce,
)
from sqlalchemy.dialects.postgresql import aggregate_order_by

from inspection.domain.inspection import Verdict
from inspection.domain.what_if import Question
from inspection.store.rule_replays import NG, PENDING, Frames
from inspection.store.score_queries import Sources, judged_anew, of_sources, within
from inspection.store.score_tables import score_sources
from inspection.store.tables import inspections

#: Rows of an SQLite answer that are objects at a time.
_PAGE: Final = 20_000
#: How one verdict is told beside another.
_WIDTH: Final = 3
#: PostgreSQL's bytes of a row: exposure in microseconds since 2000, and verdicts.
_ROW: Final = np.dtype([("at", ">i8"), ("code", ">i2")])
_YEAR_2000: Final = np.datetime64("2000-01-01", "us").astype(np.int64)

#: Frames by the verdicts there are, and by those of the question.
BeforeAfter = tuple[Frames, Frames]


class FrameReader:
    """The frames of a question's line."""

    def __init__(self, connection: Connection, question: Question, sources: Sources) -> None:
        self._connection = connection
        self._question = question
        self._sources = sources
        codes = {Verdict.OK: 0, Verdict.NG: NG, Verdict.PENDING: PENDING}
        before = case(
            {verdict.value: code for verdict, code in codes.items() if code},
            value=inspections.c.verdict,
            else_=0,
        )
        self._code = _WIDTH * before + judged_anew(question, sources, codes, before)

    def all(self, from_at: datetime, to_at: datetime, passed_count: int) -> BeforeAfter:
        """Return those of a period.

        Args:
            from_at: exposures from here on.
            to_at: exposures before.
            passed_count: how many there are before.
        """
        of_line = inspections.c.line_id == self._sources.line_id
        return _told(*self._read(within(from_at, to_at), of_line), passed_count)

    def ng(self, from_at: datetime, to_at: datetime) -> BeforeAfter:
        """Return those of a period that are NG, or would be, as the index of scores has them."""
        row, value = inspections.c, self._question.limit.value
        of_line = select(score_sources.c.id).where(score_sources.c.line_id == self._sources.line_id)
        chosen: list[tuple[ColumnElement[bool], ColumnElement[bool]]] = []
        chosen.append((row.source_id.in_(of_line), row.verdict == Verdict.NG.value))
        if value is not None:
            others = row.verdict.in_((Verdict.OK.value, Verdict.PENDING.value))
            chosen.append((of_sources(self._sources.judged), others & (row.score > value)))
        read = [self._read(within(from_at, to_at), *each, is_ordered=False) for each in chosen]
        at, code = (np.concatenate(arrays) for arrays in zip(*read, strict=True))
        order = np.argsort(at, kind="stable")
        return _told(at[order], code[order], 0)

    def _read(
        self, *conditions: ColumnElement[bool], is_ordered: bool = True
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int16]]:
        row = inspections.c
        order = (row.captured_at, row.ledger_id) if is_ordered else ()
        if self._connection.dialect.name == "sqlite":
            # As SQLite writes it: to make a time of each text takes longer than all the rest.
            columns = (type_coerce(row.captured_at, Text), self._code)
            return _paged(self._connection, select(*columns).where(*conditions).order_by(*order))
        bytes_ = func.timestamptz_send(row.captured_at).op("||")(
            func.int2send(cast(self._code, SmallInteger))
        )
        nothing: ColumnElement[Any] = literal_column("''::bytea")
        rows = func.string_agg(bytes_, aggregate_order_by(nothing, *order) if order else nothing)
        found: Any = self._connection.scalar(select(rows).where(*conditions))
        table = np.frombuffer(found or b"", _ROW)
        return table["at"].astype(np.int64) + _YEAR_2000, table["code"].astype(np.int16)


def _paged(
    connection: Connection, statement: Select[*tuple[Any, ...]]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int16]]:
    at: list[npt.NDArray[np.int64]] = [np.empty(0, np.int64)]
    code: list[npt.NDArray[np.int16]] = [np.empty(0, np.int16)]
    result = connection.execute(statement)
    while page := result.cursor.fetchmany(_PAGE):
        texts, codes = zip(*page, strict=True)
        at.append(np.array(texts, "datetime64[us]").astype(np.int64))
        code.append(np.fromiter(codes, np.int16, len(codes)))
    result.close()
    return np.concatenate(at), np.concatenate(code)


def _told(at: npt.NDArray[np.int64], code: npt.NDArray[np.int16], passed_count: int) -> BeforeAfter:
    before, after = np.divmod(code, _WIDTH)
    return (
        Frames(at=at, verdict=before, passed_count=passed_count),
        Frames(at=at, verdict=after, passed_count=passed_count),
    )
