"""What is kept, what is gone, and when the room for it will be full."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from inspection.domain.evidence import Amount, Gone, KeepClass, Limits
from inspection.domain.forecast import Forecast, Growth, forecast
from inspection.store import accounts, evidence, growth
from inspection.store.database import Database
from inspection.store.growth import Moment
from inspection.store.pictures import PictureStore
from inspection.store.room import Room, room

#: Growth is measured over the last so many days: a whole week, for weekends are quiet.
MEASURED: Final = timedelta(days=7)
#: Bytes of a row in SQLite with all that belongs to it but the map, indexes included; about.
ROW_BYTES: Final = 1_000
_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, kw_only=True)
class Holdings:
    """What is kept and what is gone, at one moment."""

    row_count: int
    #: Rows that are gone.
    removed_row_count: int
    kept: dict[KeepClass, Amount]
    gone: dict[Gone, Amount]
    #: Of the disk of the pictures; None when they are kept elsewhere.
    room: Room | None
    #: Bytes that may still be used; None: nothing limits them here.
    left_bytes: int | None
    #: What limits them first: `budget` or `disk`.
    limit: Gone | None
    #: Days that growth was measured over.
    history_days: float
    forecast: Forecast

    @property
    def kept_bytes(self) -> int:
        """Bytes of all pictures and maps."""
        return sum(self.kept.values(), Amount()).size_bytes


def holdings(
    database: Database, pictures: PictureStore, limits: Limits, *, at: datetime
) -> Holdings:
    """Return what is kept and gone, and what is to be expected.

    Raises:
        UnavailableError: the database or the disk does not answer.
    """
    found = room(database, pictures)
    with database.read() as connection:
        kept, gone = evidence.kept(connection), evidence.gone(connection)
        now, removed_row_count = growth.now(connection, at), accounts.row_counts(connection)[1]
        before = growth.remembered(connection, at - MEASURED) or now
    kept_bytes = sum(kept.values(), Amount()).size_bytes
    left_bytes, limit = _left(kept_bytes, found, limits)
    history_days = (now.at - before.at) / _DAY
    growths = _growths(kept, before, now, limits)
    if found is not None and found.database_bytes:
        growths.append(_growth_of_rows(before, now, limits, removed_row_count))
    held_bytes = sum(each.held_bytes for each in growths)
    return Holdings(
        row_count=now.row_count - removed_row_count,
        removed_row_count=removed_row_count,
        kept=kept,
        gone=gone,
        room=found,
        left_bytes=left_bytes,
        limit=limit,
        history_days=history_days,
        forecast=forecast(
            growths,
            room_bytes=float("inf") if left_bytes is None else held_bytes + left_bytes,
            history_days=history_days,
        ),
    )


def _left(kept_bytes: int, found: Room | None, limits: Limits) -> tuple[int | None, Gone | None]:
    left: list[tuple[int, Gone]] = []
    if limits.budget_bytes is not None:
        left.append((limits.budget_bytes - kept_bytes, Gone.BUDGET))
    if found is not None:
        unused_bytes = limits.reserve_bytes + limits.margin_bytes
        left.append((found.size_bytes - unused_bytes, Gone.DISK))
    return min(left, default=(None, None))


def _growths(
    kept: dict[KeepClass, Amount], before: Moment, now: Moment, limits: Limits
) -> list[Growth]:
    days = (now.at - before.at) / _DAY
    added = {key: now.added_bytes.get(key, 0) - before.added_bytes.get(key, 0) for key in KeepClass}
    return [
        Growth(
            held_bytes=kept[key].size_bytes,
            bytes_per_day=added[key] / days if days else 0.0,
            kept_days=limits.age_of(key) / _DAY,
        )
        for key in KeepClass
    ]


def _growth_of_rows(before: Moment, now: Moment, limits: Limits, removed_count: int) -> Growth:
    days = (now.at - before.at) / _DAY
    row_count = now.row_count - before.row_count
    return Growth(
        held_bytes=(now.row_count - removed_count) * ROW_BYTES,
        bytes_per_day=row_count * ROW_BYTES / days if days else 0.0,
        kept_days=limits.rows / _DAY,
    )
