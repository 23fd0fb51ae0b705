"""Frames of a line for a replay, as arrays: the database tells exposure and verdicts of each."""

import functools
from datetime import datetime
from typing import Any, Final

import numpy as np
from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    SmallInteger,
    Text,
    and_,
    case,
    cast,
    false,
    func,
    literal_column,
    select,
    type_coerce,
)
from sqlalchemy.dialects.postgresql import aggregate_order_by

from inspection.domain.inspection import Verdict
from inspection.domain.what_if import Question
from inspection.store.rule_replays import NG, PENDING, Frames, Numbers
from inspection.store.score_queries import Sources, judged_anew, of_sources, within
from inspection.store.score_tables import score_sources
from inspection.store.tables import inspections

#: Rows of an SQLite answer that are objects at a time.
_PAGE: Final = 20_000
#: How one verdict is told beside another.
_WIDTH: Final = 3
#: What is told of a row, and PostgreSQL's bytes of it; exposures in microseconds since 2000.
_TYPES: Final = {"at": ">i8", "id": ">i8", "code": ">i2"}
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
        row = inspections.c
        self._columns: dict[str, ColumnElement[Any]] = {
            # As SQLite writes it: to make a time of each text takes longer than all the rest.
            "at": type_coerce(row.captured_at, Text),
            "id": row.ledger_id,
            "code": _WIDTH * before + judged_anew(question, sources, codes, before),
        }

    def all(self, from_at: datetime, to_at: datetime, passed_count: int) -> BeforeAfter:
        """Return those of a period.

        Nearly all of them are OK and stay so: what the others are the index of scores knows.

        Args:
            from_at: exposures from here on.
            to_at: exposures before.
            passed_count: how many there are before.
        """
        row, period = inspections.c, within(from_at, to_at)
        of_line = row.line_id == self._sources.line_id
        order = (row.captured_at, row.ledger_id)
        at, ids = self._read(("at", "id"), of_line, period, order=order)
        code = np.zeros(len(at), np.int64)
        by_id = np.argsort(ids)
        chosen = [
            (self._is_known(), row.verdict.in_((Verdict.NG.value, Verdict.PENDING.value))),
            (of_sources(self._sources.pending), row.verdict == Verdict.OK.value),
            (self._becomes_ng(),),
        ]
        for conditions in chosen:
            some, codes = self._read(("id", "code"), *conditions, period)
            code[by_id[np.searchsorted(ids, some, sorter=by_id)]] = codes
        return _told(at, code, passed_count)

    def ng(self, from_at: datetime, to_at: datetime) -> BeforeAfter:
        """Return those of a period that are NG, or would be, as the index of scores has them."""
        period, is_ng = within(from_at, to_at), inspections.c.verdict == Verdict.NG.value
        chosen = [(self._is_known(), is_ng), (self._becomes_ng(),)]
        read = [self._read(("at", "code"), *each, period) for each in chosen]
        at, code = (np.concatenate(arrays) for arrays in zip(*read, strict=True))
        order = np.argsort(at, kind="stable")
        return _told(at[order], code[order], 0)

    def _is_known(self) -> ColumnElement[bool]:
        """Make the condition that an inspection is of the line."""
        ids = select(score_sources.c.id).where(score_sources.c.line_id == self._sources.line_id)
        return inspections.c.source_id.in_(ids)

    def _becomes_ng(self) -> ColumnElement[bool]:
        row, value = inspections.c, self._question.limit.value
        if value is None:
            return false()
        others = row.verdict.in_((Verdict.OK.value, Verdict.PENDING.value))
        return and_(of_sources(self._sources.judged), others, row.score > value)

    def _read(
        self,
        names: tuple[str, ...],
        *conditions: ColumnElement[bool],
        order: tuple[ColumnElement[Any], ...] = (),
    ) -> list[Numbers]:
        columns = [self._columns[name] for name in names]
        if self._connection.dialect.name == "sqlite":
            return _paged(self._connection, names, select(*columns).where(*conditions), order)
        sent = map(_sent, names, columns)
        bytes_ = functools.reduce(lambda some, more: some.op("||")(more), sent)
        nothing: ColumnElement[Any] = literal_column("''::bytea")
        rows = func.string_agg(bytes_, aggregate_order_by(nothing, *order) if order else nothing)
        found: Any = self._connection.scalar(select(rows).where(*conditions))
        table = np.frombuffer(found or b"", [(name, _TYPES[name]) for name in names])
        return [table[name].astype(np.int64) + _YEAR_2000 * (name == "at") for name in names]


def _sent(name: str, column: ColumnElement[Any]) -> ColumnElement[Any]:
    """Make the bytes in which PostgreSQL sends a value."""
    if name == "code":
        return func.int2send(cast(column, SmallInteger))
    return func.timestamptz_send(column) if name == "at" else func.int8send(column)


def _paged(
    connection: Connection,
    names: tuple[str, ...],
    statement: Select[*tuple[Any, ...]],
    order: tuple[ColumnElement[Any], ...],
) -> list[Numbers]:
    pages = [[np.empty(0, np.int64)] for _ in names]
    result = connection.execute(statement.order_by(*order))
    while page := result.cursor.fetchmany(_PAGE):
        for place, name in enumerate(names):
            type_ = "datetime64[us]" if name == "at" else np.int64
            # Not by `zip(*page)`, which makes as many iterators as there are rows.
            values = np.array([row[place] for row in page], type_)
            pages[place].append(values.astype(np.int64))
    result.close()
    return [np.concatenate(known) for known in pages]


def _told(at: Numbers, code: Numbers, passed_count: int) -> BeforeAfter:
    before, after = np.divmod(code, _WIDTH)
    return (
        Frames(at=at, verdict=before, passed_count=passed_count),
        Frames(at=at, verdict=after, passed_count=passed_count),
    )
