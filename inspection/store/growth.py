"""How much had been kept at some moments: how fast it grows."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy import Connection, delete, func, select

from inspection.domain.evidence import KeepClass
from inspection.store import accounts, evidence_tables
from inspection.store.engine import insert_new

#: Moments of growth are forgotten after so long.
HISTORY_KEPT: Final = timedelta(days=30)
_HOUR: Final = timedelta(hours=1)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class Moment:
    """How much had been kept at some time, since the beginning."""

    at: datetime
    #: Bytes that came, whether they are gone or not.
    added_bytes: Mapping[KeepClass, int]
    #: Frames that got a row.
    row_count: int


def now(connection: Connection, at: datetime) -> Moment:
    """Return how much has been kept by now, since the beginning."""
    counter = evidence_tables.evidence.c
    statement = select(counter.keep_class, func.sum(counter.added_bytes)).group_by(
        counter.keep_class
    )
    return Moment(
        at=at,
        added_bytes={KeepClass(key): int(size) for key, size in connection.execute(statement)},
        row_count=accounts.row_counts(connection)[0],
    )


def remember(connection: Connection, moment: Moment) -> None:
    """Write a moment down, one an hour, whoever is first; those of long ago are forgotten."""
    history = evidence_tables.evidence_history
    connection.execute(
        insert_new(connection, history, "hour").values(
            hour=(moment.at - _EPOCH) // _HOUR,
            taken_at=moment.at,
            added_bytes={str(key.value): size for key, size in moment.added_bytes.items()},
            row_count=moment.row_count,
        )
    )
    connection.execute(delete(history).where(history.c.taken_at < moment.at - HISTORY_KEPT))


def remembered(connection: Connection, since: datetime) -> Moment | None:
    """Return the earliest moment since a time; None when none was written down."""
    history = evidence_tables.evidence_history
    row = connection.execute(
        select(history).where(history.c.taken_at >= since).order_by(history.c.hour).limit(1)
    ).first()
    if row is None:
        return None
    sizes = {KeepClass(int(key)): size for key, size in row.added_bytes.items()}
    return Moment(at=row.taken_at, added_bytes=sizes, row_count=row.row_count)
