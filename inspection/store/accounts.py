"""Accounts: what the ledger adds up to per camera, kept beside it so that nobody has to count.

The counters change in the transaction that adds, moves or removes rows, while the camera's row is
locked; `inspection db verify` counts the rows all the same and compares.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Select, func, insert, select, update

from inspection.domain.ledger import Account, Entry, Inspected, Outcome, outcome_of
from inspection.store import gaps
from inspection.store.ledger_tables import camera_accounts, ledger_counts
from inspection.store.tables import cameras, inspections, ledger

#: Ids asked for in one statement; SQLite takes 32,766 values, PostgreSQL 65,535.
IDS_PER_STATEMENT: Final = 5_000

#: Outcome; verdict, reason or cause; and whether its number was given before.
Kind = tuple[Outcome, str, bool]


@dataclass(frozen=True, kw_only=True)
class Counters:
    """What the ledger of one camera adds up to."""

    last_sequence_number: int = 0
    #: Every number up to this one has or had a row, but for the gaps that are written down.
    removed_up_to: int = 0
    #: Newest exposure whose row was removed; None when none was.
    removed_until_at: datetime | None = None
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
        return _by_reason(self.recorded, Outcome.INSPECTED)


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
        removed_up_to=end.removed_up_to,
        removed_until_at=end.removed_until_at,
        recorded=recorded,
        removed=removed,
    )


def row_counts(connection: Connection) -> tuple[int, int]:
    """Return how many rows were ever recorded, and how many of them retention has removed.

    Of all cameras together.
    """
    sums = select(func.sum(ledger_counts.c.recorded_count), func.sum(ledger_counts.c.removed_count))
    recorded_count, removed_count = connection.execute(sums).one()
    return int(recorded_count or 0), int(removed_count or 0)


def kind_of(entry: Entry, *, is_repeated: bool) -> Kind:
    """Return as what an entry is counted."""
    outcome, reason, _ = outcome_of(entry)
    verdict = entry.inspection.verdict.value if isinstance(entry, Inspected) else ""
    return outcome, reason or verdict, is_repeated


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
        inspected=sum(_by_reason(kinds, Outcome.INSPECTED).values()),
        uninspected=_by_reason(kinds, Outcome.UNINSPECTED),
        dropped=_by_reason(kinds, Outcome.DROPPED),
    )


def beyond(connection: Connection, camera_id: int, number: int) -> Counter[Kind]:
    """Count the rows of the camera with a greater sequence number than `number`, by kind."""
    return _counted(connection, ledger.c.camera_id == camera_id, ledger.c.sequence_number > number)


def recounted(connection: Connection, camera_id: int) -> Counter[Kind]:
    """Count every row of the camera, by kind: slow, and what the counters must agree with."""
    return _counted(connection, ledger.c.camera_id == camera_id)


def note_recorded(
    connection: Connection, camera_id: int, kinds: Mapping[Kind, int], *, last_sequence_number: int
) -> None:
    """Count rows that were added; the camera is locked.

    Args:
        connection: the transaction that adds them.
        camera_id: whose they are.
        kinds: how many of each kind.
        last_sequence_number: highest among them.
    """
    for kind, count in kinds.items():
        _add(connection, camera_id, kind, recorded_count=count)
    end = camera_accounts.c
    present = connection.scalar(select(end.last_sequence_number).where(end.camera_id == camera_id))
    if present is None:
        first = {"last_sequence_number": last_sequence_number, "removed_up_to": 0}
        connection.execute(insert(camera_accounts).values(camera_id=camera_id, **first))
    elif present < last_sequence_number:
        connection.execute(
            update(camera_accounts)
            .where(end.camera_id == camera_id)
            .values(last_sequence_number=last_sequence_number)
        )


def note_moved(connection: Connection, camera_id: int, before: Kind, after: Kind) -> None:
    """Count a row of one kind as one of another; the camera is locked."""
    if before != after:
        _add(connection, camera_id, before, recorded_count=-1)
        _add(connection, camera_id, after, recorded_count=1)


def note_removed(connection: Connection, camera_id: int, ledger_ids: Sequence[int]) -> None:
    """Count rows as removed that the same transaction deletes afterwards.

    1. Lock the camera.
    2. Add them to what was removed of their kinds.
    3. Write down which numbers up to the highest of them never had a row: once the rows around
       it are gone, nothing else tells a missing frame from a removed one.

    Args:
        connection: inside a transaction of `Database.write`; whoever locks several cameras takes
            them by ascending id.
        camera_id: whose they are.
        ledger_ids: all of the camera, none deleted yet. Oldest first, or the search for gaps goes
            over everything between.
    """
    connection.execute(
        select(cameras.c.id).where(cameras.c.id == camera_id).with_for_update(key_share=True)
    )
    before = counters(connection, camera_id)
    removed: Counter[Kind] = Counter()
    number, until_at = before.removed_up_to, before.removed_until_at
    for start in range(0, len(ledger_ids), IDS_PER_STATEMENT):
        chosen = ledger.c.id.in_(ledger_ids[start : start + IDS_PER_STATEMENT])
        removed += _counted(connection, chosen)
        highest = func.max(ledger.c.sequence_number), func.max(ledger.c.captured_at)
        last = connection.execute(select(*highest).where(chosen)).one()
        number = max(number, last[0] or 0)
        until_at = max(filter(None, (until_at, last[1])), default=None)
    for kind, count in removed.items():
        _add(connection, camera_id, kind, removed_count=count)
    gaps.note(
        connection,
        camera_id,
        gaps.between(connection, camera_id, after=before.removed_up_to, up_to=number),
    )
    connection.execute(
        update(camera_accounts)
        .where(camera_accounts.c.camera_id == camera_id)
        .values(removed_up_to=number, removed_until_at=until_at)
    )


def _by_reason(kinds: Mapping[Kind, int], outcome: Outcome) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for (of_outcome, reason, _), count in kinds.items():
        if of_outcome is outcome and count:
            counts[reason] += count
    return dict(counts)


def _counted(connection: Connection, *conditions: ColumnElement[bool]) -> Counter[Kind]:
    return Counter(
        {
            (Outcome(row.outcome), row.reason, row.is_repeated): row.row_count
            for row in connection.execute(_by_kind().where(*conditions))
        }
    )


def _by_kind() -> Select[*tuple[Any, ...]]:
    reason = func.coalesce(ledger.c.reason, inspections.c.verdict)
    kind = (ledger.c.outcome, reason.label("reason"), ledger.c.is_repeated)
    return (
        select(*kind, func.count().label("row_count"))
        .join_from(ledger, inspections, inspections.c.ledger_id == ledger.c.id, isouter=True)
        .group_by(*kind)
    )


def _add(
    connection: Connection,
    camera_id: int,
    kind: Kind,
    *,
    recorded_count: int = 0,
    removed_count: int = 0,
) -> None:
    outcome, reason, is_repeated = kind
    counts = ledger_counts.c
    key = {
        "camera_id": camera_id,
        "outcome": outcome.value,
        "reason": reason,
        "is_repeated": is_repeated,
    }
    changed = connection.execute(
        update(ledger_counts)
        .where(*(counts[name] == value for name, value in key.items()))
        .values(
            recorded_count=counts.recorded_count + recorded_count,
            removed_count=counts.removed_count + removed_count,
        )
    )
    if changed.rowcount == 0:
        # Nobody else can have added it meanwhile: the camera is locked.
        amounts = {"recorded_count": recorded_count, "removed_count": removed_count}
        connection.execute(insert(ledger_counts).values(key | amounts))
