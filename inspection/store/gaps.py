"""Gaps: the sequence numbers of a camera that have no row in the ledger, as ranges."""

from collections.abc import Collection, Iterable, Sequence

from sqlalchemy import Connection, delete, func, insert, select

from inspection.store.ledger_tables import ledger_gaps
from inspection.store.tables import ledger


def between(connection: Connection, camera_id: int, *, after: int, up_to: int) -> list[range]:
    """Return the numbers greater than `after`, up to `up_to`, that have no row, ascending."""
    number = ledger.c.sequence_number
    rows = (
        select(
            number.label("number"),
            func.lag(number, 1, after).over(order_by=number).label("previous"),
        )
        .where(ledger.c.camera_id == camera_id, number > after, number <= up_to)
        .subquery()
    )
    jumps = select(rows).where(rows.c.number > rows.c.previous + 1).order_by(rows.c.number)
    found = [range(row.previous + 1, row.number) for row in connection.execute(jumps)]
    last = connection.scalar(select(func.max(rows.c.number)))
    end = range((after if last is None else last) + 1, up_to + 1)
    return [*found, end] if end else found


def noted(connection: Connection, camera_id: int) -> list[range]:
    """Return the gaps that were written down when the rows around them were removed."""
    gaps = ledger_gaps.c
    statement = (
        select(gaps.first_number, gaps.last_number)
        .where(gaps.camera_id == camera_id)
        .order_by(gaps.first_number)
    )
    return [range(row.first_number, row.last_number + 1) for row in connection.execute(statement)]


def note(connection: Connection, camera_id: int, gaps: Iterable[range]) -> None:
    """Write gaps down, before the rows around them are removed."""
    rows = [
        {"camera_id": camera_id, "first_number": gap.start, "last_number": gap.stop - 1}
        for gap in gaps
    ]
    if rows:
        connection.execute(insert(ledger_gaps), rows)


def close(connection: Connection, camera_id: int, numbers: Collection[int]) -> None:
    """Take numbers that have got their rows after all out of the gaps that are written down."""
    for gap in noted(connection, camera_id):
        rest = without([gap], numbers)
        if rest == [gap]:
            continue
        connection.execute(
            delete(ledger_gaps).where(
                ledger_gaps.c.camera_id == camera_id, ledger_gaps.c.first_number == gap.start
            )
        )
        note(connection, camera_id, rest)


def without(gaps: Sequence[range], numbers: Collection[int]) -> list[range]:
    """Return the gaps less `numbers`."""
    left: list[range] = []
    for gap in gaps:
        start = gap.start
        for number in sorted(number for number in numbers if number in gap):
            left.append(range(start, number))
            start = number + 1
        left.append(range(start, gap.stop))
    return [gap for gap in left if gap]
