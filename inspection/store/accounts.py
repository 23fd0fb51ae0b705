"""Accounts: what the ledger adds up to per camera, kept beside it so that nobody has to count.

The counters change in the transaction that adds, moves or removes rows, while the camera's row is
locked; `inspection db verify` counts the rows all the same and compares.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    Table,
    and_,
    bindparam,
    case,
    func,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from inspection.domain.ledger import Account, Outcome
from inspection.store import gaps
from inspection.store.bulk import execute_many
from inspection.store.kinds import Kind, by_kind, by_reason, counted, key_of
from inspection.store.ledger_tables import camera_accounts, ledger_counts
from inspection.store.partitions import Week
from inspection.store.tables import cameras, inspections, ledger


@dataclass(frozen=True, kw_only=True)
class Removal:
    """How far retention has come with one camera."""

    #: Every number up to this one has or had a row, but for the gaps that are written down.
    up_to: int = 0
    #: Newest exposure whose row was removed; None when none was.
    until_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Counters:
    """What the ledger of one camera adds up to."""

    last_sequence_number: int = 0
    removal: Removal = Removal()
    #: Rows by kind, those that retention has removed included.
    recorded: Mapping[Kind, int] = field(default_factory=Counter)
    #: Rows that retention has removed.
    removed: Mapping[Kind, int] = field(default_factory=Counter)

    @property
    def removed_count(self) -> int:
        """Rows that retention has removed."""
        return sum(self.removed.values())

    @property
    def verdicts(self) -> dict[str, int]:
        """Inspected frames by verdict."""
        return by_reason(self.recorded, Outcome.INSPECTED)


def counters(connection: Connection, camera_id: int) -> Counters:
    """Return the counters of a camera."""
    end = connection.execute(
        select(camera_accounts).where(camera_accounts.c.camera_id == camera_id)
    ).one_or_none()
    if end is None:
        return Counters()
    recorded: Counter[Kind] = Counter()
    removed: Counter[Kind] = Counter()
    for row in connection.execute(
        select(ledger_counts).where(ledger_counts.c.camera_id == camera_id)
    ):
        kind = (Outcome(row.outcome), row.reason, row.is_repeated)
        recorded[kind], removed[kind] = row.recorded_count, row.removed_count
    return Counters(
        last_sequence_number=end.last_sequence_number,
        removal=Removal(up_to=end.removed_up_to, until_at=end.removed_until_at),
        recorded=recorded,
        removed=removed,
    )


def removals(connection: Connection, camera_ids: Collection[int]) -> dict[int, Removal]:
    """Return how far retention has come, by camera."""
    account = camera_accounts.c
    columns = (account.camera_id, account.removed_up_to, account.removed_until_at)
    rows = connection.execute(select(*columns).where(account.camera_id.in_(list(camera_ids))))
    found = {
        row.camera_id: Removal(up_to=row.removed_up_to, until_at=row.removed_until_at)
        for row in rows
    }
    return {camera_id: found.get(camera_id, Removal()) for camera_id in camera_ids}


def last_sequence_numbers(connection: Connection, camera_ids: Collection[int]) -> dict[int, int]:
    """Return the highest sequence number that ever had a row, by camera that has any."""
    account = camera_accounts.c
    columns = (account.camera_id, account.last_sequence_number)
    rows = connection.execute(select(*columns).where(account.camera_id.in_(list(camera_ids))))
    return {row.camera_id: row.last_sequence_number for row in rows}


def row_counts(connection: Connection) -> tuple[int, int]:
    """Return how many rows were ever recorded, and how many of them retention has removed.

    Of all cameras together.
    """
    sums = select(func.sum(ledger_counts.c.recorded_count), func.sum(ledger_counts.c.removed_count))
    recorded_count, removed_count = connection.execute(sums).one()
    return int(recorded_count or 0), int(removed_count or 0)


def account_of(kinds: Mapping[Kind, int], *, up_to: int) -> Account:
    """Return the account of so many rows, with nothing in flight.

    Args:
        kinds: rows by kind.
        up_to: highest sequence number that counts.
    """
    repeated = sum(count for (_, _, is_repeated), count in kinds.items() if is_repeated)
    return Account(
        # A number that was given twice was given to two frames.
        accepted=up_to + repeated,
        inspected=sum(by_reason(kinds, Outcome.INSPECTED).values()),
        uninspected=by_reason(kinds, Outcome.UNINSPECTED),
        dropped=by_reason(kinds, Outcome.DROPPED),
    )


def beyond(connection: Connection, camera_id: int, number: int) -> Counter[Kind]:
    """Count the rows of the camera with a greater sequence number than `number`, by kind."""
    return counted(connection, ledger.c.camera_id == camera_id, ledger.c.sequence_number > number)


def recounted(connection: Connection, camera_id: int) -> Counter[Kind]:
    """Count every row of the camera, by kind: slow, and what the counters must agree with."""
    return counted(connection, ledger.c.camera_id == camera_id)


def note_recorded(
    connection: Connection, kinds: Mapping[tuple[int, Kind], int], last: Mapping[int, int]
) -> None:
    """Count rows that were added; their cameras are locked.

    Args:
        connection: the transaction that adds them.
        kinds: how many of each camera and kind.
        last: the highest sequence number among them, by camera.
    """
    if not kinds:
        return
    _add(connection, kinds)
    execute_many(
        connection,
        _raising(connection.dialect.name),
        [
            {"camera_id": camera_id, "last_sequence_number": number, "removed_up_to": 0}
            for camera_id, number in sorted(last.items())
        ],
    )


def note_moved(connection: Connection, camera_id: int, before: Kind, after: Kind) -> None:
    """Count a row of one kind as one of another; the camera is locked."""
    if before != after:
        _add(connection, {(camera_id, before): -1, (camera_id, after): 1})


def note_removed(connection: Connection, *is_chosen: ColumnElement[bool]) -> int:
    """Count rows as removed that the same transaction deletes afterwards; return how many.

    1. Lock their cameras, by ascending id as everybody does.
    2. Add them to what was removed of their kinds.
    3. Write down which numbers up to the highest of each camera never had a row: once the rows
       around it are gone, nothing else tells a missing frame from a removed one.

    Args:
        connection: inside a transaction of `Database.write`.
        is_chosen: conditions of the rows, of any cameras, none deleted yet. Oldest first, or the
            search for gaps goes over everything between.
    """
    _lock(connection, is_chosen)
    return _note(connection, connection.execute(_removals().where(*is_chosen)).all())


def note_week_removed(connection: Connection, week: Week) -> int:
    """Count all rows of a week as removed, like `note_removed`; nobody else may write to it.

    The rows are counted first, because they are many: cameras wait only for the counters.
    """
    chosen = _removals(week.holds(inspections)).where(week.holds(ledger))
    rows = connection.execute(chosen).all()
    lock_cameras(connection, {row.camera_id for row in rows})
    return _note(connection, rows)


def lock_cameras(connection: Connection, camera_ids: Collection[int]) -> None:
    """Lock cameras as whoever records frames of them does."""
    connection.execute(
        select(cameras.c.id)
        .where(cameras.c.id.in_(sorted(camera_ids)))
        .order_by(cameras.c.id)
        .with_for_update(key_share=True)
    ).all()


@dataclass
class _End:
    """How far the removal goes for one camera."""

    number: int = 0
    captured_at: datetime | None = None
    #: Numbers beyond what was removed before.
    new_count: int = 0

    def add(self, row: Row[*tuple[Any, ...]]) -> None:
        self.number = max(self.number, row.number)
        self.captured_at = max(filter(None, (self.captured_at, row.captured_at)))
        self.new_count += row.new_count


def _lock(connection: Connection, is_chosen: Sequence[ColumnElement[bool]]) -> None:
    chosen = select(ledger.c.camera_id).where(*is_chosen).distinct()
    lock_cameras(connection, connection.scalars(chosen).all())


def _note(connection: Connection, rows: Sequence[Row[*tuple[Any, ...]]]) -> int:
    removed: Counter[tuple[int, Kind]] = Counter()
    ends: dict[int, _End] = {}
    for row in rows:
        kind = (Outcome(row.outcome), row.reason, row.is_repeated)
        removed[row.camera_id, kind] += row.row_count
        ends.setdefault(row.camera_id, _End()).add(row)
    if removed:
        _note_kinds(connection, removed)
        _note_ends(connection, ends)
    return removed.total()


def _note_kinds(connection: Connection, removed: Mapping[tuple[int, Kind], int]) -> None:
    counts = ledger_counts.c
    columns = (counts.camera_id, counts.outcome, counts.reason, counts.is_repeated)
    connection.execute(
        update(ledger_counts)
        .where(*(column == bindparam(f"of_{column.name}") for column in columns))
        .values(removed_count=counts.removed_count + bindparam("more")),
        [
            {f"of_{name}": value for name, value in key_of(*of).items()} | {"more": count}
            for of, count in sorted(removed.items())
        ],
    )


def _note_ends(connection: Connection, ends: Mapping[int, _End]) -> None:
    changes = []
    for camera_id, before in removals(connection, sorted(ends)).items():
        end = ends[camera_id]
        up_to = max(before.up_to, end.number)
        if before.up_to + end.new_count != up_to:
            found = gaps.between(connection, camera_id, after=before.up_to, up_to=up_to)
            gaps.note(connection, camera_id, found)
        until_at = max(filter(None, (before.until_at, end.captured_at)))
        changes.append({"of_camera_id": camera_id, "number": up_to, "moment": until_at})
    connection.execute(
        update(camera_accounts)
        .where(camera_accounts.c.camera_id == bindparam("of_camera_id"))
        .values(removed_up_to=bindparam("number"), removed_until_at=bindparam("moment")),
        changes,
    )


def _removals(*of_inspections: ColumnElement[bool]) -> Select[*tuple[Any, ...]]:
    row, account = ledger.c, camera_accounts.c
    # A number that another exposure had before does not fill a gap.
    is_new = and_(row.sequence_number > account.removed_up_to, row.is_repeated.is_(False))
    new_number = case((is_new, row.sequence_number))
    return (
        by_kind(*of_inspections)
        .add_columns(
            row.camera_id,
            func.max(row.sequence_number).label("number"),
            func.max(row.captured_at).label("captured_at"),
            func.count(new_number.distinct()).label("new_count"),
        )
        .join(camera_accounts, account.camera_id == row.camera_id)
        .group_by(row.camera_id)
    )


def _add(connection: Connection, kinds: Mapping[tuple[int, Kind], int]) -> None:
    execute_many(
        connection,
        _adding(connection.dialect.name),
        [
            key_of(*of) | {"recorded_count": count, "removed_count": 0}
            for of, count in sorted(kinds.items())
        ],
    )


@cache
def _adding(dialect_name: str) -> sqlite.Insert | postgresql.Insert:
    statement = _insert(dialect_name, ledger_counts)
    key = ("camera_id", "outcome", "reason", "is_repeated")
    total = ledger_counts.c.recorded_count + statement.excluded.recorded_count
    return statement.on_conflict_do_update(index_elements=key, set_={"recorded_count": total})


@cache
def _raising(dialect_name: str) -> sqlite.Insert | postgresql.Insert:
    account, statement = camera_accounts.c, _insert(dialect_name, camera_accounts)
    given = statement.excluded.last_sequence_number
    higher = case((given > account.last_sequence_number, given), else_=account.last_sequence_number)
    return statement.on_conflict_do_update(
        index_elements=["camera_id"], set_={"last_sequence_number": higher}
    )


def _insert(dialect_name: str, table: Table) -> sqlite.Insert | postgresql.Insert:
    dialect: Any = sqlite if dialect_name == "sqlite" else postgresql
    statement: sqlite.Insert | postgresql.Insert = dialect.insert(table)
    return statement
