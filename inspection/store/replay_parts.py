"""Parts of a what-if question: the worst of their frames' verdicts, before and after.

The database puts the frames of each part together. Without a serial number a frame is a part.
"""

from collections import Counter
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    and_,
    case,
    func,
    select,
    text,
)

from inspection.domain.inspection import Verdict
from inspection.domain.ledger import Outcome
from inspection.domain.what_if import PART_VERDICTS, Question
from inspection.store.score_queries import Sources, judged_anew, within
from inspection.store.tables import inspections, ledger

#: By how bad it is.
_RANKS: Final = {verdict: rank for rank, verdict in enumerate(PART_VERDICTS)}
_UNINSPECTED: Final = _RANKS["uninspected"]
#: PostgreSQL's memory for putting parts together; without it most of a million goes by the disk.
_MEMORY: Final = text("SELECT set_config('work_mem', '64MB', true)")

#: Ranks before and after.
_Move = tuple[int, int]


def count_parts(
    connection: Connection, question: Question, sources: Sources
) -> dict[tuple[str, str], int]:
    """Count the parts of a line by their verdicts before and after, of `PART_VERDICTS`."""
    if connection.dialect.name != "sqlite":
        connection.execute(_MEMORY)
    asked = _Parts(question, sources)
    counts = asked.inspected(connection)
    asked.add_uninspected(connection, counts)
    return {
        (PART_VERDICTS[before], PART_VERDICTS[after]): count
        for (before, after), count in counts.items()
        if count
    }


class _Parts:
    """The frames of a line in a period, and what is made of them."""

    def __init__(self, question: Question, sources: Sources) -> None:
        row = inspections.c
        self._before = _rank(row.verdict)
        ranks = {verdict: _RANKS[verdict.value] for verdict in Verdict}
        self._after = judged_anew(question, sources, ranks, self._before)
        self._is_in_period = within(question.from_at, question.to_at)
        self._line_id = sources.line_id
        self._is_inspected = and_(row.line_id == self._line_id, self._is_in_period)
        self._is_uninspected = and_(
            ledger.c.line_id == sources.line_id,
            # As the index says it.
            ledger.c.outcome != Outcome.INSPECTED.value,
            ledger.c.outcome == Outcome.UNINSPECTED.value,
            ledger.c.captured_at >= question.from_at,
            ledger.c.captured_at < question.to_at,
        )

    def inspected(self, connection: Connection) -> Counter[_Move]:
        """Count parts by the verdicts of their inspections alone."""
        row = inspections.c
        part = (
            select(
                row.part_serial.is_(None).label("is_single"),
                func.max(self._before).label("before"),
                func.max(self._after).label("after"),
            )
            .where(self._is_inspected)
            .group_by(row.part_serial)
            .subquery()
        )
        counts: Counter[_Move] = Counter()
        has_single = False
        for each in connection.execute(_counted(part.c.before, part.c.after, part.c.is_single)):
            has_single = has_single or each.is_single
            counts[each.before, each.after] += 0 if each.is_single else each.total
        if has_single:
            singles = _counted(self._before, self._after)
            is_single = and_(self._is_inspected, row.part_serial.is_(None))
            for each in connection.execute(singles.where(is_single)):
                counts[each.before, each.after] += each.total
        return counts

    def add_uninspected(self, connection: Connection, counts: Counter[_Move]) -> None:
        """Add the frames that were not inspected to the parts that they are of."""
        is_single = ledger.c.part_serial.is_(None)
        singles = select(func.count()).select_from(ledger).where(self._is_uninspected, is_single)
        counts[_UNINSPECTED, _UNINSPECTED] += connection.scalar(singles) or 0
        serials = select(ledger.c.part_serial).where(self._is_uninspected, ~is_single)
        serial = serials.distinct().subquery().c.part_serial
        row = inspections.c
        # The sum keeps SQLite from going through the line once for each of them.
        is_of_line = row.line_id + 0 == self._line_id
        is_of_part = and_(row.part_serial == serial, is_of_line, self._is_in_period)
        part = (
            select(func.max(self._before).label("before"), func.max(self._after).label("after"))
            .select_from(serial.table.outerjoin(inspections, is_of_part))
            .group_by(serial)
            .subquery()
        )
        for each in connection.execute(_counted(part.c.before, part.c.after)):
            if each.before is not None:
                counts[each.before, each.after] -= each.total
            worst = (max(each.before or 0, _UNINSPECTED), max(each.after or 0, _UNINSPECTED))
            counts[worst] += each.total


def _counted(
    before: ColumnElement[Any], after: ColumnElement[Any], *others: ColumnElement[Any]
) -> Select[*tuple[Any, ...]]:
    columns = (before.label("before"), after.label("after"), *others)
    statement = select(*columns, func.count().label("total"))
    return statement.group_by("before", "after", *others)


def _rank(verdict: ColumnElement[Any]) -> ColumnElement[int]:
    ranks = {name: rank for name, rank in _RANKS.items() if name in ("NG", "pending")}
    return case(ranks, value=verdict, else_=_RANKS["OK"])
